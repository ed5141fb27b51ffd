"""The `.npz` outputs of the hybrid group system (2025) and of its forerunner VL (2018): group affect on GAF.

Keys `output_{train,valid,test}_model<i>` (raw logits, N x 3) and `label_{train,valid,test}`, classes 0 negative,
1 neutral, 2 positive. The files hold no names: a row is known by its place. Where the lists of pictures lie beside a
file (`val_list`, `test_list` or `eval_list`, text or pickled) and the labels are theirs, row by row, its rows get the
names of GAF's pictures. Model 0 of the hybrid system was saved from a shuffled loader: its labels are not theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emolens.data.gaf import LISTS, PREFIXES
from emolens.data.pickled_names import names_in
from emolens.errors import DataError, OptionError
from emolens.evaluation.predictions import Predictions, aligned
from emolens.files import replacing
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
    names = {split: listed for split in SPLITS if (listed := _listed(split, path))}
    ordered = sorted(models, key=lambda name: int(name.removeprefix("model")))
    return [_table(arrays, model, path, names) for model in ordered]


def write_old(tables: Sequence[Predictions], path: Path) -> None:
    """Tables of group affect as one `.npz` of the old form; they become model1, model2, ... in their order.

    Names of rows, probabilities and all else that the form has no place for are lost; a table without logits gives the
    logarithms of its probabilities. Raises `OptionError` for other classes than negative, neutral, positive or a split
    that the form has no name for, `DataError` where the tables do not align.
    """
    first = tables[0]
    if first.taxonomy.classes != GROUP3.classes:
        raise OptionError(f"{first.name} has classes {', '.join(first.taxonomy.classes)}; this form is for "
                          f"{', '.join(GROUP3.classes)}")  # fmt: skip
    if strange := set(first.splits.tolist()) - set(SPLITS.values()):
        raise OptionError(f"{first.name} has split {min(strange)!r}; this form knows {', '.join(SPLITS.values())}")
    aligned(tables)
    arrays: dict[str, np.ndarray] = {}
    for theirs, ours in SPLITS.items():
        rows = first.splits == ours
        if rows.any():
            arrays[f"label_{theirs}"] = first.truth[rows].astype(np.int64)
            arrays |= {f"output_{theirs}_model{at}": _logits(one)[rows] for at, one in enumerate(tables, 1)}
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes them for options


def _logits(one: Predictions) -> np.ndarray:
    known = np.log(np.maximum(one.probabilities, np.float32(1e-12))) if one.logits is None else one.logits
    return np.asarray(known, np.float32)


def _listed(split: str, path: Path) -> list[str]:
    """The names in the list of a split beside the file; none where there is no list."""
    choices = LISTS["val"] if split == "valid" else LISTS["test"] if split == "test" else ()
    found = next((path.parent / name for name in choices if (path.parent / name).is_file()), None)
    return [] if found is None else [name for _, name in names_in(found)]


def _table(arrays: Mapping[str, np.ndarray], model: str, path: Path, names: Mapping[str, list[str]]) -> Predictions:
    there = [split for split in SPLITS if f"output_{split}_{model}" in arrays]
    parts = [_part(arrays, split, model, path) for split in there]
    logits, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    ids = [_ids(split, part[1], names.get(split, [])) for split, part in zip(there, parts, strict=True)]
    by_name = any("/" in one[0] for one in ids if len(one))
    probabilities = softmax(logits)
    return Predictions(
        ids=np.concatenate(ids),
        splits=np.repeat([SPLITS[split] for split in there], [len(part[1]) for part in parts]),
        taxonomy=GROUP3,
        targets=np.eye(len(GROUP3), dtype=np.float32)[labels],
        probabilities=probabilities,
        confidence=probabilities.max(axis=1),
        logits=logits.astype(np.float32),
        data="GAF, rows of EmotiW 2018",
        subset="rows by the lists of pictures" if by_name else "rows by their place",
        model=model,
    )


def _ids(split: str, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The names of the pictures as the reader of GAF gives them, where every label is that of its name; else places."""
    folders = [PREFIXES.get(name.split("_")[0], "") for name in names]
    places = [list(PREFIXES.values()).index(folder) if folder else -1 for folder in folders]
    if names and np.array_equal(places, labels):
        return np.array([f"val/{folder}/{name}" for folder, name in zip(folders, names, strict=True)])
    return np.array([f"{split}-{at:05d}" for at in range(len(labels))])


def _part(arrays: Mapping[str, np.ndarray], split: str, model: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = arrays[f"output_{split}_{model}"], arrays.get(f"label_{split}")
    if labels is None or logits.shape != (len(labels), len(GROUP3)):
        came = "no labels" if labels is None else f"outputs {logits.shape} for {len(labels)} labels"
        raise DataError(f"{path}: {split} of {model} has {came}; needs (N, {len(GROUP3)}) outputs and N labels")
    if not np.isin(labels, range(len(GROUP3))).all():
        raise DataError(f"{path}: label_{split} holds {np.unique(labels).tolist()}; allowed: 0, 1, 2")
    return logits, labels.astype(int)
