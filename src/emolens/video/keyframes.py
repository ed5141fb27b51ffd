"""Key frames: where a film has changed most, by the difference of frames in LUV, smoothed, at its local maxima.

As the hybrid group system chose them (Gong et al. 2025): the mean absolute difference of the pixels of two frames in
CIE LUV, smoothed by a Hann window of 50 frames, and the frames at strict local maxima. Here frames are first averaged
down to about 320 px of width, which changes the curve little and spares most of the time; where nothing changes, the
frame in the middle stands for the film, so that no film is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from emolens.video.reading import VideoFrame

WINDOW = 50  # frames
LOOKED_AT = 320  # px of width
WHITE_U, WHITE_V = 0.19793943, 0.46831096  # of D65
TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
"""sRGB primaries and D65, ITU-R BT.709."""
_CODES = np.arange(256) / 255
LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""The light behind each code of sRGB."""


def luv(pixels: np.ndarray) -> np.ndarray:
    """RGB uint8 (H, W, 3) as CIE LUV in the units of eight-bit pictures: float32 (H, W, 3).

    L, u, v are stretched to 0 to 255 as OpenCV does it: L * 255 / 100, (u + 134) * 255 / 354, (v + 140) * 255 / 262.
    """
    x, y, z = np.moveaxis(LINEAR[pixels] @ TO_XYZ.T.astype(np.float32), 2, 0)
    light = np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)
    below = np.maximum(x + 15 * y + 3 * z, np.float32(1e-9))
    u, v = 13 * light * (4 * x / below - WHITE_U), 13 * light * (9 * y / below - WHITE_V)
    stretched: np.ndarray = np.stack(
        [light * (255 / 100), (u + 134) * (255 / 354), (v + 140) * (255 / 262)], axis=2
    ).astype(np.float32)
    return stretched


def differences(frames: Iterable[VideoFrame]) -> Iterator[tuple[int, float, float]]:
    """Number, time and difference to the frame before of each frame; two frames are in memory.

    A difference is the sum over the three channels of the mean absolute difference, in eight-bit units. The first frame
    has none and gets that of the second: a zero would look like a change when the film begins.
    """
    first: VideoFrame | None = None
    before = np.empty(0)
    for frame in frames:
        now = luv(_reduced(frame.pixels))
        if not before.size:
            first = frame
        else:
            value = float(np.abs(now - before).sum(axis=2).mean()) if before.shape == now.shape else 0.0
            if first is not None:
                yield first.number, first.time_s, value
                first = None
            yield frame.number, frame.time_s, value
        before = now
    if first is not None:
        yield first.number, first.time_s, 0.0


def _reduced(pixels: np.ndarray) -> np.ndarray:
    factor = max(1, math.floor(pixels.shape[1] / LOOKED_AT))
    return np.asarray(Image.fromarray(pixels).reduce(factor)) if factor > 1 else pixels


def smoothed(values: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Values (n,) under a Hann window that sums to 1: (n,). The ends are continued by turning them around their point.

    A row shorter than the window is smoothed by one of half its length.
    """
    window = min(window, max(1, len(values) // 2))
    if window < 3:
        return values.astype(np.float64)
    weights = np.hanning(window)
    padded = np.pad(values.astype(np.float64), window, mode="reflect", reflect_type="odd")
    found: np.ndarray = np.convolve(padded, weights / weights.sum(), mode="same")[window:-window]
    return found


def local_maxima(values: np.ndarray) -> np.ndarray:
    """Places (k,) of the values (n,) that are larger than both their neighbours; the ends are none."""
    inside = (values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])
    places: np.ndarray = np.flatnonzero(inside) + 1
    return places


def key_places(values: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Which of the frames, by their differences (n,), are key frames: places (k,), k of at least 1 where n is."""
    found = local_maxima(smoothed(values, window))
    return found if len(found) or not len(values) else np.array([len(values) // 2])
