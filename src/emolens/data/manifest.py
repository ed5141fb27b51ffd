"""What a prepared folder holds, in `emolens.json`; and what an archive is known by."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emolens.data.archive import Archive
from emolens.errors import DataError, LabelError
from emolens.files import replacing
from emolens.pictures.sources import SUFFIXES
from emolens.places import sha256
from emolens.taxonomy import Taxonomy

FORMAT = 1
"""Raised when a prepared folder of an older emolens must be made anew."""
MANIFEST = "emolens.json"
"""Written last: a folder with it is whole."""
UNFINISHED = "unfinished.json"
"""The manifest of a folder that is not whole yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file: its name below the folder, its rows, its digest."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A prepared folder. `about` is the data set in JSON's terms; `archive` is the digest of what it was made from.

    `splits`: split -> parts, in the order of the rows. `moved_to_val` counts rows cut from `train`. `left_out` and
    `faults` count the rows that are not in it, by reason; `examples` are messages.
    """

    about: Mapping[str, Any]
    archive: str
    splits: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    moved_to_val: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, list[str]] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes, in the order of the distributions."""
        return Taxonomy(self.about["taxonomy"], tuple(self.about["classes"]))

    @property
    def digest(self) -> str:
        """What this folder's content is known by, 12 hex digits."""
        return hashlib.sha256(self._text().encode()).hexdigest()[:12]

    def rows(self, split: str) -> int:
        """Rows of one split, 0 for one that is not there."""
        return sum(part.rows for part in self.splits.get(split, ()))

    def write(self, path: Path) -> None:
        """Write it whole or not at all. Raises `OutputError`."""
        with replacing(path) as draft:
            draft.write_text(self._text(), encoding="utf-8")

    def _text(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path, name: str = MANIFEST) -> Manifest:
    """The manifest of a prepared folder. Raises `DataError` where there is none that can be used."""
    path = folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise DataError(f"{path}: format {content['format']}, this emolens reads {FORMAT}; prepare the set again")
        splits = {split: tuple(Part(**part) for part in parts) for split, parts in content.pop("splits").items()}
        found = Manifest(splits=splits, **content)
        _ = found.taxonomy, found.about["name"], found.about["title"], dict(found.about["options"])
        return found
    except FileNotFoundError:
        raise DataError(
            f"{folder}: not a prepared data set, no {name}; run 'emolens data prepare NAME ROOT --out DIR'"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, LabelError) as error:
        raise DataError(f"{path}: not a readable manifest ({error}); prepare the set again") from None


def part_path(folder: Path, part: Part) -> Path:
    """Where a part of a prepared folder lies. Raises `DataError` where it is not there, or has other bytes."""
    path = Archive(folder).file(part.file, str(folder / MANIFEST))
    try:
        same = sha256(path) == part.sha256
    except OSError as error:
        raise DataError(f"{path}: not a readable part ({error}); make it readable for this user") from None
    if not same:
        raise DataError(f"{path}: not a readable part (not the bytes that {MANIFEST} names); remove {folder} and "
                        "prepare the set again")  # fmt: skip
    return path


def is_prepared(folder: Path) -> bool:
    """Whether a folder is a prepared data set, and whole."""
    return (folder / MANIFEST).is_file()


def archive_digest(root: Path) -> str:
    """What an archive is known by: the names of its files, the sizes of its pictures, the bytes of all others.

    So a changed label is noticed, and two copies of an archive are one. Of a file, those CSV files count that lie
    beside it.
    """
    lines = ((name, sha256(path) if path.suffix.lower() not in SUFFIXES else path.stat().st_size)
             for name, path in _files(root))  # fmt: skip
    return _digest(lines)


def archive_stamp(root: Path) -> str:
    """What an archive is known by on this machine: names, sizes and times of its files. No file is opened."""
    return _digest((name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in _files(root))


def _digest(lines: Iterable[tuple[object, ...]]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update("\0".join(map(str, line)).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """The name below the root, or beside it where it is a file, and the path of each file that counts; in one order."""
    for path in _paths(root):
        yield path.relative_to(root if root.is_dir() else root.parent).as_posix(), path


def _paths(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield from sorted({root, *root.parent.glob("*.csv")})
        return
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path
