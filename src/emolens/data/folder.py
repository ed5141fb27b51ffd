"""Anybody's own data set: a folder with a folder a class, or with `train`, `val`, `test` above them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import DataReader, Info, Option, Record, Split, absent
from emolens.data.problems import Problems
from emolens.data.table import SPLIT_NAMES
from emolens.errors import DataError
from emolens.taxonomy import Taxonomy, canonical, taxonomy


def _walk(root: Path, problems: Problems, classes: str) -> Iterator[Record]:
    if not root.is_dir():
        raise DataError(f"{root}: a file; give a folder with a folder a class, or name the data set 'table'")
    archive = Archive(root)
    places = _places(archive)
    if not places:
        raise absent(INFO, root, "folder a class")
    known = (
        taxonomy(classes) if classes else taxonomy(root.resolve().name, sorted({canonical(c) for _, _, c in places}))
    )
    for split, folder, name in places:
        names = archive.pictures(folder, problems)
        yield from problems.each(names, partial(_record, archive, known, split, canonical(name)))


def _places(archive: Archive) -> list[tuple[Split, str, str]]:
    """Split, folder and class name of every folder of pictures."""
    top = archive.folders()
    parts = [name for name in top if name.lower() in SPLIT_NAMES]
    if not parts:
        return [("train", name, name) for name in top]
    return [(SPLIT_NAMES[part.lower()], f"{part}/{name}", name) for part in parts for name in archive.folders(part)]


def _record(archive: Archive, known: Taxonomy, split: Split, label: str, name: str) -> Record:
    where = str(archive.root / name)
    return Record(id=name, split=split, picture=archive.file(name, where), taxonomy=known, label=label, source=where)


INFO = Info(
    name="folder",
    title="A folder of pictures",
    citation="Your own: cite the pictures' source.",
    terms="Your own: those of the pictures.",
    obtain="put the pictures of each class into a folder that bears its name",
    layout="<class>/<picture>, or {train,val,test}/<class>/<picture>",
    taxonomy=None,
    task="expression",
)
READERS = {
    "folder": DataReader(
        INFO,
        _walk,
        (Option("classes", "", "the name of a known taxonomy; by default the folders' own names"),),
    )
}
