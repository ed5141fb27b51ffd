"""Learn how groups look: from scenes, faces, skeletons, or faces and scene together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.errors import OptionError
from emolens.learn.begin import begin_with
from emolens.learn.config import GroupRecipe
from emolens.learn.crops import cropped
from emolens.learn.devices import Place
from emolens.learn.loading_group import GroupBatch, group_batches, group_rows
from emolens.learn.losses import soft_cross_entropy
from emolens.learn.nets.group import group_net
from emolens.learn.tasks.base import Start, Task
from emolens.taxonomy import Taxonomy


class GroupTask(Task):
    """Groups in, negative / neutral / positive out."""

    watched = gets_stuck = "val_kl"

    def __init__(self, recipe: GroupRecipe, net: nn.Module, taxonomy: Taxonomy) -> None:
        super().__init__(recipe, net, taxonomy)
        self.settings = recipe

    def answer(self, batch: GroupBatch) -> dict[str, Tensor]:
        """What the net says of a batch."""
        found: dict[str, Tensor] = self.net(**inputs_of(batch))
        return found

    def loss(self, batch: GroupBatch) -> Tensor:
        found = self.answer(self._changed(batch))
        if not self.settings.loss.each_face:
            return soft_cross_entropy(found["logits"].float(), batch.targets)
        assert batch.mask is not None  # nets with a loss for each face take faces
        masked = self.settings.net.faces.padding == "masked"  # type: ignore[union-attr]
        return face_loss(found["heads"].float(), batch.targets, batch.mask if masked else torch.ones_like(batch.mask))

    def figures(self, batch: GroupBatch) -> Mapping[str, Tensor]:
        logits = self.answer(batch)["logits"].float()
        hits = (logits.argmax(dim=1) == batch.targets.argmax(dim=1)).float().mean()
        return {"val_kl": soft_cross_entropy(logits, batch.targets), "val_accuracy": hits}

    def count(self, batch: GroupBatch) -> int:
        return len(batch.targets)

    def _changed(self, batch: GroupBatch) -> GroupBatch:
        size, settings = self.settings.net.size, self.settings.augment
        found = {name: getattr(batch, name) for name in ("image", "skeleton")}
        return batch._replace(
            **{name: cropped(pictures, size, settings) for name, pictures in found.items() if pictures is not None}
        )


def inputs_of(batch: GroupBatch) -> dict[str, Tensor]:
    """What a batch holds of a net's inputs; skeletons are pictures to it."""
    found = {"image": batch.image if batch.skeleton is None else batch.skeleton, "faces": batch.faces}
    return {name: value for name, value in (*found.items(), ("mask", batch.mask)) if value is not None}


def face_loss(heads: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of each face's logits (N, F, K) to the label of its group (N, K), mean over those there."""
    shares = functional.log_softmax(heads, dim=-1)
    each = -(shares * targets[:, None]).sum(dim=-1)  # (N, F)
    return (each * mask).sum() / mask.sum().clamp_min(1)


def start(recipe: GroupRecipe, data: Path, place: Place) -> Start:
    """Read both splits, build the net with the weights that its parts start from, and the batches.

    Raises `OptionError` where the training rows do not fill one batch.
    """
    val, train = group_rows(recipe, data, "val"), group_rows(recipe, data, "train", room=True)
    size = recipe.optim.batch
    if len(train) < size:
        raise OptionError(f"optim.batch={size} is more than the {len(train)} training rows; make it less")
    net = group_net(recipe.net, len(train.taxonomy), pretrained=True)
    begin_with(net, recipe.begin)
    return Start(
        GroupTask(recipe, net, train.taxonomy),
        group_batches(train, size, True, recipe.seed, place),
        group_batches(val, size, False, recipe.seed, place),
    )
