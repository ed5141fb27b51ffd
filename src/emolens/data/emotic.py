"""EMOTIC (Kosti et al. 2017, 2019): people in context, one record a person.

Each person has a box, some of 26 categories, and valence, arousal and dominance from 1 to 10. The label is the valence
in three classes as the group system cut it: below 5 negative, below 8 neutral, else positive. Two forms: the authors'
`Annotations.mat` (a MATLAB file, read with scipy) and the CSV files that are commonly made from it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.archive import Archive
from emolens.data.base import SPLITS, Count, DataReader, Info, Record, Split, absent
from emolens.data.problems import Fault, Problems
from emolens.data.rows import Row, csv_rows, number
from emolens.errors import DataError, MissingExtra
from emolens.taxonomy import GROUP3

CATEGORIES = (
    "Affection", "Anger", "Annoyance", "Anticipation", "Aversion", "Confidence", "Disapproval", "Disconnection",
    "Disquietment", "Doubt/Confusion", "Embarrassment", "Engagement", "Esteem", "Excitement", "Fatigue", "Fear",
    "Happiness", "Pain", "Peace", "Pleasure", "Sadness", "Sensitivity", "Suffering", "Surprise", "Sympathy", "Yearning",
)  # fmt: skip
MATLAB = "Annotations/Annotations.mat"
COLUMNS = ("Folder", "Filename", "BBox", "Categorical_Labels", "Continuous_Labels")
LOW, HIGH = 1.0, 10.0


def valence_class(valence: float) -> str:
    """The class of a valence from 1 to 10: below 5 negative, below 8 neutral, else positive."""
    return "negative" if valence < 5 else "neutral" if valence < 8 else "positive"


def _walk(root: Path, problems: Problems) -> Iterator[Record]:
    archive = Archive(root)
    folder = next((f for f in (root, root / "emotic_pre", root / "Annotations") if (f / "train.csv").is_file()), None)
    if (root / MATLAB).is_file():
        yield from _from_matlab(archive, root / MATLAB, problems)
    elif folder is not None:
        for split in SPLITS:
            if (folder / f"{split}.csv").is_file():
                rows = enumerate(csv_rows(folder / f"{split}.csv", COLUMNS))
                yield from problems.each(rows, partial(_from_row, archive, split))
    else:
        raise absent(INFO, root, f"{MATLAB} or train.csv")


def _from_row(archive: Archive, split: Split, numbered: tuple[int, Row]) -> Record:
    number, row = numbered
    return _record(
        archive,
        f"{split}-{number:05d}",
        split,
        row.where,
        name=f"{row.text('Folder')}/{row.text('Filename')}",
        box=_literal(row, "BBox"),
        categories=_literal(row, "Categorical_Labels"),
        affect=_literal(row, "Continuous_Labels"),
        about={"gender": row.maybe("Gender") or "", "age": row.maybe("Age") or ""},
    )


def _literal(row: Row, column: str) -> list[Any]:
    """A list as Python prints it; only literals are read."""
    text = row.text(column)
    try:
        value = ast.literal_eval(text.replace("nan", "None"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise Fault("row", row.where, f"{column} is {text!r}, needs a list such as [1, 2]")
    return value


def _from_matlab(archive: Archive, path: Path, problems: Problems) -> Iterator[Record]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtra(f"reading {path.name}", "evaluate") from None
    try:
        content = loadmat(path, simplify_cells=True)
    except Exception as error:  # a broken MATLAB file raises anything from OSError to zlib.error
        raise DataError(f"{path}: not a readable MATLAB file ({error})") from None
    for split in SPLITS:
        people = [
            (f"{path}, {split} {at}, person {index}", picture, person)
            for at, picture in enumerate(_as_list(content.get(split)))
            for index, person in enumerate(_as_list(picture.get("person")))
        ]
        yield from problems.each(enumerate(people), partial(_from_struct, archive, split))


def _as_list(value: Any) -> list[Any]:
    """MATLAB knows no difference between one thing and a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]


def _from_struct(
    archive: Archive, split: Split, numbered: tuple[int, tuple[str, Mapping[str, Any], Mapping[str, Any]]]
) -> Record:
    number, (where, picture, person) = numbered
    try:
        combined = "combined_categories" in person  # val and test: several people judged, and were combined
        categories = person["combined_categories" if combined else "annotations_categories"]
        affect = person["combined_continuous" if combined else "annotations_continuous"]
        return _record(
            archive,
            f"{split}-{number:05d}",
            split,
            where,
            name=f"{picture['folder']}/{picture['filename']}",
            box=_as_list(person["body_bbox"]),
            categories=_as_list(categories["categories"] if isinstance(categories, Mapping) else categories),
            affect=[affect[key] for key in ("valence", "arousal", "dominance")],
            about={"gender": str(person.get("gender", "")), "age": str(person.get("age", ""))},
        )
    except (KeyError, TypeError, IndexError) as error:
        raise Fault("row", where, f"is not a person as EMOTIC describes one: {error!r}") from None


def _record(
    archive: Archive,
    record_id: str,
    split: Split,
    where: str,
    name: str,
    box: list[Any],
    categories: list[Any],
    affect: list[Any],
    about: dict[str, str],
) -> Record:
    unknown = [c for c in categories if c not in CATEGORIES]
    if unknown:
        raise Fault("label", where, f"categories {unknown} are none of EMOTIC's 26")
    if len(box) != 4 or len(affect) != 3:
        raise Fault("row", where, f"box {box}, valence, arousal and dominance {affect}: needs 4 numbers and 3")
    valence, arousal, dominance = (_affect(value, where) for value in affect)
    prefix = "emotic/" if (archive.root / "emotic").is_dir() else ""
    return Record(
        id=record_id,
        split=split,
        picture=archive.file(prefix + name, where),
        taxonomy=GROUP3,
        label=None if valence is None else valence_class(valence),
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        boxes=np.array([[number(str(side), "a side of the box", where, kind="box") for side in box]], np.float32),
        categories=tuple(str(c) for c in categories),
        source=where,
        attributes={key: value.lower() for key, value in about.items() if value},
    )


def _affect(value: Any, where: str) -> float | None:
    """A number from 1 to 10; None where nobody gave one (NaN)."""
    if value is None or str(value).lower() == "nan":
        return None
    return number(str(value), "valence, arousal or dominance", where, LOW, HIGH)


INFO = Info(
    name="emotic",
    title="EMOTIC",
    citation="R. Kosti, J. M. Alvarez, A. Recasens, A. Lapedriza. Context Based Emotion Recognition using EMOTIC "
    "Dataset. IEEE Transactions on Pattern Analysis and Machine Intelligence, 2019.",
    terms="For research that is not commercial, under the authors' request form; pictures have their own terms.",
    obtain="ask its authors (Universitat Oberta de Catalunya) for access and unpack the pictures and the annotations "
    "into one folder: emotic and Annotations",
    layout="emotic/{ade20k,emodb_small,framesdb,mscoco}/... and Annotations/Annotations.mat; or train.csv, val.csv, "
    "test.csv (Folder, Filename, BBox, Categorical_Labels, Continuous_Labels, Gender, Age)",
    taxonomy=GROUP3,
    task="group",
    counts=(Count(34320, source="Kosti et al. 2019: people in 23,571 pictures"),),
    scales={"valence": (LOW, HIGH), "arousal": (LOW, HIGH), "dominance": (LOW, HIGH)},
)
READERS = {"emotic": DataReader(INFO, _walk)}
