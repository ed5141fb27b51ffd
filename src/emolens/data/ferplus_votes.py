"""The four published ways to turn the ten votes of FER+ into a subset of pictures with label distributions.

Columns: eight expressions, "unknown", "not a face". Rules: the authors' own (Barsoum et al. 2016, `ferplus.py` of the
FERPlus repository), except `argmax`, which later papers use. Every result must name its subset and its n.
"""

from __future__ import annotations

import numpy as np

from emolens.errors import UnknownName
from emolens.taxonomy import FERPLUS

VOTE_COLUMNS = (*FERPLUS.classes, "unknown", "not a face")
SUBSETS = ("argmax", "majority", "crossentropy", "multi-target")
"""argmax: the top column (first of equals) is an expression. n = 28,389 / 3,553 / 3,546.
majority: single votes are dropped, and one expression holds more than half of what remains. n = 25,060 / 3,199 / 3,153.
crossentropy: single votes are dropped; the top columns, at most three, that together reach three quarters of what
remains. n = 27,956 / 3,505 / 3,505.
multi-target: single votes are dropped; the columns with 30 % or more of what remains. n = 27,671 / 3,472 / 3,472."""
EXPRESSIONS = len(FERPLUS)


def kept_votes(votes: np.ndarray, subset: str) -> np.ndarray:
    """The votes (N, 10) that a subset's rule keeps, float64; a row that the rule rejects is all zero.

    Raises `UnknownName` for an unknown subset.
    """
    if subset not in SUBSETS:
        raise UnknownName("FER+ subset", subset, SUBSETS)
    if subset == "argmax":
        return votes.astype(np.float64)
    several = np.where(votes <= 1, 0, votes).astype(np.float64)
    total = several.sum(axis=1, keepdims=True)
    if subset == "majority":
        kept, enough = several, several.max(axis=1) * 2 > total[:, 0]
    elif subset == "multi-target":
        kept = np.where(several >= 0.3 * total, several, 0)
        enough = kept.sum(axis=1) * 2 > total[:, 0]
    else:
        kept, columns = _top_columns(several, total[:, 0])
        enough = (kept.sum(axis=1) * 2 > total[:, 0]) & (columns <= 3)
    return np.where(enough[:, None], kept, 0)


def in_subset(votes: np.ndarray, named: np.ndarray, subset: str) -> np.ndarray:
    """Which rows of the votes (N, 10) belong to a subset; `named` (N,) says which rows have a file name in FER+."""
    kept = kept_votes(votes, subset)
    return np.asarray(named & (kept.sum(axis=1) > 0) & (kept.argmax(axis=1) < EXPRESSIONS))


def distributions(votes: np.ndarray, subset: str) -> np.ndarray:
    """float32 (N, 8): the kept votes for expressions, each row over its sum. Every row must be in the subset."""
    # Votes are small whole numbers: the same float32 division as ever, so trained models see the same targets.
    expressions = kept_votes(votes, subset)[:, :EXPRESSIONS].astype(np.float32)
    return np.asarray(expressions / expressions.sum(axis=1, keepdims=True))


def _top_columns(votes: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest columns (equals together) until they hold 75 % of `total` or are three, and how many they are.

    When "unknown" or "not a face" is reached the search ends; it is kept only if no expression came before it.
    """
    remaining, kept = votes.copy(), np.zeros_like(votes)
    taken, columns, searching = np.zeros(len(votes)), np.zeros(len(votes), dtype=int), np.ones(len(votes), dtype=bool)
    for _ in range(3):
        active = searching & (taken < 0.75 * total) & (columns < 3)
        highest = remaining.max(axis=1)
        for column in range(votes.shape[1]):
            hit = active & (remaining[:, column] == highest)
            kept[hit, column] = highest[hit]
            remaining[hit, column] = 0
            taken[hit] += highest[hit]
            columns[hit] += 1
            if column >= EXPRESSIONS:
                late = hit & (kept.sum(axis=1) > highest)
                kept[late, column] = 0
                columns[late] -= 1
                searching &= ~hit
                active &= ~hit
    return kept, columns
