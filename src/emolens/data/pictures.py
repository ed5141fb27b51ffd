"""Whole pictures with what they evoke, as arrays: what an evoked model is learnt from and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emolens.data.base import SPLITS
from emolens.data.manifest import read_manifest
from emolens.data.prepared import Prepared, open_prepared
from emolens.errors import DataError, LabelError
from emolens.taxonomy import Taxonomy, convert

SCALE = (1.0, 9.0)
"""Lowest and highest valence and arousal, the units of `LabelledPictures.values`."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPictures:
    """Pictures with the distribution of the emotions they evoke.

    `ids` (N,) str; `images` uint8 (N, S, S, 3) RGB; `targets` float32 (N, K), each row sums to 1; `values` float32
    (N, 2), valence and arousal 1 to 9, NaN where a picture has none; `keyword` int (N,), the class that the set itself
    files a picture under, -1 where it names none; `split` names the part. `dropped` is the mean probability that was
    left out with classes that `taxonomy` lacks, and `emptied` how many pictures had nothing else.
    """

    ids: np.ndarray
    images: np.ndarray
    targets: np.ndarray
    values: np.ndarray
    keyword: np.ndarray
    taxonomy: Taxonomy
    split: str
    dropped: float = 0.0
    emptied: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, rows: np.ndarray) -> LabelledPictures:
        """The rows of a mask (N,), or at these places."""
        return replace(
            self,
            ids=self.ids[rows],
            images=self.images[rows],
            targets=self.targets[rows],
            values=self.values[rows],
            keyword=self.keyword[rows],
        )

    def expressed_in(self, taxonomy: Taxonomy) -> LabelledPictures:
        """The same pictures over other classes: what `taxonomy` lacks is dropped, the rest renormalised, both counted.

        Raises `LabelError` where a class of `taxonomy` is not in the data.
        """
        missing = [name for name in taxonomy.classes if name not in self.taxonomy.classes]
        if missing:
            raise LabelError(
                f"{self.taxonomy.name} has no {', '.join(missing)}; choose classes out of "
                f"{', '.join(self.taxonomy.classes)}"
            )
        columns = [self.taxonomy.index(name) for name in taxonomy.classes]
        some = self.targets[:, columns].sum(axis=1) > 0
        kept = self.keep(some)
        targets, dropped = convert(kept.targets, self.taxonomy, taxonomy)
        places = {column: at for at, column in enumerate(columns)}
        return replace(
            kept,
            targets=targets,
            keyword=np.array([places.get(int(column), -1) for column in kept.keyword], np.int64),
            taxonomy=taxonomy,
            dropped=float(dropped.mean()) if len(dropped) else 0.0,
            emptied=int((~some).sum()),
        )


def read_pictures(folder: Path, split: str, size: int) -> LabelledPictures:
    """One split of a prepared set, its pictures stretched to `size` pixels square.

    A picture with a distribution has that as its target, one with only a label all on the label. Raises `DataError`
    where there is nothing to learn from, `UnknownName` for a split that the folder has not.
    """
    rows = open_prepared(folder, split)
    if not len(rows):
        raise DataError(f"{folder}, {split}: holds no picture; prepare a set that has some")
    targets = rows.targets()
    return LabelledPictures(
        ids=np.array(rows.column("id")),
        images=rows.pixels(size=size),
        targets=targets / targets.sum(axis=1, keepdims=True),  # files print four to six digits
        values=affect_values(rows),
        keyword=keywords(rows),
        taxonomy=rows.taxonomy,
        split=split,
    )


def affect_values(rows: Prepared) -> np.ndarray:
    """Valence and arousal of each picture, float32 (N, 2), NaN where it has none."""
    pairs = zip(rows.column("valence"), rows.column("arousal"), strict=True)
    nothing = float("nan")
    return np.array([[nothing if v is None else v for v in pair] for pair in pairs], np.float32).reshape(len(rows), 2)


def keywords(rows: Prepared) -> np.ndarray:
    """The class that a set files each picture under, int64 (N,), -1 where it names none."""
    labels = rows.column("label")
    return np.array([-1 if label is None else rows.taxonomy.index(label) for label in labels], np.int64)


def whole_set(folder: Path, size: int, splits: Sequence[str] = SPLITS) -> LabelledPictures:
    """Those of `splits` that a prepared set has as one, in their order: what is cut into folds.

    Raises `DataError` where it has none of them.
    """
    parts = [read_pictures(folder, split, size) for split in splits if split in read_manifest(folder).splits]
    if not parts:
        raise DataError(f"{folder}: has no {' and no '.join(splits)}; prepare a set that has some")
    return LabelledPictures(
        ids=np.concatenate([part.ids for part in parts]),
        images=np.concatenate([part.images for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        keyword=np.concatenate([part.keyword for part in parts]),
        taxonomy=parts[0].taxonomy,
        split="all",
    )
