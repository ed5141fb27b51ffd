"""Metrics of predicted distributions (N, K) against the distribution of people's votes (N, K).

Each metric that is a mean over pictures is given as one value a picture, so that the bootstrap resamples pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

TINY = 1e-12
"""Floor of a predicted probability inside a logarithm."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its 95 % interval, and on how many pictures it rests."""

    value: float
    low: float
    high: float
    n: int


def divergence(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence from target to prediction in nats, (N,); classes without votes add nothing."""
    ratio = np.log(np.maximum(target, TINY)) - np.log(np.maximum(predicted, TINY))
    return np.asarray(np.where(target > 0, target * ratio, 0.0).sum(axis=1))


def chebyshev(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Largest difference over the classes, (N,)."""
    return np.asarray(np.abs(predicted - target).max(axis=1))


def cosine(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cosine similarity, (N,)."""
    norms = np.linalg.norm(predicted, axis=1) * np.linalg.norm(target, axis=1)
    return np.asarray((predicted * target).sum(axis=1) / np.maximum(norms, TINY))


def intersection(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Sum over the classes of the smaller probability, (N,)."""
    return np.asarray(np.minimum(predicted, target).sum(axis=1))


def hits(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """1 where the top classes agree, else 0, (N,); the first of equals counts as the top."""
    return np.asarray(predicted.argmax(axis=1) == target.argmax(axis=1), dtype=np.float64)


def top_two(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """1 where the top class of the target is among the two likeliest, else 0, (N,); the first of equals comes first."""
    best = np.argsort(-predicted, axis=1, kind="stable")[:, :2]
    return np.asarray((best == target.argmax(axis=1)[:, None]).any(axis=1), dtype=np.float64)


def place_in_bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The equal-width bin of [0, 1] that each confidence lies in, (N,) int; 1 belongs to the last."""
    return np.asarray(np.minimum((confidence * bins).astype(int), bins - 1))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error in equal-width bins (Guo et al. 2017): |accuracy - confidence|, weighted by count."""
    place = place_in_bins(confidence, bins)
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_floor(confidence: np.ndarray, bins: int = 15, draws: int = 1000, seed: int = 0) -> float:
    """Mean calibration error of a perfectly calibrated model at this n: chance alone makes it positive."""
    chance = np.random.default_rng(seed)
    outcomes = (chance.random((draws, len(confidence))) < confidence).astype(np.float64)
    return float(np.mean([calibration_error(confidence, right, bins) for right in outcomes]))


def estimate(metric: Callable[..., float], *arrays: np.ndarray, draws: int = 2000, seed: int = 0) -> Estimate:
    """`metric` of arrays with N rows each, with its percentile bootstrap interval over the rows."""
    values = _drawn(metric, arrays, draws, seed)
    known = values[~np.isnan(values)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return Estimate(float(metric(*arrays)), float(low), float(high), len(arrays[0]))


def calibration_estimate(confidence: np.ndarray, right: np.ndarray, draws: int = 2000, seed: int = 0) -> Estimate:
    """The calibration error of confidences (N,) and hits (N,), with its bootstrap interval.

    Chance alone makes the error positive, and resampling adds that once more: the draws are moved back by as much as
    their mean lies above the figure, but not below 0.
    """
    value, values = calibration_error(confidence, right), _drawn(calibration_error, (confidence, right), draws, seed)
    low, high = np.maximum(np.percentile(values - (values.mean() - value), [2.5, 97.5]), 0)
    return Estimate(value, float(low), float(high), len(right))


def share_estimate(hit: int, n: int) -> Estimate:
    """A share of `n` rows with Wilson's interval (1927), which has a width where all of a few rows are hits or none is,
    as a bootstrap has not; NaN of no rows.
    """
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    found = binomtest(hit, n).proportion_ci(0.95, "wilson")
    return Estimate(hit / n, float(found.low), float(found.high), n)


def _drawn(metric: Callable[..., float], arrays: Sequence[np.ndarray], draws: int, seed: int) -> np.ndarray:
    """`metric` of rows drawn with replacement, (draws,)."""
    n, chance = len(arrays[0]), np.random.default_rng(seed)
    resampled = (chance.integers(0, n, n) for _ in range(draws))
    return np.array([metric(*(array[rows] for array in arrays)) for rows in resampled])


def mean_estimate(values: np.ndarray, draws: int = 2000, seed: int = 0) -> Estimate:
    """The mean of one value a picture, with its interval."""
    return estimate(lambda rows: float(rows.mean()), values, draws=draws, seed=seed)
