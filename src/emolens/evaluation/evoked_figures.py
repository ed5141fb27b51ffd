"""The figures that what pictures evoke is judged by beside those of every model, and the mean predictor beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emolens.evaluation.distributions import DISTANCES, MEAN_PREDICTOR, agreements
from emolens.evaluation.metrics import Estimate, mean_estimate
from emolens.evaluation.predictions import Predictions

SPREADS = ("clark", "clark_normalised", "canberra", "canberra_normalised")
KEYWORD = "keyword"
"""The attribute that names the class by which a picture was searched, which often is not what people felt."""


def evoked_figures(predictions: Predictions) -> dict[str, Estimate]:
    """Clark and Canberra distances; where the rows have them, accuracy against the keyword, and the concordance and
    Pearson's correlation of valence and arousal.
    """
    found = {name: mean_estimate(DISTANCES[name](predictions.probabilities, predictions.targets)) for name in SPREADS}
    if KEYWORD in predictions.attributes:
        said = np.array(predictions.taxonomy.classes)[predictions.guess]
        found["accuracy_keyword"] = mean_estimate((said == predictions.attributes[KEYWORD]).astype(np.float64))
    return found | _affect(predictions)


def _affect(predictions: Predictions) -> dict[str, Estimate]:
    """Of the rows whose valence and arousal are known; nothing where there are fewer than two."""
    said, truth = predictions.values, predictions.true_values
    if said is None or truth is None:
        return {}
    known = np.isfinite(said) & np.isfinite(truth)
    pairs = {
        name: (said[known[:, at], at], truth[known[:, at], at])
        for at, name in enumerate(("valence", "arousal"))
        if known[:, at].sum() > 1
    }
    return agreements(pairs)


def mean_predictor(predictions: Predictions, shares: tuple[float, ...]) -> Predictions:
    """The table of a model that says `shares` (K,) of every row: what has to be beaten."""
    said = np.tile(np.array(shares, np.float32) / np.float32(sum(shares)), (len(predictions), 1))
    return replace(
        predictions, probabilities=said, confidence=said.max(axis=1), logits=None, features=None, values=None,
        model="mean predictor", subset=f"{predictions.subset}{MEAN_PREDICTOR}", sha="",
    )  # fmt: skip
