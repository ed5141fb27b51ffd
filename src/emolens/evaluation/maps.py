"""How near a stimuli map is to the truth. Maps are float (H, W), not negative, and of one size.

Definitions are those of the MIT saliency benchmark (Bylinskii et al. 2019, arXiv 1604.03605), precision and recall
those that Peng et al. (2016) reported for EmotionROI: the prediction is made black and white by Otsu's threshold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TINY = float(np.finfo(np.float64).eps)
BETA_SQUARED = 0.3
"""Weight of recall in F that work on salient objects uses (Achanta et al. 2009): precision counts more."""


def mae(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference over the pixels, of maps in [0, 1]."""
    return float(np.abs(predicted - truth).mean())


def mse(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared difference over the pixels, of maps in [0, 1]."""
    return float(np.square(predicted - truth).mean())


def correlation(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Pearson's correlation over the pixels (CC); 0 where a map is the same everywhere."""
    one, other = predicted - predicted.mean(), truth - truth.mean()
    spread = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum() / spread) if spread > TINY else 0.0


def similarity(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Histogram intersection (SIM) of the maps, each summing to 1."""
    return float(np.minimum(_shares(predicted), _shares(truth)).sum())


def divergence(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Kullback-Leibler divergence in nats from truth to prediction, each summing to 1."""
    p, q = _shares(truth), _shares(predicted)
    return max(0.0, float((p * np.log(TINY + p / (q + TINY))).sum()))  # what keeps logarithms finite may pass 0


def auc_judd(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve of the prediction as a classifier of the pixels where the truth is bright.

    Bright is above Otsu's threshold of the truth; maps without fixations have no other choice of positives. NaN where
    all pixels are on one side.
    """
    from sklearn.metrics import roc_auc_score

    bright = truth > otsu(truth)
    if bright.all() or not bright.any():
        return float("nan")
    return float(roc_auc_score(bright.ravel(), predicted.ravel()))


def precision(predicted: np.ndarray, truth: np.ndarray) -> float:
    """How bright the truth is, on average, where the prediction is above its Otsu threshold; 0 where it is nowhere."""
    chosen = predicted > otsu(predicted)
    return float(truth[chosen].mean()) if chosen.any() else 0.0


def recall(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Share of the truth's weight that lies where the prediction is above its Otsu threshold."""
    return float(truth[predicted > otsu(predicted)].sum() / truth.sum())


def f_score(predicted: np.ndarray, truth: np.ndarray, beta_squared: float = BETA_SQUARED) -> float:
    """Weighted harmonic mean of precision and recall; 0 where both are 0."""
    p, r = precision(predicted, truth), recall(predicted, truth)
    return (1 + beta_squared) * p * r / (beta_squared * p + r) if p * r else 0.0


def f1(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Harmonic mean of precision and recall, both counting alike."""
    return f_score(predicted, truth, 1.0)


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mae": mae,
    "mse": mse,
    "cc": correlation,
    "sim": similarity,
    "kl": divergence,
    "auc_judd": auc_judd,
    "precision": precision,
    "recall": recall,
    "f_0.3": f_score,
    "f_1": f1,
}
"""All figures of a pair of maps, by the names that reports use."""


def otsu(values: np.ndarray) -> float:
    """The threshold (Otsu 1979) that parts the values best into dark and bright, over 256 bins of their range."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    middles = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[::-1][1:]
    mean_below = np.cumsum(counts * middles)[:-1] / np.maximum(below, 1)
    mean_above = np.cumsum((counts * middles)[::-1])[::-1][1:] / np.maximum(above, 1)
    return float(middles[np.argmax(below * above * np.square(mean_below - mean_above))])


def _shares(values: np.ndarray) -> np.ndarray:
    """The map summing to 1; an empty one is spread evenly."""
    total = float(values.sum())
    return values / total if total > TINY else np.full(values.shape, 1 / values.size)
