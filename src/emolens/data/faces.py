"""Prepared data as arrays of faces, for training and judging: the rows and their order are those of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emolens.data.base import OptionValue
from emolens.data.corrected import corrected_splits
from emolens.data.fer2013 import JUDGED
from emolens.data.ferplus_votes import distributions, in_subset
from emolens.data.given import COMBINED, member_folders, prepared_folder
from emolens.data.labelled import LabelledFaces, joined, stacked
from emolens.data.manifest import read_manifest
from emolens.data.prepare import Progress
from emolens.data.prepared import Prepared, open_prepared
from emolens.taxonomy import EKMAN6


def read_faces(
    data: Path,
    split: str,
    name: str = "ferplus",
    *,
    grey: bool = True,
    size: int | None = None,
    options: Mapping[str, OptionValue] | None = None,
    progress: Progress | None = None,
) -> LabelledFaces:
    """One split of data set `name` from a prepared folder or from the archive, which is prepared into the cache.

    `images` are mapped from disk, not read; with `size` they are `size` pixels square, squeezed where they were not.
    `options` are the reader's. Raises what `prepared_folder` and `open_prepared` raise.
    """
    folder = prepared_folder(data, name, progress, **(options or {}))
    if name in COMBINED:
        members = member_folders(folder, name)
        return joined({member: _dealt(one, split, grey, size) for member, one in members.items()})
    return _faces(open_prepared(folder, split, ram=True), grey, size)


def read_groups(
    data: Path, name: str = "ferplus", options: Mapping[str, OptionValue] | None = None
) -> dict[str, tuple[str | None, ...]]:
    """The subject, sequence and group of each row of a data set by its id: what a split must not tear apart."""
    folder = prepared_folder(data, name, None, **(options or {}))
    if name in COMBINED:
        members = member_folders(folder, name)
        return {f"{member}/{one}": told for member, at in members.items() for one, told in _groups(at).items()}
    return _groups(folder)


def _groups(folder: Path) -> dict[str, tuple[str | None, ...]]:
    found: dict[str, tuple[str | None, ...]] = {}
    for split in read_manifest(folder).splits:
        prepared = open_prepared(folder, split, ram=True)
        told = zip(*(prepared.column(name) for name in ("subject", "sequence", "group")), strict=True)
        found |= dict(zip(prepared.column("id"), told, strict=True))
    return found


def _dealt(folder: Path, split: str, grey: bool, size: int | None) -> LabelledFaces:
    """A split of one member of a set of sets, by the corrected protocol and in its six classes."""
    protocol = corrected_splits(folder)
    parts = []
    for name in read_manifest(folder).splits:
        faces = _faces(open_prepared(folder, name, ram=True), grey, size)
        kept = faces.keep(np.array([protocol.get(one) == split for one in faces.ids], bool))
        parts.append(kept.expressed_in(EKMAN6))
    return stacked(parts, split)


def judged_rows(prepared: Prepared) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The rows that results are reported on, by a name that says which: rows, (N,) bool, and targets, float32 (n, K).

    Both subsets, and of `test` also without the rows whose exact pixels the model may have seen. `prepared` is the
    argmax subset of FER+: every row with a majority has the same top vote, so it holds both.
    """
    votes = np.array(prepared.column("votes"), np.uint8)
    judged = {}
    for subset in JUDGED:
        member = in_subset(votes, np.ones(len(votes), bool), subset)
        judged[f"FER+ {prepared.split}, {subset}"] = (member, distributions(votes[member], subset))
    if prepared.split == "test":
        seen = {image.tobytes() for other in _others(prepared.folder) for image in other.pixels(grey=True)}
        new = np.array([image.tobytes() not in seen for image in prepared.pixels(grey=True)], bool)
        for name, (member, targets) in list(judged.items()):
            judged[f"{name}, no pixel copies"] = (member & new, targets[new[member]])
    return judged


def _others(folder: Path) -> list[Prepared]:
    return [open_prepared(folder, split, ram=True) for split in read_manifest(folder).splits if split != "test"]


def _faces(prepared: Prepared, grey: bool = True, size: int | None = None) -> LabelledFaces:
    return LabelledFaces(
        ids=np.array(prepared.column("id")),
        images=prepared.pixels(grey, size),
        targets=prepared.targets(),
        taxonomy=prepared.taxonomy,
        split=prepared.split,
    )
