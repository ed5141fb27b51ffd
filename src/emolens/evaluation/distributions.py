"""How near predicted emotion distributions, valence and arousal come to what people said, and to a mean predictor.

Clark and Canberra exist twice, raw and divided by their largest value: published tables mix the two without saying so
(StyleEDL divides by sqrt(K) and K, LDL-LDM does not), and a figure without its form compares with nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from emolens.errors import LabelError
from emolens.evaluation.metrics import (
    Estimate,
    chebyshev,
    cosine,
    divergence,
    estimate,
    hits,
    intersection,
    mean_estimate,
)
from emolens.models.card import Metric

SUM_TOLERANCE = 1e-3
MEAN_PREDICTOR = ", mean predictor"
"""What the name of the rows ends in where the figure is that of the mean distribution of the training rows."""


def clark(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Clark distance, (N,): root of the sum over the classes of ((p - q) / (p + q))^2; 0 to sqrt(K); 0/0 is 0."""
    return np.asarray(np.sqrt(np.square(_relative(predicted, target)).sum(axis=1)))


def clark_normalised(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Clark distance divided by sqrt(K), (N,): 0 to 1."""
    return np.asarray(clark(predicted, target) / np.sqrt(target.shape[1]))


def canberra(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Canberra distance, (N,): the sum over the classes of |p - q| / (p + q); 0 to K; 0/0 is 0."""
    return np.asarray(_relative(predicted, target).sum(axis=1))


def canberra_normalised(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Canberra distance divided by K, (N,): 0 to 1."""
    return np.asarray(canberra(predicted, target) / target.shape[1])


def _relative(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    total = predicted + target
    return np.asarray(np.divide(np.abs(predicted - target), total, out=np.zeros_like(total), where=total > 0))


def concordance(predicted: np.ndarray, target: np.ndarray) -> float:
    """Lin's (1989) concordance correlation of two (N,), -1 to 1: a shifted or shrunken prediction loses by it."""
    gap = float(predicted.mean() - target.mean())
    shared = float(np.mean((predicted - predicted.mean()) * (target - target.mean())))
    spread = float(predicted.var() + target.var() + gap * gap)
    return 2 * shared / spread if spread else float("nan")


def correlation(predicted: np.ndarray, target: np.ndarray) -> float:
    """Pearson's correlation of two (N,); NaN where one of them is constant."""
    spread = float(predicted.std() * target.std())
    return (
        float(np.mean((predicted - predicted.mean()) * (target - target.mean()))) / spread if spread else float("nan")
    )


DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "kl": divergence,
    "chebyshev": chebyshev,
    "clark": clark,
    "clark_normalised": clark_normalised,
    "canberra": canberra,
    "canberra_normalised": canberra_normalised,
    "cosine": cosine,
    "intersection": intersection,
    "accuracy_top": hits,
}
"""Figures with one value a picture; `accuracy_top` is against the largest class of the target."""


def per_picture(predicted: np.ndarray, target: np.ndarray, keyword: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """One value a picture of every figure in `DISTANCES`, name -> (N,), for distributions (N, K).

    `keyword` holds the index of the class that each picture was searched by, int (N,), and adds `accuracy_keyword`:
    in Emotion6 it is the name of the folder, which often is not what people felt. Raises `LabelError` for rows that
    are no distributions.
    """
    check_distributions(predicted, "predictions")
    check_distributions(target, "targets")
    found = {name: distance(predicted, target) for name, distance in DISTANCES.items()}
    if keyword is not None:
        found["accuracy_keyword"] = (predicted.argmax(axis=1) == keyword).astype(np.float64)
    return found


def check_distributions(rows: np.ndarray, name: str) -> None:
    """Raises `LabelError` where a row of (N, K) has a negative or missing entry or does not sum to 1."""
    if rows.ndim != 2 or not len(rows):
        raise LabelError(f"{name} have shape {rows.shape}, needs (N, K) with one distribution a picture")
    wrong = ~((np.abs(rows.sum(axis=1) - 1) < SUM_TOLERANCE) & (rows.min(axis=1) >= 0))
    if wrong.any():
        first = int(wrong.argmax())
        raise LabelError(
            f"{name}: row {first} is no distribution ({np.round(rows[first], 4).tolist()}, sum "
            f"{rows[first].sum():.4g}), {wrong.sum()} of {len(rows)} so; needs entries of 0 or more that sum to 1"
        )


def measure(
    predicted: np.ndarray,
    target: np.ndarray,
    mean: np.ndarray,
    subset: str,
    keyword: np.ndarray | None = None,
    values: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
) -> tuple[Metric, ...]:
    """All figures of predictions (N, K), each with a 95 % bootstrap interval over pictures.

    `mean` is the mean target of the training rows, (K,) or one a picture (N, K) for pooled folds; its figures follow
    under the same names with `subset` + `MEAN_PREDICTOR`. `values` holds name -> predicted and true (N,), such as
    `valence`, and adds `<name>_ccc` and `<name>_pearson`.
    """
    baseline = np.broadcast_to(mean, target.shape)
    found = [
        _metric(name, mean_estimate(rows), subset) for name, rows in per_picture(predicted, target, keyword).items()
    ]
    found += [_metric(name, figure, subset) for name, figure in agreements(values or {}).items()]
    beside = per_picture(baseline, target, keyword)
    return (*found, *(_metric(name, mean_estimate(rows), subset + MEAN_PREDICTOR) for name, rows in beside.items()))


def agreements(values: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Estimate]:
    """`<name>_ccc` and `<name>_pearson` of name -> predicted and true (N,)."""
    return {
        f"{name}_{kind}": estimate(metric, *pair)
        for name, pair in values.items()
        for kind, metric in (("ccc", concordance), ("pearson", correlation))
    }


def _metric(name: str, figure: Estimate, subset: str) -> Metric:
    rounded = {
        key: round(value, 5) for key, value in (("value", figure.value), ("low", figure.low), ("high", figure.high))
    }
    return Metric(name=name, n=figure.n, subset=subset, **rounded)
