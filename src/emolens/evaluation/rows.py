"""The rows that a model is judged on: a split of a data set, its named subsets, its pictures as a net wants them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.base import OptionValue
from emolens.data.faces import judged_rows, read_faces
from emolens.data.given import COMBINED, chosen_then, prepared_folder
from emolens.data.manifest import is_prepared, read_manifest
from emolens.data.pictures import affect_values
from emolens.data.prepare import Progress
from emolens.data.prepared import Prepared, open_prepared
from emolens.data.registry import reader
from emolens.errors import DataError, LabelError
from emolens.evaluation.calibration import one_hot_top
from emolens.evaluation.predictions import Predictions, aligned
from emolens.taxonomy import FERPLUS, Taxonomy, convert

SIDE = 112
"""Pictures of a set of sets, which are of many sizes, are shown this large."""
SOURCE = "collection"
"""The attribute that names the set which a row of a combined set is from."""
FEWEST_KNOWN = 0.5
"""An attribute that fewer rows than this share have is no way to group them."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rows:
    """Rows of one split of a data set: those `at` (N,) int, whose top class is in `taxonomy`; of what pictures evoke,
    all that have a share in `taxonomy`, and `dropped` is the mean share that other classes had.

    `folder`, `name` and `options` are what the set is read by, `title` is what people call it. `prepared` is the split
    as it lies on disk; None for a set of sets, which lies in several folders. `targets` (N, K) are over `taxonomy`.
    `attributes`: name -> (N,) str, empty where a row has none. `values` float32 (N, 2): valence and arousal, if known.
    """

    folder: Path
    name: str
    options: Mapping[str, OptionValue]
    title: str
    split: str
    prepared: Prepared | None
    at: np.ndarray
    ids: np.ndarray
    taxonomy: Taxonomy
    targets: np.ndarray
    attributes: dict[str, np.ndarray]
    values: np.ndarray | None = None
    narrowed: bool = False
    dropped: float = 0.0

    def __len__(self) -> int:
        return len(self.ids)

    def in_classes(self, wanted: Taxonomy) -> Rows:
        """The rows that can be judged in `wanted`, their targets in its classes and summing to 1 again.

        A face that people call something else is left out. A picture evokes several emotions at once, so it stays as
        long as one of them is in `wanted`. Raises `LabelError` where a class of `wanted` is not in the data, or no row
        remains.
        """
        missing = [name for name in wanted.classes if name not in self.taxonomy.classes]
        kept = np.isin(np.array(self.taxonomy.classes), wanted.classes)
        evoked = self.name not in COMBINED and reader(self.name).info.task == "evoked"
        tops = self.targets[:, kept].sum(axis=1) > 0 if evoked else kept[self.targets.argmax(axis=1)]
        if missing or not tops.any():
            raise LabelError(
                f"{self.title} has {', '.join(self.taxonomy.classes)}; no row of it can be judged as "
                f"{', '.join(missing or wanted.classes)}"
            )
        attributes = {name: values[tops] for name, values in self.attributes.items()}
        targets, dropped = convert(self.targets[tops], self.taxonomy, wanted)
        return replace(
            self, at=self.at[tops], ids=self.ids[tops], taxonomy=wanted, targets=targets, attributes=attributes,
            values=None if self.values is None else self.values[tops],
            narrowed=self.narrowed or wanted.classes != self.taxonomy.classes,
            dropped=self.dropped + float(dropped.mean()) if evoked else 0.0,
        )  # fmt: skip

    @property
    def subset(self) -> str:
        """The name of all its rows."""
        subset = self.options.get("subset")
        parts = [f"{self.title} {self.split}", *([str(subset)] if subset else [])]
        if self.narrowed:
            parts.append(f"{len(self.taxonomy)} classes")
        if self.dropped:
            parts.append(f"{self.dropped:.1%} of the probability left out")
        return ", ".join(parts)

    def frames(self, size: int, grey: bool) -> np.ndarray:
        """Each whole picture as a frame: uint8 (N, size, size), or RGB (N, size, size, 3). Others are resized."""
        faces = read_faces(self.folder, self.split, self.name, grey=grey, size=size, options=self.options)
        return np.asarray(faces.images[self.at])

    def pictures(self, places: np.ndarray) -> list[np.ndarray]:
        """Some pictures as they are, RGB uint8 (H, W, 3); of a set of sets in one size."""
        if self.prepared is None:
            return [*self.frames(SIDE, grey=False)[places]]
        return [self.prepared.record(at).open() for at in self.at[places].tolist()]

    def mean_of_train(self, classes: Taxonomy) -> tuple[float, ...]:
        """Mean target of the set's own `train` in `classes`, what a mean predictor says.

        Empty without that part, or where the set lacks one of the classes.
        """
        if self.prepared is None or "train" not in self.prepared.manifest.splits:
            return ()
        train = open_prepared(self.folder, "train")
        if not set(classes.classes) <= set(train.taxonomy.classes):
            return ()
        columns = [train.taxonomy.index(name) for name in classes.classes]
        kept = train.targets()[:, columns]
        kept = kept[kept.sum(axis=1) > 0]
        return tuple((kept / kept.sum(axis=1, keepdims=True)).mean(axis=0).tolist())

    def places(self, ids: np.ndarray) -> np.ndarray:
        """Where rows with these ids are, (n,) int. Raises `DataError` for one that is not here."""
        known = {name: at for at, name in enumerate(self.ids.tolist())}
        missing = [name for name in ids.tolist() if name not in known]
        if missing:
            raise DataError(
                f"{self.folder}: {self.split} has no row {missing[0]!r}, {len(missing)} of "
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
    known, chosen = name, dict(options or {})
    if is_prepared(data):
        about = read_manifest(data).about
        known = about["name"]
        chosen = chosen_then(known, about["options"])
    if known == "ferplus":
        chosen = {**chosen, "subset": "argmax"}
    folder = prepared_folder(data, known, progress, **chosen)
    what: dict[str, Any] = {"folder": folder, "name": known, "options": chosen, "split": split}
    if is_prepared(folder):
        return _prepared_rows(open_prepared(folder, split, ram=True), what)
    faces = read_faces(folder, split, known, size=SIDE, options=chosen)  # a set of sets
    attributes = {} if faces.origin is None else {SOURCE: faces.origin}
    return Rows(
        **what, title=known, prepared=None, at=np.arange(len(faces)), ids=faces.ids, taxonomy=faces.taxonomy,
        targets=faces.targets, attributes=attributes,
    )  # fmt: skip


def _prepared_rows(prepared: Prepared, what: dict[str, Any]) -> Rows:
    ids = np.array(prepared.column("id"))
    return Rows(
        **what, title=str(prepared.manifest.about["title"]), prepared=prepared, at=np.arange(len(ids)), ids=ids,
        taxonomy=prepared.taxonomy, targets=prepared.targets(), attributes=_attributes(prepared),
        values=affect_values(prepared),
    )  # fmt: skip


def views(predictions: Predictions, rows: Rows) -> list[Predictions]:
    """The named subsets of a table that results are reported on, each with its own targets.

    FER+ in its eight classes has four, of `test`, and two else; other sets have one. Raises `DataError` for ids that
    are not in `rows` or stand for other labels there, `LabelError` for classes that `rows` lack.
    """
    rows.places(predictions.ids)  # before any are left out for their classes
    if predictions.taxonomy.classes != rows.taxonomy.classes:
        rows = _in_classes_of(predictions, rows)
    at = rows.places(predictions.ids)
    there = replace(predictions, targets=rows.targets[at], model=f"{rows.title} {rows.split}")
    whole = rows.taxonomy == FERPLUS and predictions.taxonomy.classes == FERPLUS.classes
    if not whole or rows.name != "ferplus" or rows.prepared is None:
        aligned([there, predictions])
        return [replace(predictions, data=rows.title, subset=predictions.subset or rows.subset)]
    aligned([there, replace(predictions, targets=one_hot_top(predictions.targets))])  # its votes are given anew
    found = []
    for name, (member, targets) in judged_rows(rows.prepared).items():
        kept = predictions.keep(member[at], name)
        if len(kept):
            spread = np.zeros_like(rows.targets)
            spread[member] = targets
            found.append(replace(kept, targets=spread[at[member[at]]]))
    return found


def _in_classes_of(predictions: Predictions, rows: Rows) -> Rows:
    """The rows in the classes of a table. Raises `LabelError` where they were narrowed to others."""
    if rows.narrowed and not set(predictions.taxonomy.classes) <= set(rows.taxonomy.classes):
        raise LabelError(
            f"{predictions.name} has classes {', '.join(predictions.taxonomy.classes)}; {rows.title} is narrowed to "
            f"{', '.join(rows.taxonomy.classes)}; compare tables of the same classes"
        )
    return rows.in_classes(predictions.taxonomy)


def _attributes(prepared: Prepared) -> dict[str, np.ndarray]:
    """The attributes of the rows by name, those that most rows have."""
    found: dict[str, list[str]] = defaultdict(lambda: [""] * len(prepared))
    for at, text in enumerate(prepared.column("attributes")):
        for name, value in json.loads(text).items():
            found[name][at] = str(value)
    known = {name: np.array(values) for name, values in found.items()}
    return {name: values for name, values in known.items() if (values != "").mean() >= FEWEST_KNOWN}
