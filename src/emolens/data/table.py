"""Anybody's own data set: a CSV or Parquet table with a row a picture.

Columns: `path` (below the table's folder); `label`, or `p_<class>` for each class; if there, `id`, `split`, `valence`,
`arousal`, `dominance`, `map`, `subject`, `sequence`, `group`. Other columns go into `attributes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.archive import Archive
from emolens.data.base import DataReader, Info, Option, Record, Split, absent
from emolens.data.problems import Fault, Problems
from emolens.data.rows import Row, csv_rows
from emolens.errors import DataError, LabelError, MissingExtra
from emolens.taxonomy import Taxonomy, canonical, taxonomy

SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
KNOWN = frozenset(
    ("path", "label", "id", "split", "valence", "arousal", "dominance", "map", "subject", "sequence", "group")
)


def _walk(root: Path, problems: Problems, classes: str) -> Iterator[Record]:
    path = _find(root)
    columns = _columns(path)
    if "path" not in columns:
        raise DataError(f"{path}: column 'path' is missing; found {columns}")
    probabilities = [name for name in columns if name.startswith("p_")]
    if not probabilities and "label" not in columns:
        raise DataError(f"{path}: neither a column 'label' nor columns 'p_<class>'; found {columns}")
    known = _taxonomy(path, classes, probabilities)
    ordered = _in_order(known, probabilities, path)
    yield from problems.each(_rows(path), partial(_record, Archive(path.parent), known, ordered))


def _find(root: Path) -> Path:
    if root.is_file():
        return root
    found = sorted(p for p in root.iterdir() if p.suffix.lower() in (".csv", ".parquet"))
    if len(found) != 1:
        raise absent(INFO, root, f"single .csv or .parquet file (but {len(found)})")
    return found[0]


def _columns(path: Path) -> list[str]:
    """The names of the columns, from the first row; an empty table has none that matter."""
    first = next(_rows(path), None)
    if first is None:
        raise DataError(f"{path}: holds no row; give one a picture")
    return list(first.fields)


def _rows(path: Path) -> Iterator[Row]:
    return _parquet_rows(path) if path.suffix.lower() == ".parquet" else csv_rows(path, ())


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra(f"reading {path.name}", "tables") from None
    try:
        file, at = pyarrow.parquet.ParquetFile(path), 0
        _check_names(file.schema_arrow, path)
        for batch in file.iter_batches(4096):
            for fields in batch.to_pylist():
                yield Row(f"{path}, row {at}", {key: _text(value) for key, value in fields.items()})
                at += 1
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None


def _check_names(schema: Any, path: Path) -> None:
    """Columns of file names are text: bytes would become names such as "b'a.png'"."""
    for column in (one for one in schema if one.name in ("path", "map")):
        kind = str(getattr(column.type, "value_type", column.type))  # of a dictionary, what its codes stand for
        if kind not in ("string", "large_string", "string_view", "null"):
            raise DataError(
                f"{path}: column {column.name!r} holds {column.type}, needs text; save file names as strings"
            )


def _text(value: object) -> str | None:
    """A cell as text; None where it is empty, as pandas writes it with NaN too."""
    return None if value is None or value != value else str(value)  # NaN alone is not itself


def _taxonomy(path: Path, classes: str, probabilities: list[str]) -> Taxonomy:
    """The one asked for by name, else the classes of the columns in their order, else the labels by alphabet."""
    if classes:
        return taxonomy(classes)
    if probabilities:
        try:
            return taxonomy(path.stem, [name.removeprefix("p_") for name in probabilities])
        except LabelError as error:
            raise DataError(f"{path}: columns {probabilities}: {error}") from None
    found = sorted({canonical(label) for row in _rows(path) if (label := row.maybe("label"))})
    if not found:
        raise DataError(f"{path}: no row has a label; fill the column 'label'")
    return taxonomy(path.stem, found)


def _in_order(known: Taxonomy, probabilities: list[str], path: Path) -> tuple[str, ...]:
    """The columns of probabilities in the order of the taxonomy. Raises `DataError` where they are not its classes."""
    by_class = {canonical(name.removeprefix("p_")): name for name in probabilities}
    if probabilities and set(by_class) != set(known.classes):
        raise DataError(f"{path}: columns {probabilities} are not the classes of {known.name}: {known.classes}")
    return tuple(by_class[name] for name in known.classes) if probabilities else ()


def _record(archive: Archive, known: Taxonomy, probabilities: tuple[str, ...], row: Row) -> Record:
    name, label, map_name = row.text("path"), row.maybe("label"), row.maybe("map")
    split = (row.maybe("split") or "train").lower()
    if split not in SPLIT_NAMES:
        raise Fault("row", row.where, f"split is {split!r}; allowed: train, val, test")
    values = [row.number(column, kind="distribution") for column in probabilities]
    others = {key: value for key in row.fields if key not in KNOWN | set(probabilities) and (value := row.maybe(key))}
    return Record(
        id=row.maybe("id") or name,
        split=SPLIT_NAMES[split],
        picture=archive.file(name, row.where),
        taxonomy=known,
        label=None if label is None else canonical(label),
        distribution=np.array(values, np.float32) if values else None,
        valence=row.maybe_number("valence"),
        arousal=row.maybe_number("arousal"),
        dominance=row.maybe_number("dominance"),
        map=None if map_name is None else archive.file(map_name, row.where),
        subject=row.maybe("subject"),
        sequence=row.maybe("sequence"),
        group=row.maybe("group"),
        source=row.where,
        attributes=others,
    )


INFO = Info(
    name="table",
    title="A table of pictures",
    citation="Your own: cite the pictures' source.",
    terms="Your own: those of the pictures.",
    obtain="make a CSV or Parquet file with a column 'path' and a column 'label' or columns 'p_<class>', in or above "
    "the folder of the pictures",
    layout="a CSV or Parquet file: path, label or p_<class>, and if known id, split, valence, arousal, dominance, map, "
    "subject, sequence, group",
    taxonomy=None,
    task="expression",
)
READERS = {
    "table": DataReader(
        INFO,
        _walk,
        (Option("classes", "", "the name of a known taxonomy; by default the table's own classes"),),
    )
}
