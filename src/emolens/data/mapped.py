"""Whole pictures with their stimuli maps, as arrays: what a net for maps is learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emolens.data.base import SPLITS
from emolens.data.manifest import read_manifest
from emolens.data.pictures import keywords
from emolens.data.prepared import Prepared, open_prepared
from emolens.errors import DataError
from emolens.maps import resized
from emolens.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, eq=False)
class MappedPictures:
    """Pictures with the map of what in them evokes their emotion.

    `ids` (N,) str; `images` uint8 (N, S, S, 3) RGB; `maps` uint8 (N, S, S), 255 is full weight; `emotion` int64 (N,),
    the class of `taxonomy`, -1 where a picture has none; `split` names the part.
    """

    ids: np.ndarray
    images: np.ndarray
    maps: np.ndarray
    emotion: np.ndarray
    taxonomy: Taxonomy
    split: str

    def __len__(self) -> int:
        return len(self.ids)

    def labels(self) -> list[str]:
        """The emotion of each picture by its name, `none` where it has none."""
        return [self.taxonomy.classes[at] if at >= 0 else "none" for at in self.emotion.tolist()]

    def keep(self, rows: np.ndarray) -> MappedPictures:
        """The rows of a mask (N,), or at these places."""
        return replace(
            self, ids=self.ids[rows], images=self.images[rows], maps=self.maps[rows], emotion=self.emotion[rows]
        )


def read_mapped(folder: Path, split: str, size: int) -> MappedPictures:
    """One split of a prepared set, pictures and maps stretched alike to `size` pixels square.

    Raises `DataError` where a row has no map, or there is no row, `UnknownName` for a split that the folder has not.
    """
    rows = open_prepared(folder, split)
    if not len(rows):
        raise DataError(f"{folder}, {split}: holds no picture; prepare a set that has some")
    return MappedPictures(
        ids=np.array(rows.column("id")),
        images=rows.pixels(size=size),
        maps=np.stack([_in_bytes(resized(true_map(rows, at), size, size)) for at in range(len(rows))]),
        emotion=keywords(rows),
        taxonomy=rows.taxonomy,
        split=split,
    )


def join_mapped(folder: Path, size: int, splits: Sequence[str] = SPLITS) -> MappedPictures:
    """Those of `splits` that a prepared set has as one, in their order: what is cut into folds."""
    parts = [read_mapped(folder, split, size) for split in splits if split in read_manifest(folder).splits]
    if not parts:
        raise DataError(f"{folder}: has none of {', '.join(splits)}; prepare it again")
    return replace(
        parts[0],
        ids=np.concatenate([part.ids for part in parts]),
        images=np.concatenate([part.images for part in parts]),
        maps=np.concatenate([part.maps for part in parts]),
        emotion=np.concatenate([part.emotion for part in parts]),
        split="+".join(part.split for part in parts),
    )


def true_map(rows: Prepared, at: int) -> np.ndarray:
    """The map of one row, float32 (H, W) in [0, 1]. Raises `DataError` where it has none or an empty one."""
    record = rows.record(at)
    found = record.open_map()
    if found is None:
        raise DataError(
            f"{rows.folder}, {rows.split}, {record.id}: has no stimuli map; take a set that has them, as "
            "EmotionROI, or a table with a column map"
        )
    if not found.any():
        raise DataError(f"{rows.folder}, {rows.split}, {record.id}: its map is all zero; leave the picture out")
    return found


def _in_bytes(weights: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(255 * weights)).astype(np.uint8)
