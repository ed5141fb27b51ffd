"""Batches from labelled faces that are held in memory or mapped from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, SequentialSampler

from emolens.data.clusters import joined_by
from emolens.data.faces import read_faces, read_groups
from emolens.data.labelled import LabelledFaces, digests, stacked
from emolens.data.splits import grouped_folds
from emolens.learn.config import ExpressionRecipe
from emolens.learn.devices import Place
from emolens.taxonomy import taxonomy

T = TypeVar("T")
Batch = tuple[Tensor, Tensor]
"""Pictures, float32 (N, C, H, W) with values 0 to 255, and targets, float32 (N, K)."""


def rows_of(recipe: ExpressionRecipe, data: Path, split: str) -> LabelledFaces:
    """The rows of one split that a recipe asks for, from a prepared folder or from the archive."""
    wanted = recipe.data
    rows = _fold_of(recipe, data, split) if wanted.folds and split in ("train", "val") else _read(recipe, data, split)
    return rows if wanted.limit is None else rows.keep(np.arange(len(rows)) < wanted.limit)


def _read(recipe: ExpressionRecipe, data: Path, split: str) -> LabelledFaces:
    wanted = recipe.data
    rows = read_faces(
        data, split, wanted.name, grey=wanted.colour == "grey", size=recipe.net.size, options=wanted.chosen
    )
    return rows if wanted.taxonomy is None else rows.expressed_in(taxonomy(wanted.taxonomy))


def _fold_of(recipe: ExpressionRecipe, data: Path, split: str) -> LabelledFaces:
    """Of `train` and `val` together, the recipe's fold as `val`, or all others as `train`.

    Dealt alike for every seed of training. Subjects, sequences, groups and pictures with the same pixels stay whole.
    """
    wanted = recipe.data
    both = stacked([_read(recipe, data, "train"), _read(recipe, data, "val")], split)
    told = read_groups(data, wanted.name, wanted.chosen)
    columns = [*zip(*(told[name] for name in both.ids.tolist()), strict=True)]
    labels = [both.taxonomy.classes[top] for top in both.targets.argmax(axis=1).tolist()]
    folds = grouped_folds(labels, joined_by(*columns, digests(both.images)).tolist(), wanted.folds)
    return both.keep((folds == wanted.fold) == (split == "val"))


class Batches(Dataset[T]):
    """Whole batches of `count` rows by their indices: one gather instead of N small reads.

    `of` makes one of the rows at int (n,).
    """

    def __init__(self, count: int, of: Callable[[np.ndarray], T]) -> None:
        self.count = count
        self.of = of

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> T:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> T:
        return self.of(np.asarray(indices))


def face_batches(faces: LabelledFaces) -> Batches[Batch]:
    """Faces as a net takes them, with their targets."""
    images = torch.from_numpy(faces.images)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return Batches(len(faces), partial(_gathered, images, torch.from_numpy(faces.targets)))


def _gathered(images: Tensor, targets: Tensor, indices: np.ndarray) -> Batch:
    rows = torch.from_numpy(indices)
    return images[rows].float(), targets[rows]


class BalancedSampler(Sampler[int]):
    """Rows drawn with replacement so that each class comes alike often, anew each epoch by (seed, epoch).

    `classes` (N,) is the class of each row. Of several processes each draws its own share of one common draw.
    """

    def __init__(self, classes: Tensor, seed: int, place: Place) -> None:
        self.chances = (1 / torch.bincount(classes).clamp_min(1).double())[classes]
        self.seed, self.place, self.epoch = seed, place, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.chances) // self.place.world

    def __iter__(self) -> Iterator[int]:
        chance = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        drawn = torch.multinomial(self.chances, len(self.chances), replacement=True, generator=chance)
        return iter(drawn[self.place.rank :: self.place.world][: len(self)].tolist())


def batches(
    faces: LabelledFaces, size: int, shuffle: bool, seed: int = 0, balanced: bool = False, place: Place | None = None
) -> DataLoader[Batch]:
    """A loader over `faces`, as `dealt`; with `balanced` classes come alike often."""
    place = place or Place()
    chosen = BalancedSampler(torch.from_numpy(faces.targets).argmax(dim=1), seed, place) if balanced else None
    return dealt(face_batches(faces), size, shuffle, seed, place, chosen)


def dealt(
    source: Dataset[T], size: int, shuffle: bool, seed: int, place: Place, sampler: Sampler[int] | None = None
) -> DataLoader[T]:
    """Batches of `size` over all processes together, of a data set that gives whole batches by their indices.

    Shuffled anew each epoch by (seed, epoch), so a resumed run sees what a whole one saw, unless a `sampler` draws.
    """
    if sampler is None and shuffle:  # a shuffle by (seed, epoch) whose epoch Lightning sets, dealt to the processes
        sampler = DistributedSampler(source, place.world, place.rank, seed=seed, drop_last=place.world > 1)
    if sampler is None:
        sampler = SequentialSampler(source)  # type: ignore[arg-type]
    each = max(1, size // place.world) if shuffle else size
    return DataLoader(source, each, sampler=sampler, collate_fn=lambda batch: batch, drop_last=shuffle)
