"""What SOURCE means to a preparation: photos, folders, patterns, a data set or a table, as pictures with ids."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emolens.data.archive import Archive
from emolens.data.base import OptionValue, Record
from emolens.data.manifest import is_prepared
from emolens.data.prepared import read_prepared
from emolens.data.problems import Problems
from emolens.data.registry import reader
from emolens.data.rows import csv_rows
from emolens.data.table import SPLIT_NAMES
from emolens.errors import DataError, OptionError, OutputError
from emolens.pictures.sources import expand, is_remote, read_source, source_name

TABLES = (".csv", ".parquet")
CLASSES = ("Negative", "Neutral", "Positive")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One picture to prepare: `id` is stable and unique, `split` and `label` are empty where the source has none."""

    id: str
    picture: Any
    split: str = ""
    label: str = ""
    source: str = ""


def wanted_pictures(
    sources: Sequence[str], data: str | None = None, problems: Problems | None = None, **options: OptionValue
) -> list[Wanted]:
    """The pictures that `sources` stand for, in their order.

    `data` names the reader of a data set whose archive the one source is. Without it a prepared data set, a table
    (.csv, .parquet), a GAF folder and a Group-and-Scene folder are known by what lies in them; all else is photos,
    folders and patterns, whose ids are their paths below the folder they share.

    Raises `DataError` where an archive is not as it should be (a class folder is missing) or holds no picture,
    `UnknownName` for a data set, `OptionError` for several sources of a data set, `InputError` where no path leads to a
    picture.
    """
    found = list(_records(sources, data, problems or Problems(), options))
    if not found:
        raise DataError(f"{', '.join(sources)}: no picture in it; give photos, or the folder of a data set")
    return found


def _records(
    sources: Sequence[str], data: str | None, problems: Problems, options: dict[str, OptionValue]
) -> Iterator[Wanted]:
    root = Path(sources[0])
    name = data or (known_set(root) if len(sources) == 1 else None)
    if name is None:
        if options:
            raise OptionError(f"--set {next(iter(options))}=... goes with a data set; name it with --data")
        return _photos(sources)
    if len(sources) > 1:
        raise OptionError(f"--data {name} takes one source, its archive; {len(sources)} were given")
    if name == "table" and data is None and root.suffix.lower() == ".csv" and not _labelled(root):
        return _listed(root)
    records = read_prepared(root) if name == "prepared" else reader(name).read(root, problems, **options)
    return (_of_record(record) for record in records)


def check_apart(out: Path, sources: Sequence[str]) -> None:
    """Raises `OutputError` where `out` lies in a source: what is drawn there would be taken for one of its pictures."""
    for source in sources:
        if Path(source).is_dir() and out.resolve().is_relative_to(Path(source).resolve()):
            raise OutputError(f"{out}: lies in {source}, to which it would add pictures; choose a folder outside")


def known_set(root: Path) -> str | None:
    """The data set that a path holds by what lies in it, `prepared`, or None for photos."""
    if root.is_file():
        return "table" if root.suffix.lower() in TABLES else None
    if is_prepared(root):
        return "prepared"
    homes = [root, root / "emotiw", root / "Dataset" / "emotiw", root / "Faces", root / "NoFaces"]
    present = {name for home in homes for part in ("train", "val") for name in CLASSES if (home / part / name).is_dir()}
    if not present:
        return None
    # Group and Scene has two classes: a GAF folder of which Neutral is missing everywhere cannot be told from it.
    return "gaf" if "Neutral" in present else "groupscene"


def _of_record(record: Record) -> Wanted:
    return Wanted(record.id, record.picture, record.split, record.label or "", record.where)


def _labelled(path: Path) -> bool:
    first = next(csv_rows(path, ()), None)
    return first is not None and any(name == "label" or name.startswith("p_") for name in first.fields)


def _listed(path: Path) -> Iterator[Wanted]:
    """The pictures of a table without labels, as `emolens frames` writes one: `path`, and `id` and `split` if there."""
    archive = Archive(path.parent)
    for row in csv_rows(path, ("path",)):
        name, split = row.text("path"), (row.maybe("split") or "").lower()
        if split and split not in SPLIT_NAMES:
            raise DataError(f"{row.where}: split is {split!r}; allowed: train, val, test")
        yield Wanted(row.maybe("id") or name, archive.file(name, row.where), SPLIT_NAMES.get(split, ""), "", row.where)


def _photos(sources: Iterable[str]) -> Iterator[Wanted]:
    paths = list(expand(sources))
    if paths and all(_is_nothing(path) for path in paths):
        read_source(paths[0])  # raises, and says what is wrong with it
    files = [os.path.abspath(path) for path in paths if _is_file(path)]  # noqa: PTH100
    shared = os.path.commonpath([os.path.dirname(path) for path in files]) if files else ""  # noqa: PTH120
    for path in paths:
        name = source_name(Path(os.path.relpath(path, shared)).as_posix() if _is_file(path) else path)
        yield Wanted(name, path, source=source_name(path))


def _is_nothing(source: str) -> bool:
    """What `expand` leaves as it is: a path that is not there, a folder without a picture."""
    return not is_remote(source) and (not Path(source).exists() or Path(source).is_dir())


def _is_file(source: str) -> bool:
    return Path(source).exists()
