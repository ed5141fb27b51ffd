"""Prepared data as arrays of faces, for training and judging: the rows and their order are those of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from emolens.data.base import OptionValue
from emolens.data.fer2013 import JUDGED
from emolens.data.ferplus_votes import distributions, in_subset
from emolens.data.given import prepared_folder
from emolens.data.labelled import LabelledFaces
from emolens.data.manifest import read_manifest
from emolens.data.prepare import Progress
from emolens.data.prepared import Prepared, open_prepared


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
    return _faces(open_prepared(folder, split, ram=True), grey, size)


def judged_faces(data: Path, split: str, progress: Progress | None = None) -> dict[str, LabelledFaces]:
    """The rows that results are reported on, by a name that says which: both subsets, and of `test` also without the
    rows whose exact pixels the model may have seen.

    Every row with a majority has the same top vote, so the prepared argmax subset holds both.
    """
    prepared = open_prepared(prepared_folder(data, "ferplus", progress, subset="argmax"), split, ram=True)
    faces = _faces(prepared)
    return {
        name: replace(faces.keep(member), targets=targets) for name, (member, targets) in judged_rows(prepared).items()
    }


def judged_rows(prepared: Prepared) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each of the subsets of `judged_faces` which rows of prepared argmax FER+ are in it, (N,) bool, and their
    targets, float32 (n, K).
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
