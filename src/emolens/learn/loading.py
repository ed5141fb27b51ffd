"""Batches from labelled faces that are held in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, SequentialSampler

from emolens.data.fer2013 import LabelledFaces

Batch = tuple[Tensor, Tensor]
"""Pictures, float32 (N, 1, H, W) with values 0 to 255, and targets, float32 (N, K)."""


class FaceBatches(Dataset[Batch]):
    """Whole batches by their indices: one gather instead of N small reads."""

    def __init__(self, faces: LabelledFaces) -> None:
        self.images = torch.from_numpy(faces.images).unsqueeze(1)
        self.targets = torch.from_numpy(faces.targets)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(indices)
        return self.images[rows].float(), self.targets[rows]


def batches(faces: LabelledFaces, size: int, shuffle: bool, seed: int = 0) -> DataLoader[Batch]:
    """A loader over `faces`; shuffled anew each epoch by (seed, epoch), so a resumed run sees what a whole one saw."""
    source = FaceBatches(faces)
    # With one replica this sampler is a shuffle by (seed, epoch) whose epoch Lightning sets.
    sampler: Sampler[int] = (
        DistributedSampler(source, num_replicas=1, rank=0, seed=seed, drop_last=False)
        if shuffle
        else SequentialSampler(source)
    )
    return DataLoader(source, batch_size=size, sampler=sampler, collate_fn=lambda batch: batch, drop_last=shuffle)
