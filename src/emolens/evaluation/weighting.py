"""Convex weights: those under which the mixture of the members' distributions explains the labels best."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from emolens.evaluation.metrics import TINY


def likelihood_weights(probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights (M,), none below 0, sum 1, that minimise the cross-entropy of the mixture of `probabilities` (M, N, K)
    to `target` (N, K). The problem is convex: there is one minimum, wherever the search starts.
    """
    members = len(probabilities)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.maximum(np.tensordot(weights, probabilities, axes=1), TINY)
        slope = -np.einsum("mnk,nk->m", probabilities, target / mixed) / len(target)
        return float(-(target * np.log(mixed)).sum(axis=1).mean()), slope

    found = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones_like(w)},
        options={"maxiter": 500, "ftol": 1e-10},
    )
    weights = np.clip(found.x, 0, None)
    return np.asarray(weights / weights.sum())
