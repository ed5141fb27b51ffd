"""Learn what in a picture evokes its emotion: a map over its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emolens.data.mapped import MappedPictures, join_mapped, read_mapped
from emolens.data.splits import stratified_folds
from emolens.errors import DataError
from emolens.learn.config import StimuliRecipe
from emolens.learn.devices import Place
from emolens.learn.joint import augment_both
from emolens.learn.loading import Batches, dealt
from emolens.learn.losses_maps import map_correlation, map_loss
from emolens.learn.nets.backbone import TrunkRange
from emolens.learn.nets.stimuli import StimuliNet, stimuli_net
from emolens.learn.tasks.base import Start, Task
from emolens.taxonomy import Taxonomy

MapBatch = tuple[Tensor, Tensor, Tensor]
"""Pictures float32 (N, 3, S, S) 0 to 255, maps float32 (N, 1, S, S) 0 to 1, emotions int64 (N,)."""


def mapped_of(recipe: StimuliRecipe, data: Path, split: str) -> MappedPictures:
    """The rows of one split that a recipe asks for, from a prepared folder.

    Raises `DataError` where a picture has no map, or no emotion and the net is told one.
    """
    wanted, size = recipe.data, recipe.net.size
    if wanted.folds and split in ("train", "val"):
        both = join_mapped(data, size, ("train", "val"))
        folds = stratified_folds(both.labels(), wanted.folds)
        rows = both.keep((folds == wanted.fold) == (split == "val"))
    else:
        rows = read_mapped(data, split, size)
    if recipe.net.conditioned and (rows.emotion < 0).any():
        one = rows.ids[rows.emotion < 0][0]
        raise DataError(f"{data}, {split}, {one}: has no emotion, which the net is told; add --set net.condition=none")
    return rows if wanted.limit is None else rows.keep(np.arange(min(wanted.limit, len(rows))))


class StimuliTask(Task):
    """Pictures, and where the net is told them emotions, in; maps out."""

    def __init__(self, recipe: StimuliRecipe, net: StimuliNet, classes: Taxonomy) -> None:
        super().__init__(recipe, net, classes)
        self.settings = recipe
        self.normal = TrunkRange(net.trunk)

    def answer(self, images: Tensor, emotion: Tensor) -> dict[str, Tensor]:
        """What the net finds in pictures (N, 3, S, S) with values 0 to 255."""
        found: dict[str, Tensor] = self.net(self.normal(images), emotion if self.settings.net.conditioned else None)
        return found

    def loss(self, batch: MapBatch) -> Tensor:
        images, maps, emotion = batch
        images, maps = augment_both(images, maps, self.settings.augment)
        return self._distance(self.answer(images, emotion), maps)

    def figures(self, batch: MapBatch) -> Mapping[str, Tensor]:
        images, maps, emotion = batch
        found = self.answer(images, emotion)
        shown = found["map"].float()
        return {
            "val_loss": self._distance(found, maps),
            "val_mae": (shown - maps).abs().mean(),
            "val_cc": map_correlation(shown, maps),
        }

    def _distance(self, found: dict[str, Tensor], maps: Tensor) -> Tensor:
        return map_loss(found, maps, self.settings.loss, self.settings.net.output == "linear")

    def count(self, batch: MapBatch) -> int:
        return len(batch[0])


def map_batches(pictures: MappedPictures) -> Batches[MapBatch]:
    """Pictures with their maps and their emotions."""
    return Batches(len(pictures), partial(_gathered, pictures))


def _gathered(pictures: MappedPictures, indices: np.ndarray) -> MapBatch:
    rows = pictures.keep(indices)
    images = torch.from_numpy(rows.images).permute(0, 3, 1, 2).float()
    return images, torch.from_numpy(rows.maps).unsqueeze(1).float() / 255, torch.from_numpy(rows.emotion)


def start(recipe: StimuliRecipe, data: Path, place: Place) -> Start:
    """Read both splits, build the net with the weights that its trunk starts from, and the batches."""
    val, train = mapped_of(recipe, data, "val"), mapped_of(recipe, data, "train")
    net = stimuli_net(recipe.net, len(train.taxonomy), pretrained=True)
    net.begin_at(float(train.maps.mean()) / 255)
    size = recipe.optim.batch
    return Start(
        StimuliTask(recipe, net, train.taxonomy),
        dealt(map_batches(train), min(size, len(train)), True, recipe.seed, place),
        dealt(map_batches(val), 2 * size, False, recipe.seed, place),
    )
