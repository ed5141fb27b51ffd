"""Classic ways to predict a distribution from a vector of features: what a net has to beat."""

from __future__ import annotations

import numpy as np

from emolens.errors import MissingExtra, OptionError


def mean_predictor(targets: np.ndarray, rows: int) -> np.ndarray:
    """The mean of the training targets (N, K) for each of `rows` pictures, (rows, K)."""
    return np.repeat(targets.mean(axis=0, keepdims=True), rows, axis=0)


def neighbours(features: np.ndarray, targets: np.ndarray, asked: np.ndarray, k: int = 30) -> np.ndarray:
    """AA-kNN (Geng 2016): the mean target of the `k` training rows nearest to each of `asked`, (M, K).

    `features` (N, D) and `asked` (M, D) are compared by Euclidean distance, so scale them alike. Raises `OptionError`
    for more neighbours than rows, `MissingExtra` without scikit-learn.
    """
    if not 0 < k <= len(features):
        raise OptionError(f"k is {k}; needs 1 to {len(features)}, the number of training rows")
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        raise MissingExtra("the nearest-neighbour baseline", "evaluate") from None
    found = NearestNeighbors(n_neighbors=k).fit(features).kneighbors(asked, return_distance=False)
    return np.asarray(targets[found].mean(axis=1))


def softmax_regression(
    features: np.ndarray, targets: np.ndarray, asked: np.ndarray, l2: float = 1.0, steps: int = 200
) -> np.ndarray:
    """softmax(x W + b) with the least KL divergence to the targets and a penalty of l2 / (2 N) |W|^2, for `asked`.

    The maximum entropy model of Geng's SA-IIS and SA-BFGS (2016), by L-BFGS. Takes features (N, D) and (M, D), gives
    (M, K). Raises `MissingExtra` without scipy.
    """
    try:
        from scipy.optimize import minimize
        from scipy.special import log_softmax, softmax
    except ImportError:
        raise MissingExtra("the softmax regression", "evaluate") from None
    (n, d), classes = features.shape, targets.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(d + 1, classes)
        logits = features @ weights[:-1] + weights[-1]
        gap = (softmax(logits, axis=1) - targets) / n
        penalty = l2 / n * weights[:-1]
        slope = np.vstack([features.T @ gap + penalty, gap.sum(axis=0)])
        value = -(targets * log_softmax(logits, axis=1)).sum() / n + 0.5 * (penalty * weights[:-1]).sum()
        return float(value), slope.ravel()

    start = np.zeros((d + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x.reshape(d + 1, classes)
    return np.asarray(softmax(asked @ found[:-1] + found[-1], axis=1))
