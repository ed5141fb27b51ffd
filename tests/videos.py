"""Small videos that tests make for themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def canvas(width: int = 96, height: int = 64, value: int = 0) -> np.ndarray:
    """A flat grey picture, RGB uint8 (H, W, 3)."""
    return np.full((height, width, 3), value, np.uint8)


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    times: Sequence[float] | None = None,
    rate: int = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    pixel_shape: Fraction = Fraction(1),
) -> Path:
    """Encode frames, RGB uint8 (H, W, 3), shown at `times` in seconds, by default at a constant `rate`.

    `pixel_shape` is how much wider than high a pixel is to be shown.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.pix_fmt, stream.codec_context.time_base = pixel_format, Fraction(1, 1000)
        for i, pixels in enumerate(frames):
            if i == 0:
                stream.height, stream.width = pixels.shape[:2]
                stream.codec_context.sample_aspect_ratio = pixel_shape
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(1000 * (times[i] if times else i / rate)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Half a second of silence, without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path, degrees_clockwise: int) -> Path:
    """Writes the matrix of a phone that was held turned into the track header of an MP4 file.

    ISO/IEC 14496-12, 8.3.2: nine numbers, 16.16 fixed point but for the last column (2.30), that take the point (x, y)
    of the stored picture to (a x + c y, b x + d y), y downwards.
    """
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees_clockwise]
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version and flags; times, id, duration; layer, volume, reserved
    numbers = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in numbers)
    path.write_bytes(data)
    return path
