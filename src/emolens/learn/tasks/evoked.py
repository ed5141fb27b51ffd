"""Learn what pictures evoke: a distribution over emotions, valence and arousal."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emolens.data.pictures import LabelledPictures, read_pictures, whole_set
from emolens.data.splits import stratified_folds
from emolens.errors import DataError
from emolens.learn.config import EvokedRecipe
from emolens.learn.devices import Place
from emolens.learn.loading import Batches, dealt
from emolens.learn.losses import soft_cross_entropy
from emolens.learn.losses_evoked import handed_to_neighbours, label_entropy, scaled, value_loss, wheel_emd
from emolens.learn.nets.backbone import TrunkRange
from emolens.learn.nets.wheel import EmotionWheelNet, wheel_net
from emolens.learn.tasks.base import Start, Task
from emolens.learn.transforms import augment
from emolens.taxonomy import Taxonomy, taxonomy

EvokedBatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pictures float32 (N, 3, S, S) 0 to 255, targets (N, K), values (N, 2) 1 to 9 or NaN, keyword (N,) or -1."""


def pictures_of(recipe: EvokedRecipe, data: Path, split: str) -> LabelledPictures:
    """The rows of one split that a recipe asks for, from a prepared folder.

    Folds have the keywords alike, or the top emotions where the set names none.
    """
    wanted, size = recipe.data, recipe.net.size
    if wanted.folds and split in ("train", "val"):
        both = whole_set(data, size, ("train", "val"))
        names = np.where(both.keyword < 0, both.targets.argmax(axis=1), both.keyword).tolist()
        rows = both.keep((stratified_folds(names, wanted.folds) == wanted.fold) == (split == "val"))
    else:
        rows = read_pictures(data, split, size)
    rows = rows if wanted.taxonomy is None else rows.expressed_in(taxonomy(wanted.taxonomy))
    if recipe.loss.values and np.isnan(rows.values).all():
        raise DataError(f"{data}, {split}: has no valence and arousal to learn; add --set loss.values=0")
    return rows if wanted.limit is None else rows.keep(np.arange(min(wanted.limit, len(rows))))


class EvokedTask(Task):
    """Pictures in; a distribution, valence and arousal out."""

    watched = gets_stuck = "val_kl"

    def __init__(self, recipe: EvokedRecipe, net: EmotionWheelNet, classes: Taxonomy) -> None:
        super().__init__(recipe, net, classes)
        self.settings = recipe
        self.normal = TrunkRange(net.trunk)

    def answer(self, images: Tensor) -> dict[str, Tensor]:
        """What the net says of pictures (N, 3, S, S) with values 0 to 255."""
        found: dict[str, Tensor] = self.net(self.normal(images))
        return found

    def loss(self, batch: EvokedBatch) -> Tensor:
        images, targets, values, keyword = batch
        weights = self.settings.loss
        if weights.smoothing:
            targets = handed_to_neighbours(targets, self.taxonomy, weights.smoothing)
        found = self.answer(augment(images, self.settings.augment))
        logits = found["logits"].float()
        total = weights.kl * soft_cross_entropy(logits, targets)
        if weights.label:
            total = total + weights.label * label_entropy(logits, keyword)
        if weights.emd:
            total = total + weights.emd * wheel_emd(logits, targets, self.taxonomy)
        if weights.values:
            total = total + weights.values * value_loss(found["values"].float(), scaled(values))
        return total

    def figures(self, batch: EvokedBatch) -> Mapping[str, Tensor]:
        images, targets, _, keyword = batch
        logits = self.answer(images)["logits"].float()
        entropy = torch.special.entr(targets).sum(dim=1).mean()
        hits = (logits.argmax(dim=1) == keyword).float().mean()
        return {"val_kl": soft_cross_entropy(logits, targets) - entropy, "val_accuracy": hits}

    def count(self, batch: EvokedBatch) -> int:
        return len(batch[0])


def picture_batches(pictures: LabelledPictures) -> Batches[EvokedBatch]:
    """Pictures with all that was said of them."""
    return Batches(len(pictures), partial(_gathered, pictures))


def _gathered(pictures: LabelledPictures, indices: np.ndarray) -> EvokedBatch:
    rows = pictures.keep(indices)
    images = torch.from_numpy(rows.images).permute(0, 3, 1, 2).float()
    return images, *(torch.from_numpy(each) for each in (rows.targets, rows.values, rows.keyword))  # type: ignore[return-value]


def start(recipe: EvokedRecipe, data: Path, place: Place) -> Start:
    """Read both splits, build the net with the weights that its trunk starts from, and the batches."""
    val, train = pictures_of(recipe, data, "val"), pictures_of(recipe, data, "train")
    net = wheel_net(recipe.net, train.taxonomy, train.targets, pretrained=True, seed=recipe.seed)
    size = recipe.optim.batch
    return Start(
        EvokedTask(recipe, net, train.taxonomy),
        dealt(picture_batches(train), min(size, len(train)), True, recipe.seed, place),
        dealt(picture_batches(val), 2 * size, False, recipe.seed, place),
    )
