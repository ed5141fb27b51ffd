"""A stimuli map in colours, over its picture, as contours. Maps are float32 (H, W) in [0, 1], of the picture's size.

The colours grow lighter with the weight, so that they keep their order in grey and for every kind of colour blindness.
"""

from __future__ import annotations

import numpy as np

SCALE = ((12, 12, 38), (78, 18, 102), (178, 44, 92), (242, 106, 52), (252, 196, 72), (252, 250, 200))
"""Colours at even steps of the weight, from 0 to 1."""
OPACITY = 0.75
"""Of the colours over a picture, where the weight is 1."""
LEVELS = (0.25, 0.5, 0.75)
"""Weights at which contours are drawn."""


def heat(weights: np.ndarray) -> np.ndarray:
    """The map in colours, RGB uint8 (H, W, 3)."""
    return np.asarray(_colours()[_steps(weights)])


def over_picture(image: np.ndarray, weights: np.ndarray, opacity: float = OPACITY) -> np.ndarray:
    """The colours over the picture, RGB uint8 (H, W, 3), the more of them the more weight there is."""
    cover = (weights * np.float32(opacity))[..., None]
    mixed = image * (1 - cover) + heat(weights) * cover
    return np.asarray(mixed + 0.5, dtype=np.uint8)


def contours(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The picture, RGB uint8 (H, W, 3), with a line at each of `LEVELS`, on a dark edge so that it shows everywhere."""
    drawn: np.ndarray = image.copy()
    lines = [_edges(weights >= level) for level in LEVELS]
    thick = max(1, round(max(image.shape) / 400))
    for line in lines:
        drawn[_grown(line, thick)] = SCALE[0]
    for level, line in zip(LEVELS, lines, strict=True):
        drawn[_grown(line, thick - 1)] = _colours()[round(level * 255)]
    return drawn


def _steps(weights: np.ndarray) -> np.ndarray:
    steps: np.ndarray = np.rint(weights * np.float32(255)).astype(np.uint8)
    return steps


def _colours() -> np.ndarray:
    """The 256 colours, uint8 (256, 3)."""
    at = np.linspace(0, len(SCALE) - 1, 256)
    channels = [np.interp(at, np.arange(len(SCALE)), channel) for channel in zip(*SCALE, strict=True)]
    return np.asarray(np.rint(np.stack(channels, axis=1)), dtype=np.uint8)


def _edges(inside: np.ndarray) -> np.ndarray:
    """The pixels inside that have a neighbour outside."""
    edge = np.zeros(inside.shape, bool)
    edge[:, :-1] |= inside[:, :-1] & ~inside[:, 1:]
    edge[:, 1:] |= inside[:, 1:] & ~inside[:, :-1]
    edge[:-1] |= inside[:-1] & ~inside[1:]
    edge[1:] |= inside[1:] & ~inside[:-1]
    return edge


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A mask with `by` pixels more on every side of what it marks."""
    for _ in range(by):
        grown = mask.copy()
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        mask = grown.copy()
        mask[:, 1:] |= grown[:, :-1]
        mask[:, :-1] |= grown[:, 1:]
    return mask
