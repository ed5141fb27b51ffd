"""The figures that what pictures evoke is judged by beside those of every model, and the mean predictor beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emolens.evaluation.distributions import DISTANCES, MEAN_PREDICTOR, concordance, correlation
from emolens.evaluation.metrics import Estimate, estimate, mean_estimate
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
    found: dict[str, Estimate] = {}
    for at, name in enumerate(("valence", "arousal")):
        if predictions.values is None or predictions.true_values is None:
            return {}
        said, truth = predictions.values[:, at], predictions.true_values[:, at]
        known = np.isfinite(said) & np.isfinite(truth)
        if known.sum() > 1:
            found[f"{name}_ccc"] = estimate(concordance, said[known], truth[known])
            found[f"{name}_pearson"] = estimate(correlation, said[known], truth[known])
    return found


def mean_predictor(predictions: Predictions, shares: tuple[float, ...]) -> Predictions:
    """The table of a model that says `shares` (K,) of every row: what has to be beaten."""
    said = np.tile(np.array(shares, np.float32) / np.float32(sum(shares)), (len(predictions), 1))
    return replace(
        predictions, probabilities=said, confidence=said.max(axis=1), logits=None, features=None, values=None,
        model="mean predictor", subset=f"{predictions.subset}{MEAN_PREDICTOR}", sha="",
    )  # fmt: skip
