"""FER2013 (Goodfellow et al. 2013) and its crowd-sourced labels FER+ (Barsoum et al. 2016).

35,887 grey faces of 48 x 48 pixels in three official parts: Training, PublicTest (our `val`), PrivateTest (our `test`).
FER+ has ten votes for each picture, over eight expressions, "unknown" and "not a face". Four incompatible subsets of it
are in use; every result must name its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emolens.data.base import SPLITS, Count, DataReader, Info, Option, Record, absent
from emolens.data.fer2013_files import ARCHIVES, FEWEST, MOST, SIDE, USAGES, VOTES_FILE, Fer2013, find, load
from emolens.data.ferplus_votes import SUBSETS, VOTE_COLUMNS, distributions, in_subset
from emolens.data.labelled import LabelledFaces
from emolens.data.problems import Fault, Problems
from emolens.errors import DataError, UnknownName
from emolens.taxonomy import FER2013, FERPLUS

__all__ = [
    "READERS",
    "SPLITS",
    "SUBSETS",
    "in_subset",
    "read_ferplus",
]

JUDGED = ("argmax", "majority")
"""The two subsets that published results use."""


def read_ferplus(root: Path, split: str, subset: str = "argmax") -> LabelledFaces:
    """One split of FER+ with vote distributions over the eight expressions, in the official row order.

    Raises `DataError` where the archive is missing or broken, `UnknownName` for an unknown split or subset.
    """
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    archive, votes, names = _with_votes(root, Problems())
    mask = (archive.usage == SPLITS.index(split)) & in_subset(votes, names != "", subset)
    ids = np.array([row_id(row) for row in archive.rows[mask]])
    return LabelledFaces(ids, archive.images[mask], distributions(votes[mask], subset), FERPLUS, split)


def row_id(row: int) -> str:
    """The id of a row of the archive, in the official order from 0: four of the names in FER+ occur twice."""
    return f"fer2013-{row:05d}"


def _archive(info: Info, root: Path, problems: Problems) -> Fer2013:
    path = find(root)
    if path is None:
        raise absent(info, root, " or ".join(ARCHIVES))
    return load(path, problems)


def _with_votes(root: Path, problems: Problems) -> tuple[Fer2013, np.ndarray, np.ndarray]:
    archive = _archive(FERPLUS_INFO, root, problems)
    if archive.votes is None or archive.names is None:
        raise DataError(f"{archive.source.with_name(VOTES_FILE)} is not there; {FERPLUS_INFO.obtain}")
    return archive, archive.votes, archive.names


def _walk_fer2013(root: Path, problems: Problems) -> Iterator[Record]:
    archive = _archive(FER2013_INFO, root, problems)
    yield from problems.each(range(len(archive.rows)), lambda at: _fer2013_record(archive, at))


def _fer2013_record(archive: Fer2013, at: int) -> Record:
    label, usage, where = int(archive.labels[at]), int(archive.usage[at]), _where(archive, at)
    if not 0 <= label < len(FER2013):
        raise Fault("label", where, f"label {label}; allowed: 0 to {len(FER2013) - 1} for {', '.join(FER2013.classes)}")
    return Record(
        id=row_id(archive.rows[at]),
        split=SPLITS[usage],
        picture=archive.images[at],
        taxonomy=FER2013,
        label=FER2013.classes[label],
        source=where,
        attributes={"usage": USAGES[usage]},
    )


def _walk_ferplus(root: Path, problems: Problems, subset: str) -> Iterator[Record]:
    archive, votes, names = _with_votes(root, problems)
    member = in_subset(votes, names != "", subset)
    problems.leave_out(f"not in the subset {subset}", int((~member).sum()))
    targets = np.zeros((len(votes), len(FERPLUS)), np.float32)
    targets[member] = distributions(votes[member], subset)
    rows = np.flatnonzero(member).tolist()
    yield from problems.each(rows, lambda at: _ferplus_record(archive, at, votes[at], targets[at], str(names[at])))


def _ferplus_record(archive: Fer2013, at: int, votes: np.ndarray, target: np.ndarray, name: str) -> Record:
    where = _where(archive, at)
    if not FEWEST <= int(votes.sum()) <= MOST:
        raise Fault("distribution", where, f"{int(votes.sum())} votes, needs {MOST} (one row has {FEWEST})")
    return Record(
        id=row_id(archive.rows[at]),
        split=SPLITS[int(archive.usage[at])],
        picture=archive.images[at],
        taxonomy=FERPLUS,
        label=FERPLUS.classes[int(target.argmax())],
        distribution=target,
        votes=votes.astype(np.float32),
        source=where,
        attributes={"ferplus_name": name},
    )


def _where(archive: Fer2013, at: int) -> str:
    return f"{archive.source}, row {archive.rows[at]}"


_PARTS = ((28709, 3995, 436, 4097, 7215, 4830, 3171, 4965), (3589, 467, 56, 496, 895, 653, 415, 607),
          (3589, 491, 55, 528, 879, 594, 416, 626))  # fmt: skip
_SUBSET_COUNTS = {
    "argmax": (28389, 3553, 3546),
    "majority": (25060, 3199, 3153),
    "crossentropy": (27956, 3505, 3505),
    "multi-target": (27671, 3472, 3472),
}
_OBTAIN = (
    "get fer2013.csv or icml_face_data.csv from the Kaggle challenge 'Challenges in Representation Learning: Facial "
    "Expression Recognition' after accepting its rules"
)

FER2013_INFO = Info(
    name="fer2013",
    title="FER2013",
    citation="I. Goodfellow et al. Challenges in Representation Learning: A report on three machine learning contests. "
    "ICONIP 2013, arXiv:1307.0414.",
    terms="No licence is stated for the pictures, which a web search found; for research, cite the paper.",
    obtain=_OBTAIN,
    layout="fer2013.csv (emotion, pixels, Usage), icml_face_data.csv (the same with blanks in its column names), or "
    "fer2013_ferplus.npz with both data sets",
    taxonomy=FER2013,
    task="expression",
    counts=tuple(
        Count(n, split, label, source="the challenge's file")
        for split, part in zip(SPLITS, _PARTS, strict=True)
        for n, label in zip(part, ("", *FER2013.classes), strict=True)
    ),
    size=(SIDE, SIDE),
)
FERPLUS_INFO = Info(
    name="ferplus",
    title="FER+",
    citation="E. Barsoum, C. Zhang, C. Canton Ferrer, Z. Zhang. Training Deep Networks for Facial Expression "
    "Recognition with Crowd-Sourced Label Distribution. ICMI 2016, arXiv:1608.01041.",
    terms="Votes: MIT (Microsoft). Pictures: those of FER2013, no licence stated.",
    obtain=f"get fer2013new.csv from the authors' FERPlus repository, and beside it the pictures: {_OBTAIN}",
    layout="fer2013new.csv beside fer2013.csv or icml_face_data.csv, rows in the same order; or fer2013_ferplus.npz",
    taxonomy=FERPLUS,
    task="expression",
    counts=tuple(
        Count(n, split, when={"subset": subset}, source="the authors' rules on the published file")
        for subset, parts in _SUBSET_COUNTS.items()
        for split, n in zip(SPLITS, parts, strict=True)
    ),
    size=(SIDE, SIDE),
    vote_columns=VOTE_COLUMNS,
)

READERS = {
    "fer2013": DataReader(FER2013_INFO, _walk_fer2013),
    "ferplus": DataReader(
        FERPLUS_INFO,
        _walk_ferplus,
        (Option("subset", "argmax", "which of the four published subsets; every result must name its own", SUBSETS),),
    ),
}
