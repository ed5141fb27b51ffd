"""From a video to a stream of `FrameResult`: frames, faces, tracks, models, in batches and in flat memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from emolens.analyzer import Analyzer
from emolens.errors import InputError, OptionError
from emolens.faces.detector import FaceDetector, ShareableDetector
from emolens.faces.tracking import PATIENCE_S, Tracker
from emolens.models.session import cores
from emolens.pictures.limits import LIMITS, Limits
from emolens.records import Face, FrameResult, PhotoResult, Prediction
from emolens.video import VideoFrame, VideoReader, frames_ahead
from emolens.video.ahead import AHEAD as FRAMES_AHEAD
from emolens.video.cuts import CutWatch
from emolens.video.opening import VideoSource

BATCH_SIZE = 8
BATCH_PIXELS = BATCH_SIZE * 1920 * 1080  # frames of a larger video go in smaller batches, or 4K would fill gigabytes
AHEAD = 1  # batches in which faces are looked for while the model reads those of the one before
MAX_SIDE = 1280  # px; YuNet looks at no more anyway, MTCNN takes a third of the time on full HD


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
    min_score: float | None = None,
    batch_size: int = BATCH_SIZE,
    max_side: int | None = MAX_SIDE,
    limits: Limits = LIMITS,
) -> Generator[FrameResult, None, None]:
    """What the faces in a video show, frame by frame, each face with the number of its track.

    `source` is a path, a URL, a camera (its number, or `camera:0`), or a `VideoReader` that is open. `fps` takes that
    many frames of each second and passes over the others. Of the frames taken, faces are looked for in each `every`-th;
    in those between they are placed by how their tracks moved, and their expressions are read there as elsewhere. Where
    the film cuts to another scene all tracks end, so that a number stays with one person, and faces are looked for
    anew. `smooth` averages the distributions of a track over about so many seconds of its past, with weights that fall
    by 1 / e in that time, and gives them beside the unsmoothed ones. `pixels` keeps the frame in its result.
    `batch_size` frames at the most, fewer where they are larger than full HD, go through the detector together, and
    their faces through the model, the frames shared out over the cores; the results are those of one by one. A live
    source is taken frame by frame, the newest at a time, all cores on it. `max_side` bounds the longer side, in pixels,
    of what the detector looks at, so that full HD is averaged down by two; None gives it all pixels. The other options
    are those of `Analyzer`, or come with an `analyzer`.

    A frame without a face has the status `no_face`. Raises `InputError` at once for a source that cannot be opened, and
    after the last good frame for one that is cut off or stops. Closing the iterator closes the source.
    """
    _check(every, fps, smooth, batch_size, max_side)
    analyzer = (
        analyzer.for_frames()
        if analyzer
        else Analyzer(
            tasks,
            detector,
            models,
            abstain_below=abstain_below,
            min_face=min_face,
            min_score=min_score,
            batch_size=batch_size,
            limits=limits,
            frames=True,
        )
    )
    if analyzer.whole_image:
        raise OptionError("a video cannot be watched with whole_image=True; give an Analyzer with a detector")
    reader = source if isinstance(source, VideoReader) else VideoReader(source, limits)
    watched = _Watch(analyzer if reader.live else analyzer.on_one_core(), reader.name, every, smooth, pixels, max_side)
    room = max(1, BATCH_PIXELS // (reader.width * reader.height))
    frames = frames_ahead(reader, fps, min(FRAMES_AHEAD, room))
    return watched.results(frames, *((1, 0) if reader.live else (min(batch_size, room), AHEAD)))


def _check(every: int, fps: float | None, smooth: float | None, batch_size: int, max_side: int | None) -> None:
    if every < 1:
        raise OptionError(f"every is {every}, needs 1 (each frame) or more")
    if fps is not None and not 0 < fps < math.inf:
        raise OptionError(f"fps is {fps}, needs a number of frames a second above 0")
    if smooth is not None and not 0 < smooth < math.inf:
        raise OptionError(f"smooth is {smooth}, needs seconds above 0, or None for no smoothing")
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}, needs 1 frame or more")
    if max_side is not None and max_side < 64:
        raise OptionError(f"max_side is {max_side}, needs 64 pixels or more, or None for all")


@dataclass(slots=True)
class _Frame:
    """A frame, whether another scene begins with it, whether faces are looked for in it, and its numbered faces."""

    frame: VideoFrame
    cut: bool
    look: bool
    faces: Sequence[Face] = ()


class _Watch:
    """What is remembered from frame to frame of one video."""

    def __init__(
        self, analyzer: Analyzer, name: str, every: int, smooth: float | None, pixels: bool, max_side: int | None
    ) -> None:
        self._analyzer, self._name, self._every = analyzer, name, every
        self._pixels, self._max_side = pixels, max_side
        self._tracker, self._cut_watch = Tracker(), CutWatch()
        self._smoother = None if smooth is None else Smoother(smooth, analyzer.abstain_below)

    def results(
        self, frames: Generator[VideoFrame, None, None], batch_size: int, ahead: int
    ) -> Generator[FrameResult, None, None]:
        """The results of frames, which are closed with it; faces are found in `ahead` batches before they are asked."""
        with closing(frames):
            for batch, found in self._found(frames, batch_size, ahead):
                self._place(batch, found)
                answers = self._analyzer.analyze_found(
                    [one.frame.pixels for one in batch], [one.faces for one in batch], self._name
                )
                yield from map(self._result, batch, answers)

    def _found(
        self, frames: Iterator[VideoFrame], batch_size: int, ahead: int
    ) -> Iterator[tuple[list[_Frame], list[list[Face]]]]:
        """Batches of frames and the faces of those that are looked at, found by threads of their own."""
        waiting: deque[tuple[list[_Frame], list[Future[list[list[Face]]]]]] = deque()
        shares = cores() if ahead and isinstance(self._analyzer.detector, ShareableDetector) else 1
        with ThreadPoolExecutor(shares, thread_name_prefix="emolens-detect") as pool:
            batches = _batches(self._looked(frames), batch_size)
            error: InputError | None = None
            while error is None:
                try:
                    batch = next(batches, None)
                except InputError as raised:
                    batch, error = None, raised  # it is raised once the frames before it are out
                if batch is None:
                    break
                seen = [one.frame.pixels for one in batch if one.look]
                parts = [part for part in _parts(seen, shares) if part]
                waiting.append((batch, [pool.submit(self._analyzer.find, part, self._max_side) for part in parts]))
                if len(waiting) > ahead:
                    yield _joined(*waiting.popleft())
            for before in waiting:
                yield _joined(*before)
            if error is not None:
                raise error

    def _looked(self, frames: Iterator[VideoFrame]) -> Iterator[_Frame]:
        since = 0  # frames since the last look; a new scene is looked at from its first
        for frame in frames:
            cut = self._cut_watch.cuts(frame.pixels, frame.time_s)
            look = cut or since % self._every == 0
            since = 1 if look else since + 1
            yield _Frame(frame, cut, look)

    def _place(self, batch: Sequence[_Frame], found: Sequence[list[Face]]) -> None:
        """Give some frames, in order, their numbered faces: tracked where they were looked for, else placed."""
        found_next = iter(found)
        for one in batch:
            time_s, size = one.frame.time_s, (one.frame.pixels.shape[1], one.frame.pixels.shape[0])
            if one.cut:
                self._tracker.end()
            if one.look:
                one.faces = self._tracker.update(next(found_next), time_s, size)
            else:
                one.faces = self._tracker.predict(time_s, size)

    def _result(self, placed: _Frame, answer: PhotoResult) -> FrameResult:
        said = {field.name: getattr(answer, field.name) for field in fields(PhotoResult)}
        return FrameResult(
            **said,
            frame=placed.frame.number,
            time_s=placed.frame.time_s,
            detected=placed.look,
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


def _parts(frames: Sequence[np.ndarray], count: int) -> Iterator[Sequence[np.ndarray]]:
    """The frames in order, in `count` parts whose lengths differ by one at the most."""
    for n in range(count):
        yield frames[len(frames) * n // count : len(frames) * (n + 1) // count]


def _joined(batch: list[_Frame], found: Sequence[Future[list[list[Face]]]]) -> tuple[list[_Frame], list[list[Face]]]:
    return batch, [faces for part in found for faces in part.result()]


def _batches(frames: Iterator[_Frame], size: int) -> Iterator[list[_Frame]]:
    """Frames by `size`; where reading ends in an error, the frames before it come out first."""
    batch: list[_Frame] = []
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
