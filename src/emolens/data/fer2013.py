"""FER2013 (Goodfellow et al. 2013) and its crowd-sourced labels FER+ (Barsoum et al. 2016).

35,887 grey faces of 48 x 48 pixels in three official parts: Training, PublicTest (our `val`), PrivateTest (our `test`).
FER+ has ten votes for each picture, over eight expressions, "unknown" and "not a face". Four incompatible subsets of it
are in use; every result must name its own.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emolens.errors import DataError, UnknownName
from emolens.taxonomy import FERPLUS, Taxonomy

SPLITS = ("train", "val", "test")
"""Training, PublicTest, PrivateTest: the order of the official usage codes 0, 1, 2."""

SUBSETS = ("argmax", "majority")
"""argmax: the top of the ten columns (first of equals) is an expression. n = 28,389 / 3,553 / 3,546.
majority: the authors' rule: single votes are dropped, and one expression holds more than half of what remains.
n = 25,060 / 3,199 / 3,153."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Pictures of faces with the distribution of their labels.

    `ids` (N,) str; `images` uint8 (N, H, W) grey; `targets` float32 (N, K), each row sums to 1; `split` names the part.
    """

    ids: np.ndarray
    images: np.ndarray
    targets: np.ndarray
    taxonomy: Taxonomy
    split: str

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, mask: np.ndarray) -> LabelledFaces:
        """The rows where `mask` (N,) is true."""
        return LabelledFaces(self.ids[mask], self.images[mask], self.targets[mask], self.taxonomy, self.split)


def find(root: Path) -> Path:
    """The FER+ archive in a folder, or the archive itself. Raises `DataError`."""
    candidates = [root] if root.is_file() else sorted(root.rglob("fer2013_ferplus.npz"))
    if not candidates:
        raise DataError(f"{root}: no fer2013_ferplus.npz there; give the archive or the folder that holds it")
    return candidates[0]


def read_ferplus(root: Path, split: str, subset: str = "argmax") -> LabelledFaces:
    """One split of FER+ with vote distributions over the eight expressions, in the official row order.

    Raises `DataError` where the archive is missing or broken, `UnknownName` for an unknown split or subset.
    """
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    archive = _load(find(root))
    votes = archive["ferplus_votes"]
    mask = (archive["usage"] == SPLITS.index(split)) & in_subset(votes, archive["ferplus_name"] != "", subset)
    emotions = votes[mask, : len(FERPLUS)].astype(np.float32)
    if subset == "majority":
        emotions[emotions <= 1] = 0
    targets = emotions / emotions.sum(axis=1, keepdims=True)
    return LabelledFaces(archive["ferplus_name"][mask], archive["images"][mask], targets, FERPLUS, split)


def judged_subsets(root: Path, split: str) -> dict[str, LabelledFaces]:
    """The rows that results are reported on, by a name that says which: both subsets, and of `test` also without the
    rows whose exact pixels the model may have seen.
    """
    judged = {f"FER+ {split}, {subset}": read_ferplus(root, split, subset) for subset in SUBSETS}
    if split == "test":
        seen = np.array(sorted(repeated_pixels(root)))
        for name, faces in list(judged.items()):
            judged[f"{name}, no pixel copies"] = faces.keep(~np.isin(faces.ids, seen))
    return judged


def in_subset(votes: np.ndarray, named: np.ndarray, subset: str) -> np.ndarray:
    """Which rows of the votes (N, 10) belong to a subset; `named` (N,) says which rows have a file name in FER+."""
    if subset not in SUBSETS:
        raise UnknownName("FER+ subset", subset, SUBSETS)
    if subset == "majority":
        votes = np.where(votes <= 1, 0, votes)
        decided = votes.max(axis=1) * 2 > votes.sum(axis=1)
    else:
        decided = named
    return np.asarray(decided & (votes.argmax(axis=1) < len(FERPLUS)))


def repeated_pixels(root: Path) -> set[str]:
    """FER+ names of the PrivateTest rows whose exact pixels also occur in Training or PublicTest."""
    archive = _load(find(root))
    test = archive["usage"] == SPLITS.index("test")
    seen = {image.tobytes() for image in archive["images"][~test]}
    copies = [image.tobytes() in seen for image in archive["images"][test]]
    return set(archive["ferplus_name"][test][copies])


def _load(path: Path) -> dict[str, np.ndarray]:
    needed = ("images", "usage", "ferplus_votes", "ferplus_name")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in needed if key not in archive.files]
            if missing:
                raise DataError(f"{path}: arrays {missing} are missing; found {archive.files}")
            return {key: archive[key] for key in needed}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable npz archive ({error})") from None
