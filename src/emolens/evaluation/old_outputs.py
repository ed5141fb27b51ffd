"""The `.npz` outputs of the hybrid group system (2025) and of its forerunner VL (2018): group affect on GAF.

Keys `output_{train,valid,test}_model<i>` (raw logits, N x 3) and `label_{train,valid,test}`, classes 0 negative,
1 neutral, 2 positive. The files hold no names: a row is known by its place. Where the lists of pictures lie beside a
file (`val_list`, `test_list` or `eval_list`, text or pickled) and the labels are theirs, row by row, its rows get the
names of GAF's pictures; model 0 of the hybrid system was saved from a shuffled loader, and its labels are not theirs.
Files that are written here also hold `id_{train,valid,test}`, which the old scripts pass over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.gaf import LISTS, PREFIXES
from emolens.data.pickled_names import names_in
from emolens.errors import DataError, OptionError
from emolens.evaluation.predictions import Predictions
from emolens.files import replacing
from emolens.models.classifier import softmax
from emolens.taxonomy import GROUP3

SPLITS = {"train": "train", "valid": "val", "test": "test"}
"""Their names -> ours. Their `test` is the EVAL list, 1,000 pictures of the official validation set."""
OUTPUT = re.compile(r"output_(train|valid|test)_(model\d+)")
NAME = re.compile(r"(model\d+)\D.*")
"""What an old file of one model is called, `model5_output_data` for example."""


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
    ids = [_ids(arrays, split, part[1], _listed(split, path)) for split, part in zip(there, parts, strict=True)]
    probabilities = softmax(logits)
    return Predictions(
        ids=np.concatenate(ids),
        splits=np.repeat([SPLITS[split] for split in there], [len(one) for one in ids]),
        taxonomy=GROUP3,
        targets=np.eye(len(GROUP3), dtype=np.float32)[labels],
        probabilities=probabilities,
        confidence=probabilities.max(axis=1),
        logits=logits.astype(np.float32),
        data="GAF, rows of EmotiW 2018",
        subset="rows by their place",
        model=model,
        task="group",
    )


def _ids(arrays: Mapping[str, np.ndarray], split: str, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The ids that the file holds; else the names of the list where every label is that of its name; else places."""
    held = arrays.get(f"id_{split}")
    if held is not None and len(held) == len(labels):
        return held
    folders = [PREFIXES.get(name.split("_")[0], "") for name in names]
    places = [list(PREFIXES.values()).index(folder) if folder else -1 for folder in folders]
    if names and np.array_equal(places, labels):
        return np.array([f"val/{folder}/{name}" for folder, name in zip(folders, names, strict=True)])
    return np.array([f"{split}-{at:05d}" for at in range(len(labels))])


def _listed(split: str, path: Path) -> list[str]:
    """The names in the list of a split beside the file; none where there is no list."""
    choices = LISTS["val"] if split == "valid" else LISTS["test"] if split == "test" else ()
    found = next((path.parent / name for name in choices if (path.parent / name).is_file()), None)
    return [] if found is None else [name for _, name in names_in(found)]


def _part(arrays: Mapping[str, np.ndarray], split: str, model: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = arrays[f"output_{split}_{model}"], arrays.get(f"label_{split}")
    if (
        labels is None
        or labels.ndim != 1
        or logits.shape != (len(labels), len(GROUP3))
        or logits.dtype.kind not in "fiu"
    ):
        came = "no labels" if labels is None else f"{logits.dtype} outputs {logits.shape} for labels {labels.shape}"
        raise DataError(
            f"{path}: {split} of {model} has {came}; needs outputs (N, {len(GROUP3)}), numbers, and labels (N,)"
        )
    if not np.isin(labels, range(len(GROUP3))).all():
        raise DataError(f"{path}: label_{split} holds {np.unique(labels).tolist()}; allowed: 0, 1, 2")
    return logits, labels.astype(int)


def old_name(path: Path) -> str:
    """The model that an old file of one model is named after. Raises `OptionError` for another name."""
    named = NAME.fullmatch(path.stem)
    if named is None or path.suffix != ".npz":
        raise OptionError(f"{path}: an old table is named after its model's number, as model5_output_data.npz")
    return named[1]


def write_old(predictions: Predictions, path: Path) -> None:
    """Write a table as the old systems did, raw logits and labels by split, the row ids beside them.

    Raises `OptionError` where the name of `path` does not begin with `model` and a number and end in `.npz`, or the
    table holds no logits.
    """
    model = old_name(path)
    if predictions.logits is None:
        raise OptionError(f"{predictions.name}: an old table holds logits, and it has none")
    arrays: dict[str, Any] = {}
    for theirs, ours in SPLITS.items():
        rows = predictions.splits == ours
        if rows.any():
            arrays[f"output_{theirs}_{model}"] = predictions.logits[rows].astype(np.float32)
            arrays[f"label_{theirs}"] = predictions.truth[rows].astype(np.int64)
            arrays[f"id_{theirs}"] = predictions.ids[rows].astype(str)
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)
