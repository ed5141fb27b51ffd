"""Stacking: a multinomial logistic regression on the members' log-probabilities, its strength by cross-validation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from emolens.errors import MissingExtra, OptionError
from emolens.evaluation.metrics import TINY

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the ridge, sklearn's C; small ones keep near the class shares."""
FOLDS = 5
SEED = 0
FLOOR = 1e-6
"""A member that is certain would otherwise give a feature without bound."""


def stacked(known: np.ndarray, targets: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Learn from `known` (M, N, K) with votes or labels `targets` (N, K), predict `new` (M, L, K).

    Returns the out-of-fold probabilities (N, K), those of the new rows (L, K), and the C whose out-of-fold
    cross-entropy is best. Raises `MissingExtra` without scikit-learn, `OptionError` for too few rows or classes.
    """
    inputs, classes = _inputs(known), known.shape[2]
    folds = _folds(targets.argmax(axis=1))
    tried = [_out_of_fold(inputs, targets, classes, folds, strength) for strength in STRENGTHS]
    losses = [-(targets * np.log(np.maximum(rows, TINY))).sum(axis=1).mean() for rows in tried]
    best = int(np.argmin(losses))
    whole = _fitted(inputs, targets, STRENGTHS[best])
    return tried[best], _predicted(whole, _inputs(new), classes), STRENGTHS[best]


def _inputs(probabilities: np.ndarray) -> np.ndarray:
    """Log-probabilities side by side, (N, M * K)."""
    logs = np.log(np.maximum(probabilities, FLOOR))
    return np.asarray(logs.transpose(1, 0, 2).reshape(probabilities.shape[1], -1))


def _folds(truth: np.ndarray) -> np.ndarray:
    """The fold of each row, (N,): the rows of every class are dealt out evenly, in an order drawn by a fixed seed."""
    chance, folds = np.random.default_rng(SEED), np.empty(len(truth), int)
    dealt = 0
    for label in np.unique(truth):
        rows = chance.permutation(np.flatnonzero(truth == label))
        folds[rows] = (dealt + np.arange(len(rows))) % FOLDS  # goes on where the last class stopped: folds stay even
        dealt += len(rows)
    if any(len(np.unique(truth[folds != fold])) < 2 for fold in range(FOLDS)) or len(np.unique(folds)) < FOLDS:
        raise OptionError(
            f"{len(truth)} rows with {len(np.unique(truth))} classes to choose on; stacking needs {FOLDS} rows or "
            "more, and two classes in all but any fifth of them"
        )
    return folds


def _out_of_fold(
    inputs: np.ndarray, targets: np.ndarray, classes: int, folds: np.ndarray, strength: float
) -> np.ndarray:
    found = np.empty((len(targets), classes))
    for fold in range(FOLDS):
        left_out = folds == fold
        fitted = _fitted(inputs[~left_out], targets[~left_out], strength)
        found[left_out] = _predicted(fitted, inputs[left_out], classes)
    return found


def _fitted(inputs: np.ndarray, targets: np.ndarray, strength: float) -> Any:
    """A row counts once for each class that it has votes for, by its share."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise MissingExtra("stacking", "evaluate") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps that ran out: the losses tell which strength is good
        rows, classes = np.nonzero(targets)
        scaler, regression = StandardScaler().fit(inputs), LogisticRegression(C=strength, max_iter=300)
        regression.fit(scaler.transform(inputs)[rows], classes, sample_weight=targets[rows, classes])
        return make_pipeline(scaler, regression)


def _predicted(fitted: Any, inputs: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities (N, K); a class that was not among the rows learnt from gets none."""
    found = np.zeros((len(inputs), classes))
    found[:, fitted.classes_] = fitted.predict_proba(inputs)
    return found
