"""The files of FER2013 and FER+ as arrays: the npz of both, the two published CSV files, and fer2013new.csv."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emolens.data.ferplus_votes import VOTE_COLUMNS
from emolens.data.problems import Fault, Problems
from emolens.data.rows import Row, csv_rows
from emolens.errors import DataError
from emolens.taxonomy import FER2013

SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
"""The official parts in the order of their codes 0, 1, 2; for us `train`, `val`, `test`."""
ARCHIVES = ("fer2013_ferplus.npz", "fer2013.csv", "icml_face_data.csv")
VOTES_FILE = "fer2013new.csv"
VOTES_HEADER = (*VOTE_COLUMNS[:8], "unknown", "NF")
NPZ: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "images": (np.integer, (SIDE, SIDE)),
    "usage": (np.integer, ()),
    "fer_label": (np.integer, ()),
    "ferplus_votes": (np.integer, (len(VOTE_COLUMNS),)),
    "ferplus_name": (np.str_, ()),
}
"""Array of the npz -> what it holds, and its shape behind the number of rows."""
FEWEST, MOST = 9, 10  # one row of the published file has nine votes, all others ten


@dataclass(frozen=True, slots=True, eq=False)
class Fer2013:
    """All rows in the official order.

    `rows` (N,) official row numbers from 0; `images` uint8 (N, 48, 48); `labels` and `usage` uint8 (N,); `votes` uint8
    (N, 10) and `names` (N,) str from FER+, None without it; "" is the name of a row that FER+ calls no face.
    """

    source: Path
    rows: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    votes: np.ndarray | None
    names: np.ndarray | None


def find(root: Path) -> Path | None:
    """The archive in a folder (the npz first), or the archive itself; None where there is none."""
    if root.is_file():
        return root
    return next((path for name in ARCHIVES for path in sorted(root.rglob(name))), None)


def load(path: Path, problems: Problems) -> Fer2013:
    """An archive, with FER+ from inside it or from `fer2013new.csv` beside it. Raises `DataError`."""
    if path.suffix == ".npz":
        return _load_npz(path)
    rows, images, labels, usage = [], [], [], []
    read = problems.each(enumerate(csv_rows(path, ("emotion", "pixels", "Usage"))), _row)
    for row, image, label, part in read:
        rows.append(row)
        images.append(image)
        labels.append(label)
        usage.append(part)
    if not rows:
        raise DataError(f"{path}: holds no readable row; get the file again")
    numbers, parts = np.array(rows), np.array(usage, np.uint8)
    votes, names = _load_votes(path.with_name(VOTES_FILE), numbers, parts)
    faces = np.stack(images).reshape(-1, SIDE, SIDE)
    return Fer2013(path, numbers, faces, np.array(labels, np.uint8), parts, votes, names)


def _row(numbered: tuple[int, Row]) -> tuple[int, np.ndarray, int, int]:
    number, row = numbered
    label = FER2013.classes.index(row.code("emotion", FER2013.classes))
    usage = row.text("Usage")
    if usage not in USAGES:
        raise Fault("row", row.where, f"Usage is {usage!r}; allowed: {', '.join(USAGES)}")
    return number, _pixels(row), label, USAGES.index(usage)


def _pixels(row: Row) -> np.ndarray:
    """uint8 (48 * 48,). NumPy reads numbers from text six times as fast as `int` and `split`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is not a number is a warning to some versions of NumPy
        try:
            levels = np.fromstring(row.text("pixels"), dtype=np.int64, sep=" ")
        except (ValueError, DeprecationWarning):
            levels = np.array([-1])
    if levels.size and not (levels.min() >= 0 and levels.max() <= 255):
        raise Fault("unreadable", row.where, "pixels are not all whole numbers from 0 to 255")
    if len(levels) != SIDE * SIDE:
        raise Fault("size", row.where, f"{len(levels)} pixels, needs {SIDE} x {SIDE} = {SIDE * SIDE}")
    return levels.astype(np.uint8)


def _load_votes(path: Path, rows: np.ndarray, usage: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """FER+ names no row by number: its rows are those of FER2013 in the same order, which the parts confirm."""
    if not path.is_file():
        return None, None
    read = list(csv_rows(path, ("Usage", "Image name", *VOTES_HEADER)))
    if len(read) <= int(rows[-1]):
        raise DataError(f"{path}: {len(read)} rows, the archive beside it has {int(rows[-1]) + 1}; get both again")
    chosen = [read[row] for row in rows]
    for row, part in zip(chosen, usage, strict=True):
        if row.maybe("Usage") != USAGES[part]:
            raise DataError(f"{row.where}: Usage is {row.maybe('Usage')!r}, the archive says {USAGES[part]!r}")
    votes = [[_vote(row, column) for column in VOTES_HEADER] for row in chosen]
    return np.array(votes, np.uint8), np.array([row.maybe("Image name") or "" for row in chosen])


def _vote(row: Row, column: str) -> int:
    votes = row.number(column, 0, MOST)
    if votes != int(votes):
        raise Fault("distribution", row.where, f"{column} is {votes:g}; votes are whole numbers from 0 to {MOST}")
    return int(votes)


def _load_npz(path: Path) -> Fer2013:
    needed = ("images", "usage", "ferplus_votes", "ferplus_name")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in needed if key not in archive.files]
            if missing:
                raise DataError(f"{path}: arrays {missing} are missing; found {archive.files}")
            found = {key: archive[key] for key in (*needed, "fer_label") if key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable npz archive ({error})") from None
    count = found["images"].shape[0] if found["images"].ndim else 0
    # Labels came to this form later; FER+ alone can be read without them.
    labels = found.setdefault("fer_label", np.full(count, 255, np.uint8))
    for key, (kind, shape) in NPZ.items():
        if not np.issubdtype(found[key].dtype, kind) or found[key].shape != (count, *shape):
            what = f"array {key} is {found[key].dtype} {found[key].shape}, needs {kind.__name__} {(count, *shape)}"
            raise DataError(f"{path}: {what}; get the file again")
    for key, most in (("images", 255), ("usage", len(USAGES) - 1), ("ferplus_votes", MOST)):
        if count and not 0 <= int(found[key].min()) <= int(found[key].max()) <= most:
            raise DataError(f"{path}: {key} holds {found[key].min()} to {found[key].max()}; allowed: 0 to {most}")
    images, names = found["images"].astype(np.uint8, copy=False), found["ferplus_name"]
    return Fer2013(path, np.arange(count), images, labels, found["usage"], found["ferplus_votes"], names)
