"""Who learns, who decides and who judges in a set that is part of a set of sets: the protocol that its source broke.

The project that joined CK+, RAF-DB and a repack of AffectNet shared 76.5 % of its validation rows with training, let
all subjects of CK+ into both, and mixed the official parts of RAF-DB.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from emolens.data.manifest import read_manifest
from emolens.data.prepared import open_prepared
from emolens.data.splits import cut_val

ORDER = ("test", "val", "train")
"""A picture that is in several parts stays in the first of these alone."""


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    split: str
    subject: str | None
    sequence: str | None
    digest: str


def corrected_splits(folder: Path) -> dict[str, str]:
    """The split of each row of a prepared set by its id; rows whose bytes are in a part before theirs are left out.

    An official `test` stays. Without one, an official `val` is the test (AffectNet publishes no other), or a tenth of
    `train` is cut off, by subject (CK+) or by the name of the picture (AffectNet as folders). Then `val`, where none
    is left, is cut from `train` alike. The cuts rest on the ids alone.
    """
    manifest = read_manifest(folder)
    rows = [row for split in manifest.splits for row in _rows(folder, split)]
    splits = np.array([row.split for row in rows], dtype="U5")
    if "test" not in splits:
        if "val" in splits and not manifest.moved_to_val:
            splits[splits == "val"] = "test"
        else:
            _cut(rows, splits, "test", seed=1)
    if "val" not in splits:
        _cut(rows, splits, "val", seed=0)
    return _once(rows, splits)


def _rows(folder: Path, split: str) -> list[_Row]:
    prepared = open_prepared(folder, split, ram=True)
    columns = zip(prepared.column("id"), prepared.column("subject"), prepared.column("sequence"), strict=True)
    return [
        _Row(name, split, subject, sequence, hashlib.blake2b(prepared.encoded(at), digest_size=16).hexdigest())
        for at, (name, subject, sequence) in enumerate(columns)
    ]


def _cut(rows: list[_Row], splits: np.ndarray, part: str, seed: int) -> None:
    """Move a tenth of `train` to `part`: subjects, sequences, pictures of one name and equal pictures stay together."""
    places = np.flatnonzero(splits == "train")
    train = [rows[at] for at in places]
    moved = cut_val(
        [row.id for row in train],
        [row.subject for row in train],
        [row.sequence for row in train],
        [PurePosixPath(row.id).name for row in train],
        [row.digest for row in train],
        seed=seed,
    )
    splits[places[moved]] = part


def _once(rows: list[_Row], splits: np.ndarray) -> dict[str, str]:
    kept: dict[str, str] = {}
    before: set[str] = set()
    for part in ORDER:
        there = [row for row, split in zip(rows, splits, strict=True) if split == part and row.digest not in before]
        kept |= {row.id: part for row in there}
        before |= {row.digest for row in there}
    return kept
