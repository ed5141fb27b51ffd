"""From a video to a stream of `FrameResult`: frames, faces, tracks, models, in batches and in flat memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from emolens.analyzer import Analyzer
from emolens.errors import InputError, OptionError
from emolens.faces.detector import FaceDetector
from emolens.faces.tracking import PATIENCE_S, Tracker
from emolens.limits import LIMITS, Limits
from emolens.records import Face, FrameResult, PhotoResult, Prediction
from emolens.video import VideoFrame, VideoReader, frames_ahead
from emolens.video.opening import VideoSource

BATCH_SIZE = 8


def watch(
    source: VideoSource | VideoReader,
    *,
    every: int = 1,
    fps: float | None = None,
    smooth: float | None = None,
    pixels: bool = False,
    analyzer: Analyzer | None = None,
    tasks: Iterable[str] | str | None = None,
    detector: str | Path | FaceDetector = "auto",
    models: Sequence[str | Path] | str | Path = (),
    abstain_below: float | None = None,
    min_face: int | None = None,
    batch_size: int = BATCH_SIZE,
    limits: Limits = LIMITS,
) -> Iterator[FrameResult]:
    """What the faces in a video show, frame by frame, each face with the number of its track.

    `source` is a path, a URL, a camera (its number, or `camera:0`), or a `VideoReader` that is open. `fps` takes that
    many frames of each second and passes over the others. Of the frames taken, faces are looked for in each `every`-th;
    in those between they are placed by how their tracks moved, and their expressions are read there as elsewhere.
    `smooth` averages the distributions of a track over about so many seconds of its past, with weights that fall by
    1 / e in that time, and gives them beside the unsmoothed ones. `pixels` keeps the frame in its result. `batch_size`
    frames go through the detector together, and their faces through the model; the results are those of one by one. A
    live source is taken frame by frame, the newest at a time. The other options are those of `Analyzer`, or come with
    an `analyzer`.

    A frame without a face has the status `no_face`. Raises `InputError` at once for a source that cannot be opened, and
    after the last good frame for one that is cut off or stops. Closing the iterator closes the source.
    """
    _check(every, fps, smooth)
    analyzer = analyzer or Analyzer(
        tasks, detector, models, abstain_below=abstain_below, min_face=min_face, batch_size=batch_size, limits=limits
    )
    if analyzer.detector is None:
        raise OptionError("a video cannot be watched with whole_image=True; give an Analyzer with a detector")
    reader = source if isinstance(source, VideoReader) else VideoReader(source, limits)
    return _Watch(analyzer, reader.name, every, smooth, pixels).results(
        frames_ahead(reader, fps), 1 if reader.live else batch_size
    )


def _check(every: int, fps: float | None, smooth: float | None) -> None:
    if every < 1:
        raise OptionError(f"every is {every}, needs 1 (each frame) or more")
    if fps is not None and not 0 < fps < math.inf:
        raise OptionError(f"fps is {fps}, needs a number of frames a second above 0")
    if smooth is not None and not 0 < smooth < math.inf:
        raise OptionError(f"smooth is {smooth}, needs seconds above 0, or None for no smoothing")


@dataclass(slots=True)
class _Placed:
    """A frame, its faces with their numbers, and whether they were looked for in it."""

    frame: VideoFrame
    faces: list[Face]
    detected: bool


class _Watch:
    """What is remembered from frame to frame of one video."""

    def __init__(self, analyzer: Analyzer, name: str, every: int, smooth: float | None, pixels: bool) -> None:
        self._analyzer, self._name, self._every, self._pixels = analyzer, name, every, pixels
        self._tracker, self._taken = Tracker(), 0
        self._smoother = None if smooth is None else Smoother(smooth, analyzer.abstain_below)

    def results(self, frames: Iterator[VideoFrame], batch_size: int) -> Iterator[FrameResult]:
        for batch in _batches(frames, batch_size):
            placed = self._placed(batch)
            answers = self._analyzer.analyze_found(
                [one.frame.pixels for one in placed], [one.faces for one in placed], self._name
            )
            yield from map(self._result, placed, answers)

    def _placed(self, batch: Sequence[VideoFrame]) -> list[_Placed]:
        """The faces of some frames: found together in those that are looked at, then tracked in order."""
        looked_at = [(self._taken + i) % self._every == 0 for i in range(len(batch))]
        self._taken += len(batch)
        found = iter(self._analyzer.find([f.pixels for f, look in zip(batch, looked_at, strict=True) if look]))
        placed = []
        for frame, look in zip(batch, looked_at, strict=True):
            size = (frame.pixels.shape[1], frame.pixels.shape[0])
            faces = (
                self._tracker.update(next(found), frame.time_s, size)
                if look
                else self._tracker.predict(frame.time_s, size)
            )
            placed.append(_Placed(frame, faces, look))
        return placed

    def _result(self, placed: _Placed, answer: PhotoResult) -> FrameResult:
        said = {field.name: getattr(answer, field.name) for field in fields(PhotoResult)}
        return FrameResult(
            **said,
            frame=placed.frame.number,
            time_s=placed.frame.time_s,
            detected=placed.detected,
            smoothed=self._smoother.smoothed(answer.expressions, placed.frame.time_s) if self._smoother else (),
            pixels=placed.frame.pixels if self._pixels else None,
        )


class Smoother:
    """Averages the distributions of each track over its past, with weights that fall by 1 / e in `seconds`.

    The first frame of a track stands for all that was before it. The confidence of a smoothed prediction is its top
    probability: the calibration of single frames says nothing about it.
    """

    def __init__(self, seconds: float, abstain_below: float | None = None) -> None:
        self.seconds, self.abstain_below = seconds, abstain_below
        self._past: dict[int, tuple[float, np.ndarray]] = {}

    def smoothed(self, expressions: Sequence[Prediction], time_s: float) -> tuple[Prediction, ...]:
        """The smoothed predictions of one frame, in the same order; each says in `model` that it is smoothed."""
        self._past = {n: (seen, d) for n, (seen, d) in self._past.items() if time_s - seen <= PATIENCE_S}
        return tuple(self._one(prediction, time_s) for prediction in expressions)

    def _one(self, prediction: Prediction, time_s: float) -> Prediction:
        number = prediction.face.track_id if prediction.face else None
        distribution = prediction.distribution.astype(np.float64)
        if number is not None and number in self._past:
            seen, past = self._past[number]
            distribution = past + (1 - math.exp(-max(0.0, time_s - seen) / self.seconds)) * (distribution - past)
        if number is not None:
            self._past[number] = (time_s, distribution)
        confidence = float(distribution.max())
        return replace(
            prediction,
            distribution=distribution.astype(np.float32),
            confidence=confidence,
            model=f"{prediction.model} (smoothed {self.seconds:g} s)",
            abstained=self.abstain_below is not None and confidence < self.abstain_below,
        )


def _batches(frames: Iterator[VideoFrame], size: int) -> Iterator[list[VideoFrame]]:
    """Frames by `size`; where reading ends in an error, the frames before it come out first."""
    batch: list[VideoFrame] = []
    try:
        for frame in frames:
            batch.append(frame)
            if len(batch) == size:
                yield batch
                batch = []
    except InputError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
