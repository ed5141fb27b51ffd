"""What an audit looks at: one entry a row, from lists, folders, records or prepared sets, with no picture opened."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emolens.data.archive import Archive
from emolens.data.base import Picture, Record
from emolens.data.lists import path_facts
from emolens.data.problems import Problems
from emolens.data.rows import Row, csv_rows, lines
from emolens.data.table import SPLIT_NAMES
from emolens.errors import DataError
from emolens.pictures.sources import SUFFIXES

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "image_path", "img_path", "file", "filename", "image", "subDirectory_filePath"),
    "label": ("label", "emotion", "expression", "class"),
    "subject": ("subject", "person", "participant"),
    "sequence": ("sequence", "video", "clip"),
    "group": ("group", "cluster"),
    "split": ("split", "partition", "usage", "Usage"),
}
"""What a column of a list may be called, the best name first."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Entry:
    """One row of one split.

    `path` says which row it is: a path, or the id of a record that has no file of its own. `where` names the list and
    line. `region` sets several people in one picture apart. `sequence` is an image sequence or a video. `official` is
    the official part, train or test, that the file's name states. `collection` is the folder above the class folder.
    """

    path: str
    split: str
    label: str | None = None
    where: str = ""
    picture: Picture | None = None
    region: str = ""
    subject: str | None = None
    sequence: str | None = None
    group: str | None = None
    official: str | None = None
    collection: str = ""

    def __str__(self) -> str:
        return self.path if self.where in ("", self.path) else f"{self.path} ({self.where})"

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return PurePosixPath(self.path).name


def of_record(record: Record, split: str = "") -> Entry:
    """The entry of a record; `split` overrides the record's own."""
    path = record.picture.as_posix() if isinstance(record.picture, Path) else record.id
    return named(
        path,
        split or record.split,
        record.label,
        record.where,
        record.picture,
        region="" if record.boxes is None else str(record.boxes.tolist()),
        subject=record.subject,
        sequence=record.sequence,
        group=record.group,
    )


def read_list(
    path: Path, split: str = "", root: Path | None = None, problems: Problems | None = None
) -> Iterator[Entry]:
    """The entries of a list: CSV with a header (see `COLUMNS`), or text with one path a line.

    An empty `split` means the column `split`, else the list's name: `valid.csv` is `val`.
    Without `root` the names alone are audited. With it, each path must be below it and there: else a `Fault` of kind
    `path` or `missing` that names file and row. Raises `DataError` for a CSV file without a path column.
    """
    archive = Archive(root) if root else None
    if path.suffix.lower() == ".csv":
        names = _columns(path)
        rows: Iterable[Row] = csv_rows(path, [names["path"]])
    else:
        names = {"path": "path"}
        rows = (Row(where, {"path": text}) for where, text in lines(path))
    problems = problems if problems is not None else Problems()
    yield from problems.each(rows, lambda row: _listed(row, names, split, path.stem, archive))


def _columns(path: Path) -> dict[str, str]:
    """Meaning -> name of a column in this file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            found = [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from None
    chosen = {what: next((n for n in names if n in found), "") for what, names in COLUMNS.items()}
    if not chosen["path"]:
        allowed = ", ".join(COLUMNS["path"])
        raise DataError(f"{path}: no column with paths, found {found}; name it one of {allowed}")
    return {what: name for what, name in chosen.items() if name}


def _listed(row: Row, names: Mapping[str, str], split: str, stem: str, archive: Archive | None) -> Entry:
    given = {what: row.maybe(name) for what, name in names.items()}
    path = row.text(names["path"])
    file = archive.file(path, row.where) if archive else None
    return named(
        posixpath.normpath(path.replace("\\", "/")) if file is None else file.as_posix(),
        split or usual_split(given.get("split") or stem),
        given.get("label"),
        row.where,
        file,
        subject=given.get("subject"),
        sequence=given.get("sequence"),
        group=given.get("group"),
    )


def usual_split(name: str) -> str:
    """`train`, `val` or `test` for their usual names (`Training`, `valid`), any other name as it is."""
    return SPLIT_NAMES.get(name.lower(), name)


def read_folder(folder: Path, split: str = "", problems: Problems | None = None) -> Iterator[Entry]:
    """The entries of the pictures in and below a folder; the folder a picture lies in is its class.

    An empty `split` means the topmost folder below where that is a usual name of one, else the folder's own name.
    Raises `DataError` where there is no picture.
    """
    archive = Archive(folder)
    problems = problems if problems is not None else Problems()
    empty = True
    for name in archive.pictures("", problems):
        empty = False
        path = folder / name
        top = name.split("/")[0]
        of = split or usual_split(top if top.lower() in SPLIT_NAMES else folder.resolve().name)
        yield named(path.as_posix(), of, path.parent.name, str(path), path)
    if empty:
        raise DataError(f"{folder}: no picture in or below it; allowed: {', '.join(sorted(SUFFIXES))}")


def named(
    path: str,
    split: str,
    label: str | None,
    where: str,
    picture: Picture | None,
    *,
    region: str = "",
    subject: str | None = None,
    sequence: str | None = None,
    group: str | None = None,
) -> Entry:
    """An entry with what its file's name tells as well: subject and sequence of CK+, the official part of RAF-DB."""
    facts = path_facts(path)
    return Entry(
        path=path,
        split=split,
        label=label,
        where=where,
        picture=picture,
        region=region,
        subject=subject or facts.subject,
        sequence=sequence or facts.sequence,
        group=group,
        official=facts.official_split,
        collection=posixpath.dirname(posixpath.dirname(path)),
    )
