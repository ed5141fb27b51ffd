"""Batches from labelled faces that are held in memory or mapped from disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, SequentialSampler

from emolens.data.faces import read_faces
from emolens.data.labelled import LabelledFaces
from emolens.learn.config import ExpressionRecipe
from emolens.learn.devices import Place
from emolens.taxonomy import taxonomy

Batch = tuple[Tensor, Tensor]
"""Pictures, float32 (N, C, H, W) with values 0 to 255, and targets, float32 (N, K)."""


def rows_of(recipe: ExpressionRecipe, data: Path, split: str) -> LabelledFaces:
    """The rows of one split that a recipe asks for, from a prepared folder or from the archive."""
    wanted = recipe.data
    rows = read_faces(
        data, split, wanted.name, grey=wanted.colour == "grey", size=recipe.net.size, options=wanted.chosen
    )
    rows = rows if wanted.taxonomy is None else rows.expressed_in(taxonomy(wanted.taxonomy))
    return rows if wanted.limit is None else rows.keep(np.arange(len(rows)) < wanted.limit)


class FaceBatches(Dataset[Batch]):
    """Whole batches by their indices: one gather instead of N small reads."""

    def __init__(self, faces: LabelledFaces) -> None:
        images = torch.from_numpy(faces.images)
        self.images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        self.targets = torch.from_numpy(faces.targets)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(indices)
        return self.images[rows].float(), self.targets[rows]


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
    """A loader over `faces`; shuffled anew each epoch by (seed, epoch), so a resumed run sees what a whole one saw.

    `size` is that of a batch over all processes together; with `balanced` classes come alike often.
    """
    place = place or Place()
    source = FaceBatches(faces)
    sampler: Sampler[int] = SequentialSampler(source)
    if balanced:
        sampler = BalancedSampler(source.targets.argmax(dim=1), seed, place)
    elif shuffle:  # a shuffle by (seed, epoch) whose epoch Lightning sets, dealt to the processes
        sampler = DistributedSampler(source, place.world, place.rank, seed=seed, drop_last=place.world > 1)
    each = max(1, size // place.world) if shuffle else size
    return DataLoader(source, each, sampler=sampler, collate_fn=lambda batch: batch, drop_last=shuffle)
