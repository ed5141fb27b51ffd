"""Features on a plane (t-SNE, van der Maaten and Hinton 2008): a look at what a net keeps apart, not a measurement."""

from __future__ import annotations

import numpy as np

from emolens.errors import MissingExtra

MOST = 1500
"""So many rows are placed: more take minutes and hide each other."""
FEWEST = 12
"""Rows, at least."""


def can_be_placed(features: np.ndarray) -> bool:
    """Whether features (N, D) are enough, finite and spread: of equal ones t-SNE has nothing to start from."""
    if len(features) < FEWEST or not np.isfinite(features).all():
        return False
    return int((np.ptp(features, axis=0) > 0).sum()) >= 2


def embedded(features: np.ndarray, most: int = MOST, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Which rows were drawn, (n,) int in their order, and their places (n, 2), for features that can be placed."""
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtra("t-SNE", "evaluate") from None
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:most])
    chosen = features[rows].astype(np.float64)
    parts = min(50, *chosen.shape)
    placed = TSNE(perplexity=min(30, (len(rows) - 1) / 3), init="pca", random_state=seed).fit_transform(
        PCA(parts, random_state=seed).fit_transform(chosen)
    )
    return rows, np.asarray(placed)
