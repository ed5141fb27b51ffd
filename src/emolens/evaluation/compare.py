"""Two models on the same rows: McNemar's exact test and paired bootstrap differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from emolens.evaluation.classes import confusion, interval, macro_f1
from emolens.evaluation.metrics import Estimate, divergence, hits
from emolens.evaluation.predictions import Predictions, aligned

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Comparison:
    """`gained` rows are right only in the first, `lost` only in the second model; `p_value` is McNemar's, exact and
    two-sided. `differences`: figure -> first minus second, with the interval of the paired bootstrap.
    """

    first: str
    second: str
    subset: str
    gained: int
    lost: int
    p_value: float
    differences: dict[str, Estimate]


def compare(first: Predictions, second: Predictions, draws: int = DRAWS, seed: int = 0) -> Comparison:
    """Compare two tables. Raises `DataError` at the first row that does not align."""
    aligned([first, second])
    a, b = (hits(one.probabilities, first.targets) for one in (first, second))
    gained, lost = int(np.sum(a > b)), int(np.sum(b > a))
    return Comparison(
        first.name,
        second.name,
        first.subset,
        gained,
        lost,
        mcnemar(gained, lost),
        _differences(first, second, draws, seed),
    )


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p: how likely a split of the discordant rows at least so uneven is, if neither is better."""
    return float(binomtest(min(gained, lost), gained + lost).pvalue) if gained + lost else 1.0


def _differences(first: Predictions, second: Predictions, draws: int, seed: int) -> dict[str, Estimate]:
    """Each draw takes the same rows from both tables."""
    chance, n, classes = np.random.default_rng(seed), len(first), len(first.taxonomy)
    values = [
        np.stack([hits(one.probabilities, first.targets), divergence(one.probabilities, first.targets)])
        for one in (first, second)
    ]
    gap, truth, guesses = values[0] - values[1], first.truth, (first.guess, second.guess)  # (2, N)

    def figures(rows: np.ndarray) -> np.ndarray:
        f1 = [macro_f1(confusion(truth[rows], guess[rows], classes)) for guess in guesses]
        return np.array([*gap[:, rows].mean(axis=1), f1[0] - f1[1]])

    whole = figures(np.arange(n))
    drawn = np.stack([figures(chance.integers(0, n, n)) for _ in range(draws)])
    return {name: interval(whole[i], drawn[:, i], n) for i, name in enumerate(("accuracy", "kl", "macro_f1"))}
