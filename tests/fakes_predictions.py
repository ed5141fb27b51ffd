"""Predictions tables for tests: drawn, not trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emolens.evaluation.predictions import Predictions
from emolens.taxonomy import GROUP3, Taxonomy


def table(n: int = 60, seed: int = 0, taxonomy: Taxonomy = GROUP3, skill: float = 2.0, **changes: Any) -> Predictions:
    """`n` rows, half of them `val` and half `test`, whose labels do not depend on `seed`; `skill` 0 is a guess."""
    labels = np.random.default_rng(99).integers(0, len(taxonomy), n)
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(n, len(taxonomy))) + skill * np.eye(len(taxonomy))[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    made = Predictions(
        ids=np.array([f"row-{at:04d}" for at in range(n)]),
        splits=np.where(np.arange(n) < n // 2, "val", "test"),
        taxonomy=taxonomy,
        targets=np.eye(len(taxonomy), dtype=np.float32)[labels],
        probabilities=shares.astype(np.float32),
        confidence=shares.max(axis=1).astype(np.float32),
        logits=logits.astype(np.float32),
        data="drawn rows",
        subset="all",
        model=f"model{seed}",
    )
    return replace(made, **changes)
