"""A video as upright RGB frames of square pixels, each with its number and the time when it is shown."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from emolens.errors import FetchError, InputError, OptionError, TooLarge, TooSmall, Unreadable
from emolens.pictures.limits import LIMITS, Limits, as_shown
from emolens.video.opening import VideoSource, load_av, open_container, place_of, reason

WHOLE = 0.9  # the share of its stated length and frames that a file must have; the rest is rounding and edit lists
WITH_SOUND = 0.75  # ... where the length is that of all streams, of which the sound may be the longest
LEAST_MISSING = 0.5  # seconds; of a shorter end nothing can be said
MOST_STRETCHED = 4  # of a pixel's sides; what states more states nonsense
JITTER_S = 0.1  # a time that goes back by less is a careless writer's; by more, another recording was appended


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame: `number` counts what was decoded from 0, `time_s` is in seconds, `pixels` RGB uint8 (H, W, 3)."""

    number: int
    time_s: float
    pixels: np.ndarray


class VideoReader:
    """Opens a video and decodes its frames in order.

    `source` is a path, an http(s), rtsp, rtmp, udp or srt URL, or a camera: its number or `camera:0`. ffmpeg opens URLs
    itself, addresses inside the own network too, since cameras live there: give it none that a stranger wrote.

    `name` is the source as tables show it, `width` and `height` are those of the upright frames. Frames of pixels that
    are not square, as on tape and disc, are made as wide as players show them, or faces would be narrow.

    What the file states, each None where it states nothing: `rate` is the mean of frames per second, `duration_s` the
    length and `count` how many there are. `live` says whether frames are lost that are not taken in time. `damaged`
    counts what was passed over so far: packets that cannot be decoded and frames that came out torn.

    Times count from the start of the file as players show them, those of a live source from its first frame. They are
    the timestamps of the file, so a variable frame rate is kept.

    Raises `NotFound`, `Unreadable`, `FetchError`, `TooSmall` or `TooLarge`, all `InputError`; `MissingExtra` without
    PyAV.
    """

    def __init__(self, source: VideoSource, limits: Limits = LIMITS) -> None:
        place = place_of(source)
        self.name, self.damaged = place.name, 0
        self._kind, self._limits, self._errors = place.kind, limits, load_av().error
        self._container = open_container(place, limits)
        try:
            self._stream = self._video_stream()
            stated = self._container.duration
            self.live = place.kind in ("camera", "stream") or (place.kind == "url" and not stated)
            self._stream.thread_type = "SLICE" if self.live else "AUTO"  # frame threads hold frames back
            self._reformatter = load_av().video.reformatter.VideoReformatter()
            self._packets = self._decoded()
            self._first = self._first_frame()
            self._check_size(self._first.width, self._first.height)
        except BaseException:
            self._container.close()
            raise
        self._describe()

    def frames(self, fps: float | None = None) -> Iterator[VideoFrame]:
        """The frames that were not read yet; with `fps` only the first one in each 1 / `fps` of a second.

        Once the frames are out that could be decoded, raises `Unreadable` for a file that is damaged or cut off and
        `FetchError` for a stream that stopped.
        """
        if fps is not None and not fps > 0:
            raise OptionError(f"fps is {fps}, needs a number of frames a second above 0")
        slot = -1
        for number, time_s, frame in self._timed():
            if fps is None or (now := int(time_s * fps + 1e-6)) > slot:
                slot = slot if fps is None else now
                yield VideoFrame(number, time_s, self._pixels(frame))

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.frames()

    def close(self) -> None:
        """Close the file, the connection or the camera."""
        self._packets.close()
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _video_stream(self) -> Any:
        shown = [s for s in self._container.streams.video if not int(s.disposition) & 0x400]  # 0x400: a cover picture
        if not shown:
            kinds = ", ".join(sorted({s.type for s in self._container.streams})) or "nothing"
            raise Unreadable(f"{as_shown(self.name)}: no video stream in it (it holds {kinds}); give a video")
        return shown[0]

    def _decoded(self) -> Generator[Any, None, None]:
        """Frames as PyAV has them; what is damaged is passed over and counted."""
        for packet in self._container.demux(self._stream):
            self.damaged += packet.is_corrupt
            try:
                frames = packet.decode()
            except self._errors.InvalidDataError:
                self.damaged += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.damaged += 1
                else:
                    yield frame

    def _first_frame(self) -> Any:
        try:
            frame = next(self._packets, None)
        except self._errors.FFmpegError as error:
            raise self._ended(reason(error), 0, 0.0) from None
        if frame is None:
            raise Unreadable(f"{as_shown(self.name)}: no frame of it can be decoded; get the file again")
        return frame

    def _describe(self) -> None:
        stream, first = self._stream, self._first
        self._stretch = self._stated_stretch()
        width, height = self._shown_width(first), int(first.height)
        turned = round(first.rotation / 90) % 2 == 1
        self.width, self.height = (height, width) if turned else (width, height)
        self.rate = float(stream.average_rate) if stream.average_rate else None
        # A camera that sends one JPEG after another sends no times: they are taken when a picture is there.
        self._by_clock = self.live and self._container.format.name in ("mpjpeg", "mjpeg")
        self._opened_s = monotonic()
        start = None if self.live else self._container.start_time
        self._start = start / 1e6 if start is not None else (first.time or 0.0)
        self._describe_length()

    def _describe_length(self) -> None:
        stream = self._stream
        length = stream.duration and float(stream.duration * stream.time_base)
        stated = self._container.duration and self._container.duration / 1e6
        if stated and self._container.format.name.startswith("matroska"):
            stated -= min(stated, max(0.0, self._start))  # Matroska states when it ends, not how long it is
        self.duration_s: float | None = None if self.live else (length or stated or None)
        counted = self.duration_s and self.rate and round(self.duration_s * self.rate)
        self.count: int | None = None if self.live else (stream.frames or counted or None)
        share = WHOLE if length or len(self._container.streams) == 1 else WITH_SOUND
        self._least_s = 0.0 if not self.duration_s else min(share * self.duration_s, self.duration_s - LEAST_MISSING)

    def _stated_stretch(self) -> float:
        """How much wider than high a pixel is shown."""
        stated = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        stretch = float(stated or 1)
        return stretch if 1 / MOST_STRETCHED <= stretch <= MOST_STRETCHED else 1.0

    def _shown_width(self, frame: Any) -> int:
        return round(float(frame.width) * self._stretch)

    def _timed(self) -> Iterator[tuple[int, float, Any]]:
        """Number, time and PyAV frame of all that can be decoded, and then the error, if it ended in one."""
        number, time_s, frame = 0, 0.0, self._first
        before: float | None = None
        step = end = 1 / (self.rate or 25.0)
        try:
            while frame is not None:
                time_s = before = self._time(frame, before, step)
                end = time_s + max(step, float((frame.duration or 0) * (frame.time_base or 0)))
                yield number, time_s, frame
                number, frame = number + 1, next(self._packets, None)
        except self._errors.FFmpegError as error:
            raise self._ended(reason(error), number + 1, time_s) from None
        if self.live:
            raise self._ended("its sender ended it", number, time_s)
        few = not self._stream.frames or number < WHOLE * self._stream.frames
        if end < self._least_s and few:
            raise self._ended(f"it says that it is {self.duration_s:.2f} s long", number, time_s)

    def _time(self, frame: Any, before: float | None, step: float) -> float:
        """When a frame is shown, never earlier than the one before it; `step` later where it says nothing."""
        if self._by_clock:
            return monotonic() - self._opened_s
        following = 0.0 if before is None else before + step
        if frame.time is None:
            return following
        time_s = float(frame.time) - self._start
        if before is not None and time_s < before - JITTER_S:  # the clock began anew: it goes on from here
            self._start += time_s - following
            return following
        return time_s if before is None else max(time_s, before)

    def _ended(self, why: str, frames: int, time_s: float) -> InputError:
        where = f"after {frames} frames, at {time_s:.2f} s"
        if self._kind != "file":
            what = "stream" if self.live else "transfer"
            return FetchError(f"{as_shown(self.name)}: the {what} stopped {where} ({why}); check it and start again")
        kept = "what came before is good; " if frames else ""
        return Unreadable(f"{as_shown(self.name)}: damaged or cut off {where} ({why}); {kept}get the file again")

    def _pixels(self, frame: Any) -> np.ndarray:
        self._check_size(frame.width, frame.height)
        shown = self._reformatter.reformat(frame, width=self._shown_width(frame), format="rgb24")
        pixels: np.ndarray = shown.to_ndarray()
        quarters = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 turns
        return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels

    def _check_size(self, width: int, height: int) -> None:
        size, limits = f"{as_shown(self.name)}: frames of {width} x {height} pixels", self._limits
        if min(width, height) < limits.min_side:
            raise TooSmall(f"{size}; a face needs {limits.min_side} or more on each side")
        if width * height > limits.max_pixels:
            raise TooLarge(f"{size}; at most {limits.max_pixels / 1e6:g} million are decoded; scale the video down")
