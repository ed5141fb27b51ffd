"""How far a map moves when the emotion that the net is told is swapped, beside how far it moves between pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emolens.evaluation.maps import correlation, mae
from emolens.evaluation.metrics import Estimate, mean_estimate

DRAWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """What swapping does. `cc` and `mae` (K, K) are means over pictures of the correlation and the distance between the
    maps under two labels. `moved` and `between` are the mean distance between the maps of one picture under two labels,
    and of two pictures under one label. `own` and `other` are the correlation with the truth under the picture's own
    label and, on average, under the others; `gain` is their difference a picture.
    """

    cc: np.ndarray
    mae: np.ndarray
    moved: Estimate
    between: Estimate
    own: Estimate
    other: Estimate
    gain: Estimate

    @property
    def share(self) -> float:
        """How far the label moves a map, as a share of how far another picture does."""
        return self.moved.value / self.between.value if self.between.value else float("nan")

    @property
    def follows(self) -> bool:
        """Whether the own label's map is nearer to the truth than the others', beyond the interval."""
        return self.gain.low > 0


def swap_labels(maps: np.ndarray, truth: np.ndarray, emotion: np.ndarray) -> Swap:
    """From maps (N, K, S, S) of pictures under every label, true maps (N, S, S) and the pictures' labels (N,)."""
    n, labels = maps.shape[:2]
    maps, truth = maps.astype(np.float64), truth.astype(np.float64)
    apart = np.stack([_pairwise(one, mae) for one in maps])  # (N, K, K)
    alike = np.stack([_pairwise(one, correlation) for one in maps])
    off = ~np.eye(labels, dtype=bool)
    held = np.array([[correlation(one, true) for one in under] for under, true in zip(maps, truth, strict=True)])
    own = held[np.arange(n), emotion]
    other = (held.sum(axis=1) - own) / max(1, labels - 1)
    next_one = np.roll(np.arange(n), 1)
    between = np.array([mae(maps[a, e], maps[b, e]) for a, b, e in zip(np.arange(n), next_one, emotion, strict=True)])
    return Swap(
        cc=alike.mean(axis=0),
        mae=apart.mean(axis=0),
        moved=mean_estimate(apart[:, off].mean(axis=1), draws=DRAWS),
        between=mean_estimate(between, draws=DRAWS),
        own=mean_estimate(own, draws=DRAWS),
        other=mean_estimate(other, draws=DRAWS),
        gain=mean_estimate(own - other, draws=DRAWS),
    )


def _pairwise(maps: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], float]) -> np.ndarray:
    return np.array([[measure(one, other) for other in maps] for one in maps])


def embedding_distances(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Distances (K, K) between the embeddings (K, E) of the labels, as the source drew them.

    `l1` is the mean absolute difference, `l2` the Euclidean distance, `cosine` 1 - cos, `absolute cosine` 1 - |cos|.
    """
    gaps = rows[:, None] - rows[None]
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosine = np.clip(unit @ unit.T, -1, 1)
    return {
        "l1": np.abs(gaps).mean(axis=2),
        "l2": np.sqrt(np.square(gaps).sum(axis=2)),
        "cosine": 1 - cosine,
        "absolute cosine": 1 - np.abs(cosine),
    }
