"""The rows that a model is judged on: a split of a data set, its named subsets, its pictures as a net wants them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emolens.data.base import OptionValue
from emolens.data.faces import judged_rows
from emolens.data.given import prepared_folder
from emolens.data.manifest import is_prepared, read_manifest
from emolens.data.prepare import Progress
from emolens.data.prepared import Prepared, open_prepared
from emolens.errors import DataError, LabelError
from emolens.evaluation.predictions import Predictions
from emolens.taxonomy import FERPLUS, Taxonomy, convert

FEWEST_KNOWN = 0.5
"""An attribute that fewer rows than this share have is no way to group them."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one split of a prepared data set: those `at` (N,) int.

    `targets` (N, K) are over `taxonomy`. `attributes`: name -> (N,) str, empty where a row has none.
    """

    prepared: Prepared
    at: np.ndarray
    ids: np.ndarray
    taxonomy: Taxonomy
    targets: np.ndarray
    attributes: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)

    def in_classes(self, wanted: Taxonomy) -> Rows:
        """The rows whose top class is in `wanted`, their targets in its classes and summing to 1 again.

        Raises `LabelError` where a class of `wanted` is not in the data, or no row remains.
        """
        missing = [name for name in wanted.classes if name not in self.taxonomy.classes]
        tops = np.isin(np.array(self.taxonomy.classes)[self.targets.argmax(axis=1)], wanted.classes)
        if missing or not tops.any():
            raise LabelError(
                f"{self.data} has {', '.join(self.taxonomy.classes)}; no row of it can be judged as "
                f"{', '.join(missing or wanted.classes)}"
            )
        attributes = {name: values[tops] for name, values in self.attributes.items()}
        targets, _ = convert(self.targets[tops], self.taxonomy, wanted)
        return Rows(self.prepared, self.at[tops], self.ids[tops], wanted, targets, attributes)

    @property
    def data(self) -> str:
        """The title of the data set."""
        return str(self.prepared.manifest.about["title"])

    @property
    def subset(self) -> str:
        """The name of all its rows."""
        options = self.prepared.manifest.about["options"]
        parts = [f"{self.data} {self.prepared.split}", *([options["subset"]] if "subset" in options else [])]
        if self.taxonomy.classes != self.prepared.taxonomy.classes:
            parts.append(f"{len(self.taxonomy)} classes")
        return ", ".join(parts)

    def frames(self, size: int, grey: bool) -> np.ndarray:
        """Each whole picture as a frame: uint8 (N, size, size), or RGB (N, size, size, 3). Others are resized."""
        return np.asarray(self.prepared.pixels(grey, size)[self.at])

    def picture(self, at: int) -> np.ndarray:
        """One picture as it is, RGB uint8 (H, W, 3)."""
        return self.prepared.record(int(self.at[at])).open()

    def places(self, ids: np.ndarray) -> np.ndarray:
        """Where rows with these ids are, (n,) int. Raises `DataError` for one that is not here."""
        known = {name: at for at, name in enumerate(self.ids.tolist())}
        missing = [name for name in ids.tolist() if name not in known]
        if missing:
            raise DataError(
                f"{self.prepared.folder}: {self.prepared.split} has no row {missing[0]!r}, {len(missing)} of "
                f"{len(ids)} are not there; give the data that the predictions were made on"
            )
        return np.array([known[name] for name in ids.tolist()], int)


def open_rows(
    data: Path,
    split: str,
    name: str = "ferplus",
    options: Mapping[str, OptionValue] | None = None,
    progress: Progress | None = None,
) -> Rows:
    """A split of a prepared folder of any data set, or of an archive of data set `name`, prepared into the cache with
    `options`. FER+ is always opened as argmax, whose rows hold those of its other judged subset.

    Raises what `prepared_folder` and `open_prepared` raise, `DataError` for a set without labels.
    """
    known = read_manifest(data).about["name"] if is_prepared(data) else name
    if known == "ferplus":
        data = prepared_folder(data, known, progress, subset="argmax")
    elif not is_prepared(data):
        data = prepared_folder(data, known, progress, **(options or {}))
    prepared = open_prepared(data, split, ram=True)
    ids, targets = np.array(prepared.column("id")), prepared.targets()
    return Rows(prepared, np.arange(len(ids)), ids, prepared.taxonomy, targets, _attributes(prepared))


def views(predictions: Predictions, rows: Rows) -> list[Predictions]:
    """The named subsets of a table that results are reported on, each with its own targets.

    FER+ in its eight classes has four, of `test`, and two else; other sets have one. Raises `DataError` for ids that
    are not in `rows`.
    """
    at = rows.places(predictions.ids)
    if rows.taxonomy != FERPLUS or rows.prepared.manifest.about["name"] != "ferplus":
        return [replace(predictions, data=rows.data, subset=predictions.subset or rows.subset)]
    found = []
    for name, (member, targets) in judged_rows(rows.prepared).items():
        kept = predictions.keep(member[at], name)
        if len(kept):
            spread = np.zeros_like(rows.targets)
            spread[member] = targets
            found.append(replace(kept, targets=spread[at[member[at]]]))
    return found


def _attributes(prepared: Prepared) -> dict[str, np.ndarray]:
    """The attributes of the rows by name, those that most rows have."""
    found: dict[str, list[str]] = defaultdict(lambda: [""] * len(prepared))
    for at, text in enumerate(prepared.column("attributes")):
        for name, value in json.loads(text).items():
            found[name][at] = str(value)
    known = {name: np.array(values) for name, values in found.items()}
    return {name: values for name, values in known.items() if (values != "").mean() >= FEWEST_KNOWN}
