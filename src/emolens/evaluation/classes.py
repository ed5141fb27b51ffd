"""Figures per class and their means, from one confusion matrix and its bootstrap.

Resampling rows with replacement and counting pairs (truth, guess) is drawing from a multinomial over the cells of the
confusion matrix, so thousands of draws of every class figure take milliseconds.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from emolens.evaluation.metrics import Estimate, share_estimate

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class. `n` rows are of it, `predicted` rows were said to be; a figure is NaN where nothing defines it."""

    name: str
    n: int
    predicted: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


def confusion(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Counts (K, K): the row is what people said, the column what the model said."""
    return np.bincount(truth * classes + guess, minlength=classes**2).reshape(classes, classes)


def confusion_draws(counts: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Bootstrap draws (draws, K, K) of a confusion matrix."""
    n = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(n, counts.ravel() / n, draws)
    return np.asarray(drawn.reshape(draws, *counts.shape))


def precision(counts: np.ndarray) -> np.ndarray:
    """(..., K) of confusion matrices (..., K, K); NaN for a class that was never predicted."""
    return _share(_right(counts), counts.sum(axis=-2))


def recall(counts: np.ndarray) -> np.ndarray:
    """(..., K); NaN for a class that no row has."""
    return _share(_right(counts), counts.sum(axis=-1))


def f1(counts: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall, (..., K); NaN for a class that neither rows nor predictions have."""
    return _share(2 * _right(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur, (...)."""
    return _mean(recall(counts))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur in rows or predictions, (...)."""
    return _mean(f1(counts))


def class_figures(counts: np.ndarray, names: tuple[str, ...], draws: np.ndarray) -> tuple[ClassFigures, ...]:
    """The figures of every class of a confusion matrix (K, K); the interval of F1 is from its `draws`."""
    right, predicted, n = (each.tolist() for each in (_right(counts), counts.sum(axis=0), counts.sum(axis=1)))
    values, drawn = f1(counts), f1(draws)
    return tuple(
        ClassFigures(
            name, n[k], predicted[k], share_estimate(right[k], predicted[k]), share_estimate(right[k], n[k]),
            interval(values[k], drawn[:, k], n[k]),
        )
        for k, name in enumerate(names)
    )  # fmt: skip


def interval(value: float, drawn: np.ndarray, n: int) -> Estimate:
    """A figure with the 95 % percentile interval of its draws (draws,); draws that are NaN do not count."""
    known = drawn[~np.isnan(drawn)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) and not np.isnan(value) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high), n)


def _right(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def _mean(values: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a mean over no class at all
        return np.asarray(np.nanmean(values, axis=-1))
