"""Curves behind two figures: how far confidence can be believed, and what abstaining buys."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emolens.evaluation.metrics import place_in_bins

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Equal-width bins of the confidence that hold any row: mean confidence, accuracy and count, (B,) each."""

    confidence: np.ndarray
    accuracy: np.ndarray
    n: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """`risk` (N,): the error rate among the `coverage` (N,) most confident share of the rows, for every share.

    `threshold` (N,) is the confidence of the least confident row that is answered. `area` is the mean risk (AURC,
    Geifman and El-Yaniv 2017, arXiv:1705.08500); less is better, and a model that ranks well has less than its error.
    """

    coverage: np.ndarray
    risk: np.ndarray
    threshold: np.ndarray
    area: float


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Reliability:
    """The reliability diagram of confidences (N,) and hits (N,), with the bins of `calibration_error`."""
    place = place_in_bins(confidence, bins)
    n = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins)[n > 0] for values in (confidence, right)]
    return Reliability(sums[0] / n[n > 0], sums[1] / n[n > 0], n[n > 0])


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> RiskCoverage:
    """The curve of confidences (N,) and hits (N,). Rows of equal confidence share their errors: order favours none."""
    _, group = np.unique(-confidence, return_inverse=True)  # groups by falling confidence
    shared = np.bincount(group, weights=1 - right) / np.bincount(group)
    order = np.argsort(group, kind="stable")
    answered = np.arange(1, len(right) + 1)
    risk = np.cumsum(shared[group[order]]) / answered
    return RiskCoverage(answered / len(right), risk, confidence[order], float(risk.mean()))


def area_under_risk(confidence: np.ndarray, right: np.ndarray) -> float:
    """AURC alone."""
    return risk_coverage(confidence, right).area


def operating_points(curve: RiskCoverage) -> list[dict[str, float]]:
    """Thresholds for `--abstain-below` near some coverages, with the coverage and the accuracy that each really gives.

    They have three digits, rounded down. Where many rows are equally sure no threshold parts them, and there are fewer.
    """
    rows = [max(0, round(share * len(curve.risk)) - 1) for share in COVERAGES]
    thresholds = dict.fromkeys(math.floor(1000 * float(curve.threshold[at])) / 1000 for at in rows)
    answered = [(threshold, int((curve.threshold >= threshold).sum())) for threshold in thresholds]
    return [
        {
            "coverage": float(curve.coverage[n - 1]),
            "accuracy": float(1 - curve.risk[n - 1]),
            "threshold": threshold,
        }
        for threshold, n in answered
    ]
