"""Frames into an MP4 file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from emolens.errors import LabelError, OptionError, OutputError
from emolens.video.opening import load_av

TICKS = 90_000  # a second; the clock of MPEG, in which every usual frame rate comes out exact
FRAGMENT_S = 2.0  # between two key frames: what a killed run loses, and how finely a player can seek
RATES = (1.0, 120.0)  # frames a second by which key frames are set; some sources state 90,000, others one in an hour


class VideoWriter:
    """Writes RGB uint8 (H, W, 3) frames with their times to an H.264 MP4 file, as a context manager.

    `size` is (width, height) of all frames; an odd side is made even by repeating its last line, since the colours of
    the format are kept for squares of four pixels. `rate` is the mean of frames per second, where known; the times
    given to `write` are kept, so a variable frame rate stays one. `quality` is x264's CRF, 0 (lossless) to 51.
    What was written before a run was killed can be played: the file is written in fragments, and made a plain MP4
    when it is closed. Without a frame there is no film: the file goes when it is closed.

    Raises `OutputError` where the file cannot be written, `MissingExtra` without PyAV.
    """

    def __init__(self, path: str | Path, size: tuple[int, int], rate: float | None = None, quality: int = 23) -> None:
        if min(size) < 2 or not 0 <= quality <= 51 or (rate is not None and not rate > 0):
            raise OptionError(f"size {size}, rate {rate}, quality {quality}: needs sides >= 2, rate > 0, 0 to 51")
        self.path, self.size = Path(path), size
        self._av, self._last, self._broken = load_av(), -1, False
        pace = min(max(rate or 25.0, RATES[0]), RATES[1])
        try:
            self.path.open("wb").close()  # so that a folder that is not there is known now
            options = {"movflags": "hybrid_fragmented", "flush_packets": "1"}
            self._container = self._av.open(f"file:{self.path}", "w", format="mp4", options=options)
            self._stream = self._opened(Fraction(pace).limit_denominator(1001), quality)
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise self._failed(error) from None

    def write(self, pixels: np.ndarray, time_s: float) -> None:
        """Append a frame that is shown from `time_s` seconds on; one that is not later than the last comes right after.

        Raises `OutputError` where it cannot be written, a full disk among others, and `LabelError` for another size.
        """
        width, height = self.size
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise LabelError(f"a frame is {pixels.dtype} {pixels.shape}, this video needs uint8 ({height}, {width}, 3)")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(_even(pixels)), format="rgb24")
        self._last = max(self._last + 1, round(time_s * TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._mux(frame)

    def close(self) -> None:
        """Write what is still held back and make the file whole. Closing twice does nothing."""
        if self._container is None:
            return
        try:
            if not self._broken and self.begun:
                self._mux(None)
        finally:
            container, self._container = self._container, None
            self._close(container)

    @property
    def begun(self) -> bool:
        """Whether a frame was given to it."""
        return self._last >= 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self, rate: Fraction, quality: int) -> Any:
        codec = "libx264" if "libx264" in self._av.codec.codecs_available else "mpeg4"
        # bf 0: with frames that lean on later ones the fragments would begin two frames late.
        options = {"crf": str(quality), "preset": "veryfast", "bf": "0"} if codec == "libx264" else {"qscale": "4"}
        stream = self._container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt, stream.gop_size = "yuv420p", max(1, round(FRAGMENT_S * rate))
        stream.codec_context.time_base = Fraction(1, TICKS if codec == "libx264" else 1000)
        return stream

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (self._av.error.FFmpegError, OSError) as error:
            self._broken = True  # ffmpeg crashes on a packet after one that could not be written
            raise self._failed(error) from None

    def _close(self, container: Any) -> None:
        try:
            container.close()  # which begins no file that has no frame yet: ffmpeg crashes on the end of such a one
            if not self.begun and self.path.is_file():
                self.path.unlink()
        except (self._av.error.FFmpegError, OSError) as error:
            if not self._broken:  # else it was said
                raise self._failed(error) from None

    def _failed(self, error: BaseException) -> OutputError:
        why = getattr(error, "strerror", None) or str(error)
        return OutputError(f"cannot write {self.path}: {why}; check the folder and the space on the disk")


def _even(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    if height % 2 == width % 2 == 0:
        return pixels
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
