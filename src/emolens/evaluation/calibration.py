"""Temperatures (Guo et al. 2017): one to match people's votes, another to match how often the top label is right."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from emolens.evaluation.metrics import TINY
from emolens.models.classifier import softmax

RANGE = (0.05, 20.0)
"""Temperatures outside of this would say that a model is broken, not that it is miscalibrated."""


def fit_temperature(logits: np.ndarray, target: np.ndarray, farthest: float = 0.0) -> float:
    """The temperature that minimises the cross-entropy of softmax(logits / T), (N, K), to the targets (N, K).

    With vote distributions it calibrates the distribution, with one-hot targets the confidence in the top label.
    `farthest` is the weight, beside the cross-entropy, of the largest error of a class, which is the Chebyshev
    distance: for nets that were taught with it.
    """

    def loss(log_temperature: float) -> float:
        predicted = softmax(logits / np.exp(log_temperature))
        entropy = -np.mean(np.sum(target * np.log(np.maximum(predicted, TINY)), axis=1))
        return float(entropy + farthest * np.abs(predicted - target).max(axis=1).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))


def at_its_bound(temperature: float) -> bool:
    """Whether a fitted temperature stopped at an end of `RANGE`, where the best one may lie beyond."""
    low, high = RANGE
    return not low * 1.01 < temperature < high / 1.01


def one_hot_top(target: np.ndarray) -> np.ndarray:
    """The top class of each target as a one-hot row; the first of equals."""
    rows: np.ndarray = np.eye(target.shape[1])[target.argmax(axis=1)]
    return rows
