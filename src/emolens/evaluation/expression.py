"""The figures by which a model is judged, on one named set of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emolens.evaluation.classes import (
    ClassFigures,
    balanced_accuracy,
    class_figures,
    confusion,
    confusion_draws,
    interval,
    macro_f1,
)
from emolens.evaluation.curves import Reliability, RiskCoverage, area_under_risk, reliability, risk_coverage
from emolens.evaluation.evoked_figures import evoked_figures
from emolens.evaluation.metrics import (
    Estimate,
    calibration_estimate,
    calibration_floor,
    chebyshev,
    cosine,
    divergence,
    estimate,
    hits,
    intersection,
    mean_estimate,
    top_two,
)
from emolens.evaluation.predictions import Predictions
from emolens.models.card import Metric

AREA_DRAWS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """All that is said about one table. `confusion` (K, K): rows what people said, columns what the model said."""

    predictions: Predictions
    figures: dict[str, Estimate]
    classes: tuple[ClassFigures, ...]
    confusion: np.ndarray
    reliability: Reliability
    risk: RiskCoverage
    ece_floor: float

    @property
    def subset(self) -> str:
        """The name of the rows."""
        return self.predictions.subset


def judge(predictions: Predictions) -> Judgement:
    """Judge a table: every figure with its n and a 95 % interval, by the bootstrap; of classes see `classes`."""
    predicted, target, confidence = predictions.probabilities, predictions.targets, predictions.confidence
    right = hits(predicted, target)
    counts = confusion(predictions.truth, predictions.guess, len(predictions.taxonomy))
    draws = confusion_draws(counts)
    n = len(predictions)
    figures = {
        "accuracy": mean_estimate(right),
        "balanced_accuracy": interval(float(balanced_accuracy(counts)), balanced_accuracy(draws), n),
        "macro_f1": interval(float(macro_f1(counts)), macro_f1(draws), n),
        "top2_accuracy": mean_estimate(top_two(predicted, target)),
        "kl": mean_estimate(divergence(predicted, target)),
        "chebyshev": mean_estimate(chebyshev(predicted, target)),
        "cosine": mean_estimate(cosine(predicted, target)),
        "intersection": mean_estimate(intersection(predicted, target)),
        **(evoked_figures(predictions) if predictions.task == "evoked" else {}),
        "ece_confidence": calibration_estimate(confidence, right),
        "aurc": estimate(area_under_risk, confidence, right, draws=AREA_DRAWS),
    }
    return Judgement(
        predictions,
        figures,
        class_figures(counts, predictions.taxonomy.classes, draws),
        counts,
        reliability(confidence, right),
        risk_coverage(confidence, right),
        calibration_floor(confidence),
    )


def card_metrics(judgement: Judgement) -> tuple[Metric, ...]:
    """The figures as a model's card keeps them: all but precision and F1 of single classes."""
    subset, n = judgement.subset, len(judgement.predictions)
    # A figure that is not defined, as the correlation of constant answers, would make the card unreadable.
    known = {name: figure for name, figure in judgement.figures.items() if np.isfinite(figure.value)}
    found = [_metric(name, figure, subset) for name, figure in known.items()]
    found.append(Metric(name="ece_floor", value=judgement.ece_floor, n=n, subset=subset))
    found += [_metric(f"recall_{one.name}", one.recall, subset) for one in judgement.classes if one.n]
    return tuple(found)


def _metric(name: str, figure: Estimate, subset: str) -> Metric:
    return Metric(
        name=name, value=round(figure.value, 5), low=round(figure.low, 5), high=round(figure.high, 5), n=figure.n,
        subset=subset,
    )  # fmt: skip
