"""Rows given to columns so that what they gain together is largest.

scipy's `linear_sum_assignment` does the same and is 100 MB; for the few faces of a frame this is as quick.
"""

from __future__ import annotations

import numpy as np


def best_pairs(gains: np.ndarray, least: float) -> list[tuple[int, int]]:
    """The pairs (row, column) of `gains` (N, M), each row and column at most once, with the largest sum.

    Pairs that gain less than `least` (above 0) are not made.
    """
    allowed = gains >= least
    if (allowed.sum(axis=0) <= 1).all() and (allowed.sum(axis=1) <= 1).all():  # nothing is contested
        return [(int(row), int(column)) for row, column in np.argwhere(allowed)]
    side = max(gains.shape)
    costs = np.zeros((side, side))
    costs[: gains.shape[0], : gains.shape[1]] = np.where(allowed, -gains, 0.0)
    columns = _cheapest(costs)
    return [(row, int(columns[row])) for row in range(gains.shape[0]) if _made(allowed, row, int(columns[row]))]


def _made(allowed: np.ndarray, row: int, column: int) -> bool:
    return column < allowed.shape[1] and bool(allowed[row, column])


def _cheapest(costs: np.ndarray) -> np.ndarray:
    """The column of each row with the least sum of `costs` (N, N), int64 (N,).

    Shortest augmenting paths with potentials: Jonker and Volgenant, Computing 38 (1987). Index N stands for the row
    that is being placed.
    """
    side = len(costs)
    of_row, of_column = np.zeros(side + 1), np.zeros(side + 1)  # potentials
    row_at = np.full(side + 1, -1)
    for row in range(side):
        row_at[side], column = row, side
        reach, came_from, done = np.full(side, np.inf), np.full(side, side), np.zeros(side + 1, bool)
        while row_at[column] >= 0:
            done[column] = True
            here = row_at[column]
            through = costs[here] - of_row[here] - of_column[:side]
            closer = ~done[:side] & (through < reach)
            reach[closer], came_from[closer] = through[closer], column
            nearest = int(np.where(done[:side], np.inf, reach).argmin())
            step = reach[nearest]
            of_row[row_at[done]] += step
            of_column[done] -= step
            reach[~done[:side]] -= step
            column = nearest
        while column != side:
            row_at[column] = row_at[came_from[column]]
            column = int(came_from[column])
    columns = np.empty(side, np.int64)
    columns[row_at[:side]] = np.arange(side)
    return columns
