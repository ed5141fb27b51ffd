"""Lists of paths and labels as the DAN + EfficientNet project published them: `index, image_path, label`.

Three lists (`train`, `valid`, `test`) over pictures from CK+48, RAF-DB and a repack of AffectNet, six classes. They are
here to be audited: most of `valid` is also in `train`. An id is therefore the list's name and the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Option, Record, Split, absent
from emolens.data.problems import Fault, Problems
from emolens.data.rows import Row, csv_rows
from emolens.taxonomy import CANONICAL, EKMAN6, canonical

LISTS: dict[str, Split] = {"train": "train", "valid": "val", "val": "val", "test": "test"}
COLUMNS = ("image_path", "label")
CK_FRAME = re.compile(r"(S\d{3})_(\d{3})_\d{8}")
RAF_FACE = re.compile(r"(train|test)_\d{4,5}_aligned")


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What the path of a picture tells: its set, class, subject, sequence, and the split it officially belongs to."""

    collection: str | None = None
    label: str | None = None
    subject: str | None = None
    sequence: str | None = None
    official_split: str | None = None


def path_facts(path: str) -> PathFacts:
    """The facts in a path such as `CK+48/happy/S125_005_00000012.png` or `RAF/img/fear/train_00012_aligned.jpg`."""
    parts = PurePosixPath(path.replace("\\", "/"))
    folders = [canonical(part) for part in parts.parts[:-1]]
    label = next((name for name in reversed(folders) if name in CANONICAL), None)
    collection = next((name for name in ("CK+48", "RAF", "aff") if name in parts.parts), None)
    if match := CK_FRAME.match(parts.name):
        return PathFacts(collection or "CK+48", label, match[1], f"{match[1]}_{match[2]}")
    if match := RAF_FACE.match(parts.name):
        return PathFacts(collection or "RAF", label, official_split=match[1])
    return PathFacts(collection, label)


def _walk(root: Path, problems: Problems, pictures: str) -> Iterator[Record]:
    found = [root] if root.is_file() else _lists(root)
    if not found:
        raise absent(INFO, root, "train.csv, valid.csv or test.csv")
    archive = Archive(root.parent if root.is_file() else root)
    for path in found:
        yield from problems.each(csv_rows(path, COLUMNS), partial(_record, archive, path.stem, pictures == "needed"))


def _lists(root: Path) -> list[Path]:
    places = [folder / f"{name}.csv" for folder in (root, root / "Data") for name in LISTS]
    return [path for path in places if path.is_file()]


def _record(archive: Archive, name: str, needed: bool, row: Row) -> Record:
    path = row.text("image_path")
    label = row.code("label", EKMAN6.classes)
    facts = path_facts(path)
    if facts.label not in (None, label):
        raise Fault("label", row.where, f"label says {label}, the path {path!r} says {facts.label}")
    about = {"path": path, "collection": facts.collection, "official_split": facts.official_split}
    return Record(
        id=f"{name}/{path}",
        split=LISTS.get(name, "train"),
        picture=archive.file(path, row.where) if needed else archive.path(path, row.where),
        taxonomy=EKMAN6,
        label=label,
        subject=facts.subject,
        sequence=facts.sequence,
        source=row.where,
        attributes={key: value for key, value in about.items() if value},
    )


INFO = Info(
    name="lists",
    title="Lists of paths with labels (the DAN + EfficientNet project)",
    citation="hyunyongPark/Emotion-Recognition on GitHub, Data/{train,valid,test}.csv.",
    terms="None stated for the lists; the pictures have the terms of CK+, RAF-DB and AffectNet.",
    obtain="get train.csv, valid.csv and test.csv from the project, and the pictures from those who hold CK+, RAF-DB "
    "and AffectNet; pictures=ignored reads the lists alone",
    layout="train.csv, valid.csv, test.csv (index, image_path, label 0 to 5) and the pictures below the same folder",
    taxonomy=EKMAN6,
    task="expression",
    counts=tuple(
        Count(n, split, source="the published lists") for split, n in (("train", 28601), ("val", 15206), ("test", 2994))
    ),
)
READERS = {
    "lists": DataReader(
        INFO,
        _walk,
        (Option("pictures", "needed", "whether the pictures must be there", ("needed", "ignored")),),
    )
}
