"""From what a model gives for places of a picture to the map of what in it evokes what it evokes.

An evoked model gives evidence, `emolens.models.evidence`: what each place brought to the logit of each class, on a
coarse grid. Logits matter by their differences alone, so the map of an emotion is what a place brought to its odds: its
evidence less that of the others, each of these weighed by its probability. The map of the whole answer is the mean of
these by the squares of the probabilities, so that what the answer rests on counts, and no class needs to be the first.

The map of the whole answer also leans to the middle, where people put what a picture is about: on 100 held-out
pictures that it is not judged on, deletion and insertion set it further above a hill in the middle so than without.
Maps of single emotions do not lean: what they have in common says nothing of one.

The grid is made as fine as the model's view of the picture by a guided filter on its grey levels (He, Sun, Tang 2013),
so that the map ends where things end. Finer than that the model sees nothing.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from emolens.maps import centre_prior, resized
from emolens.records import StimuliMap
from emolens.taxonomy import Taxonomy

RADIUS = 1 / 16
"""Of the windows of the guided filter, in sides of the picture: about a place of the grid."""
SMOOTHNESS = 0.01
"""What the variance of grey levels from 0 to 1 must exceed in a window to count as an edge there."""
MIDDLE = 0.5
"""Weight of the hill in the middle beside the evidence, whose weight is 1: chosen among 0, 0.5 and 1."""
FLAT = 1e-6
"""A map whose weights differ by less says nothing of where."""
LEAST = 1e-6
"""The probability that a class has at the least: where one has all of it, it still has odds."""


def evidence_maps(evidence: np.ndarray, distribution: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `evidence` (K, h, w) means for a distribution (K,) as a whole, (h, w), and for each class, (K, h, w)."""
    shares = distribution.astype(np.float64) + LEAST
    shares /= shares.sum()
    odds = (evidence - np.tensordot(shares, evidence, axes=1)) / (1 - shares)[:, None, None]
    weights = shares**2 / (shares**2).sum()
    return np.tensordot(weights, odds, axes=1), odds


def refined(maps: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) on a coarse grid, as fine as the frame they belong to and scaled to [0, 1]: float32 (n, H, W).

    `frame` is uint8 (H, W, 3) or (H, W). A map that is the same everywhere becomes 0.
    """
    height, width = frame.shape[:2]
    fine = np.stack([resized(each, width, height, smooth=True) for each in maps])
    return np.stack([_scaled(each) for each in _guided(fine, _grey(frame), max(1, round(RADIUS * height)))])


def towards_middle(seen: np.ndarray) -> np.ndarray:
    """A map (H, W) in [0, 1] with a hill in the middle, `MIDDLE` high, added and scaled anew; an empty one stays so."""
    return _scaled(seen + MIDDLE * centre_prior(*seen.shape)) if seen.any() else seen


def made_map(
    maps: np.ndarray, size: tuple[int, int], model: str, sha: str, taxonomy: Taxonomy, by_emotion: bool
) -> StimuliMap:
    """The record of maps (1 or 1 + K, h, w) in [0, 1]: that of the whole answer, then one for each class."""
    parts = maps[1:] if by_emotion and len(maps) > 1 else None
    return StimuliMap(maps[0], size, model, sha, taxonomy, parts)


def _grey(frame: np.ndarray) -> np.ndarray:
    levels = np.asarray(Image.fromarray(frame).convert("L"))
    return np.asarray(levels.astype(np.float32) / np.float32(255))


def _scaled(values: np.ndarray) -> np.ndarray:
    low, span = values.min(), values.max() - values.min()
    if not span > FLAT:
        return np.zeros(values.shape, np.float32)
    scaled: np.ndarray = ((values - low) / span).astype(np.float32)
    return np.asarray(np.clip(scaled, 0, 1))


def _guided(maps: np.ndarray, guide: np.ndarray, radius: int) -> np.ndarray:
    """Each map (n, H, W) as a linear function of the guide (H, W) in every window: it has edges where that has some."""
    mean_guide, mean_maps = _window_means(guide, radius), _window_means(maps, radius)
    variance = _window_means(guide * guide, radius) - mean_guide * mean_guide
    slope = (_window_means(maps * guide, radius) - mean_maps * mean_guide) / (variance + SMOOTHNESS)
    level = mean_maps - slope * mean_guide
    return np.asarray(_window_means(slope, radius) * guide + _window_means(level, radius))


def _window_means(values: np.ndarray, radius: int) -> np.ndarray:
    """The mean over the square of side 2 radius + 1 around each pixel of (..., H, W); edges are continued."""
    for axis in (-1, -2):
        around = [(0, 0)] * values.ndim
        around[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(values, around, mode="edge"), axis=axis, dtype=np.float64)
        step, count = 2 * radius + 1, values.shape[axis]
        values = ((_along(sums, axis, step, count) - _along(sums, axis, 0, count)) / step).astype(np.float32)
    return values


def _along(values: np.ndarray, axis: int, start: int, count: int) -> np.ndarray:
    places = [slice(None)] * values.ndim
    places[axis] = slice(start, start + count)
    return values[tuple(places)]
