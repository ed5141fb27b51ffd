"""The figures by which an expression model is judged, on one named set of rows."""

from __future__ import annotations

import numpy as np

from emolens.evaluation.metrics import (
    Estimate,
    calibration_error,
    calibration_floor,
    chebyshev,
    cosine,
    divergence,
    estimate,
    hits,
    intersection,
    macro_f1,
    mean_estimate,
)
from emolens.models.card import Metric
from emolens.taxonomy import Taxonomy


def measure(
    predicted: np.ndarray, confidence: np.ndarray, target: np.ndarray, taxonomy: Taxonomy, subset: str
) -> tuple[Metric, ...]:
    """All figures for predictions (N, K), confidences (N,) and vote distributions (N, K); `subset` names the rows."""
    right = hits(predicted, target)
    figures = {
        "accuracy": mean_estimate(right),
        "macro_f1": estimate(macro_f1, predicted, target, draws=500),
        "kl": mean_estimate(divergence(predicted, target)),
        "chebyshev": mean_estimate(chebyshev(predicted, target)),
        "cosine": mean_estimate(cosine(predicted, target)),
        "intersection": mean_estimate(intersection(predicted, target)),
        "ece_confidence": estimate(calibration_error, confidence, right),
    }
    found = [_metric(name, figure, subset) for name, figure in figures.items()]
    found.append(Metric(name="ece_floor", value=calibration_floor(confidence), n=len(target), subset=subset))
    return (*found, *_recalls(predicted, target, taxonomy, subset))


def _recalls(predicted: np.ndarray, target: np.ndarray, taxonomy: Taxonomy, subset: str) -> list[Metric]:
    truth = target.argmax(axis=1)
    found = []
    for k, name in enumerate(taxonomy.classes):
        rows = truth == k
        if rows.any():
            mean = mean_estimate(hits(predicted[rows], target[rows]))
            found.append(_metric(f"recall_{name}", mean, subset))
    return found


def _metric(name: str, figure: Estimate, subset: str) -> Metric:
    return Metric(
        name=name, value=round(figure.value, 5), low=round(figure.low, 5), high=round(figure.high, 5), n=figure.n,
        subset=subset,
    )  # fmt: skip
