"""The `.npz` outputs of the hybrid group system (2025) and of its forerunner VL (2018): group affect on GAF.

Keys `output_{train,valid,test}_model<i>` (raw logits, N x 3) and `label_{train,valid,test}`, classes 0 negative,
1 neutral, 2 positive. The files hold no names: a row is known by its place, and whether two files agree is told by
their labels. Model 0 of the hybrid system was saved from a shuffled loader and does not agree with the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emolens.errors import DataError
from emolens.evaluation.predictions import Predictions
from emolens.models.session import softmax
from emolens.taxonomy import GROUP3

SPLITS = {"train": "train", "valid": "val", "test": "test"}
"""Their names -> ours. Their `test` is the EVAL list, 1,000 pictures of the official validation set."""
OUTPUT = re.compile(r"output_(train|valid|test)_(model\d+)")


def is_old(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the arrays of an `.npz` are those of the old systems."""
    return any(OUTPUT.fullmatch(name) for name in arrays)


def read_old(arrays: Mapping[str, np.ndarray], path: Path) -> list[Predictions]:
    """One table a model, by the model's number. Raises `DataError` where labels are missing or do not fit."""
    models = {found[2] for name in arrays if (found := OUTPUT.fullmatch(name))}
    return [_table(arrays, model, path) for model in sorted(models, key=lambda name: int(name.removeprefix("model")))]


def _table(arrays: Mapping[str, np.ndarray], model: str, path: Path) -> Predictions:
    there = [split for split in SPLITS if f"output_{split}_{model}" in arrays]
    parts = [_part(arrays, split, model, path) for split in there]
    logits, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    sizes = [len(part[1]) for part in parts]
    probabilities = softmax(logits)
    return Predictions(
        ids=np.array([f"{split}-{at:05d}" for split, n in zip(there, sizes, strict=True) for at in range(n)]),
        splits=np.repeat([SPLITS[split] for split in there], sizes),
        taxonomy=GROUP3,
        targets=np.eye(len(GROUP3), dtype=np.float32)[labels],
        probabilities=probabilities,
        confidence=probabilities.max(axis=1),
        logits=logits.astype(np.float32),
        data="GAF, rows of EmotiW 2018",
        subset="rows by their place",
        model=model,
    )


def _part(arrays: Mapping[str, np.ndarray], split: str, model: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = arrays[f"output_{split}_{model}"], arrays.get(f"label_{split}")
    if labels is None or logits.shape != (len(labels), len(GROUP3)):
        came = "no labels" if labels is None else f"outputs {logits.shape} for {len(labels)} labels"
        raise DataError(f"{path}: {split} of {model} has {came}; needs (N, {len(GROUP3)}) outputs and N labels")
    if not np.isin(labels, range(len(GROUP3))).all():
        raise DataError(f"{path}: label_{split} holds {np.unique(labels).tolist()}; allowed: 0, 1, 2")
    return logits, labels.astype(int)
