"""Weights from an integer simplex: all that are multiples of .05 and sum to 1, corners included.

The group system looped over floats and kept what summed to 1 by equality: of the 10,626 points for five members it saw
9,108, and no corner. Whole numbers of twentieths lose none.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np

from emolens.evaluation.metrics import TINY
from emolens.models.classifier import softmax

PARTS = 20
"""Steps of .05."""
MOST = 60_000
"""So many points are tried one by one; six members have 53,130. More members are searched greedily."""
CHUNK = 256


def best_on_simplex(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, str]:
    """The weights (M,) whose mixture of `scores` (M, N, K) is most often right about `truth` (N,), and how they were
    found. Equals are told apart by the likelihood of the truth, then by their order.
    """
    members = len(scores)
    points = comb(PARTS + members - 1, members - 1)
    if points <= MOST:
        return _exhaustive(scores, truth), f"all {points:,} points"
    return _greedy(scores, truth), f"greedy (Caruana et al. 2004), the simplex has {points:,} points"


def simplex(members: int, parts: int = PARTS) -> Iterator[tuple[int, ...]]:
    """All tuples of `members` whole numbers of 0 or more that sum to `parts`."""
    if members == 1:
        yield (parts,)
        return
    for first in range(parts + 1):
        yield from ((first, *rest) for rest in simplex(members - 1, parts - first))


def right_on(points: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether the mixture by each point (P, M) of `scores` (M, N, K) is right about each row: bool (P, N)."""
    narrow, whole = scores.astype(np.float32), points.astype(np.float32)
    parts = [_right(whole[start : start + CHUNK], narrow, truth) for start in range(0, len(whole), CHUNK)]
    return np.concatenate(parts)


def kept_by_floats(members: int, step: float = 1 / PARTS) -> tuple[int, int]:
    """How many points the group system's loops keep: weights of 0, step, 2 step ... below 1 whose sum equals 1.0 as
    floats add up, and how many there are whose sum is 1. Corners are in neither.
    """
    values = np.arange(0, 1, step)  # as the loops did: 0, .05, .1, .15000000000000002, ...
    sums = values
    for _ in range(members - 1):
        sums = np.add.outer(sums, values)
    return int((sums == 1).sum()), int((np.abs(sums - 1) < step / 2).sum())


def _exhaustive(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    points = np.array(list(simplex(len(scores))))
    right = right_on(points, scores, truth).sum(axis=1)
    best = points[right == right.max()] / PARTS
    return np.asarray(max(best, key=lambda weights: _likelihood(weights, scores, truth)), np.float64)


def _right(points: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    mixed = np.tensordot(points, scores, axes=1)  # (P, N, K)
    return np.asarray(mixed.argmax(axis=2) == truth)


def _greedy(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Twenty picks with replacement, each of the member that helps most: a point of the same simplex."""
    counts = np.zeros(len(scores))
    for _ in range(PARTS):
        tried = counts + np.eye(len(scores))
        right = _right(tried, scores, truth).sum(axis=1)
        best = np.flatnonzero(right == right.max())
        counts = tried[max(best, key=lambda at: _likelihood(tried[at] / tried[at].sum(), scores, truth))]
    return counts / PARTS


def _likelihood(weights: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean log-probability of the truth; scores that are no distributions are taken for logits."""
    mixed = np.tensordot(weights, scores, axes=1)
    is_distribution = scores.min() >= 0 and np.allclose(scores.sum(axis=-1), 1, atol=1e-2)
    shares = mixed if is_distribution else softmax(mixed)
    return float(np.log(np.maximum(shares[np.arange(len(truth)), truth], TINY)).mean())
