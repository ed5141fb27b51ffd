"""Rows that belong together, as one number a row: what a split must not tear apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from emolens.data.fingerprints import NEAR, Fingerprint, near_pairs
from emolens.errors import DataError


def joined(n: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """The cluster of each of `n` rows that are joined by pairs of rows, also through others.

    int (n,): clusters are numbered by their first row, in the order of the rows.
    """
    root = list(range(n))
    for a, b in pairs:
        low, high = sorted((_root(root, a), _root(root, b)))
        root[high] = low  # the first row of a cluster is its root
    roots = np.array([_root(root, at) for at in range(n)], dtype=np.int64)
    return np.asarray(np.unique(roots, return_inverse=True)[1].reshape(n))


def _root(root: list[int], at: int) -> int:
    while root[at] != at:
        root[at] = root[root[at]]
        at = root[at]
    return at


def joined_by(*columns: Sequence[object]) -> np.ndarray:
    """Clusters of rows that have the same value in any column, int (N,); None is no value and joins nothing.

    So that neither a subject nor a video is torn apart: `joined_by(subjects, videos)`. Raises `DataError` for columns
    of different lengths.
    """
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise DataError(f"columns with {sorted(lengths)} rows; give one or more columns of one length")
    pairs = [pair for column in columns for pair in _links(column)]
    return joined(lengths.pop(), pairs)


def _links(column: Sequence[object]) -> list[tuple[int, int]]:
    first: dict[object, int] = {}
    return [(first.setdefault(value, at), at) for at, value in enumerate(column) if value is not None]


def near_clusters(prints: Sequence[Fingerprint], distance: int = NEAR) -> np.ndarray:
    """Clusters of pictures with the same pixels or a chain of near-duplicates between them, int (N,)."""
    pixels = [one.pixels for one in prints]
    first = {value: at for at, value in reversed(list(enumerate(pixels)))}
    rows = [at for at in first.values() if prints[at].look is not None]
    near = near_pairs(np.array([prints[at].look for at in rows], dtype=bool), distance)
    return joined(len(prints), [*_links(pixels), *((rows[a], rows[b]) for a, b in near.tolist())])
