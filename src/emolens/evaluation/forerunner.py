"""The fourteen models of VL (Gupta et al., ICMI 2018), on the same pictures of GAF as the hybrid system's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from emolens.errors import MissingExtra
from emolens.evaluation.metrics import hits, mean_estimate
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.simplex import best_on_simplex
from emolens.evaluation.stacking import stacked
from emolens.evaluation.weighting import likelihood_weights

HAND_PICKED = (-1, 5, 10, 10, 1, 5, 2.5, 5)
"""Weights of the logits of eight models, as the source's notebook prints them; models 1 to 8 give its figures."""
STRENGTH = 9e-5
"""C of the support vector machine in the notebook; how it was found is not said."""
SPLITS = ("train", "val", "test")
PUBLISHED = {"hand-picked weights": (0.9416, 0.7740, 0.787), "linear SVM": (0.9936, 0.7740, 0.795)}
"""What the notebooks print on train, VAL and EVAL."""
NOT_HERE = (
    "64.83 % on the challenge's test part: its labels were never given out",
    "80.6 % on EVAL for 14 models that were trained on train and VAL together: their outputs were not published",
)


def forerunner(members: Sequence[Predictions]) -> dict[str, Any]:
    """Members, the two published combinations re-run, and those whose choice is made on val alone."""
    parts = {split: [one.split(split) for one in members] for split in SPLITS}
    truth = {split: parts[split][0].truth for split in SPLITS}
    shares = {split: np.stack([one.probabilities for one in parts[split]]).astype(np.float64) for split in SPLITS}
    mixed = _mixtures(shares, truth, parts["val"][0].targets)
    mixed["hand-picked weights"] = {split: _hand_picked(parts[split]) for split in SPLITS}
    mixed["linear SVM"] = _machine(shares, truth)
    return {
        "members": [{split: _accuracy(one.split(split)) for split in SPLITS} for one in members],
        "ways": [
            {
                "method": name,
                "published": PUBLISHED.get(name),
                **{split: _right(rows, truth[split]) for split, rows in each.items()},
            }
            for name, each in mixed.items()
        ],
        "not_here": NOT_HERE,
    }


def _mixtures(
    shares: dict[str, np.ndarray], truth: dict[str, np.ndarray], target: np.ndarray
) -> dict[str, dict[str, np.ndarray]]:
    """Way -> split -> scores (N, K). A stack on val has seen its rows; its figure there is of rows left out."""
    count = len(shares["val"])
    weights = {
        "mean": np.full(count, 1 / count),
        "simplex, chosen on val": best_on_simplex(shares["val"], truth["val"])[0],
        "likelihood, chosen on val": likelihood_weights(shares["val"], target),
    }
    found = {
        name: {split: np.einsum("m,mnk->nk", each, rows) for split, rows in shares.items()}
        for name, each in weights.items()
    }
    out_of_fold, predicted, _ = stacked(shares["val"], np.eye(shares["val"].shape[2])[truth["val"]], shares["test"])
    return found | {"stack, learnt on val": {"val": out_of_fold, "test": predicted}}


def _hand_picked(members: Sequence[Predictions]) -> np.ndarray:
    logits = [one.logits for one in members[: len(HAND_PICKED)]]
    return np.asarray(sum(weight * one for weight, one in zip(HAND_PICKED, logits, strict=True) if one is not None))


def _machine(shares: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The support vector machine of the notebook, learnt on what the members said about their own training rows."""
    try:
        from sklearn.svm import SVC
    except ImportError:
        raise MissingExtra("a support vector machine", "evaluate") from None
    inputs = {split: rows.astype(np.float32).transpose(1, 0, 2).reshape(rows.shape[1], -1)
              for split, rows in shares.items()}  # fmt: skip
    classes = shares["train"].shape[2]
    fitted = SVC(kernel="linear", C=STRENGTH).fit(inputs["train"], truth["train"])
    return {split: np.eye(classes)[fitted.predict(rows)] for split, rows in inputs.items()}


def _right(scores: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    return asdict(mean_estimate((scores.argmax(axis=1) == truth).astype(np.float64)))


def _accuracy(rows: Predictions) -> dict[str, Any]:
    return asdict(mean_estimate(hits(rows.probabilities, rows.targets)))
