"""Learn a distribution over expressions, or a label, from faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from emolens.data.labelled import stacked
from emolens.errors import OptionError
from emolens.learn.config import ExpressionRecipe
from emolens.learn.devices import Place
from emolens.learn.distil import Teacher
from emolens.learn.loading import Batch, batches, rows_of
from emolens.learn.losses import (
    AttentionLoss,
    adjusted,
    class_weights,
    mixed,
    prepared_targets,
    soft_cross_entropy,
)
from emolens.learn.nets import build
from emolens.learn.runs import load_weights, read_checkpoint
from emolens.learn.tasks.base import Start, Task
from emolens.learn.transforms import augment
from emolens.taxonomy import Taxonomy


class ExpressionTask(Task):
    """Faces in, a distribution over expressions out; targets come as the recipe's loss wants them.

    `shares` (K,) are those of the classes in the targets of the training rows, without the teacher's part.
    """

    shares: Tensor

    gets_stuck = "val_kl"

    def __init__(
        self,
        recipe: ExpressionRecipe,
        net: nn.Module,
        taxonomy: Taxonomy,
        shares: Tensor,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(recipe, net, taxonomy)
        self.settings = recipe
        self.watched = f"val_{recipe.best}"
        self.rises = recipe.best == "accuracy"
        self.teacher = teacher
        self.register_buffer("shares", shares, persistent=False)
        # A part of the task, so that its class centres reach the optimiser.
        self.attention = AttentionLoss(len(taxonomy), _width(net), recipe.loss) if recipe.loss.attends else None

    def loss(self, batch: Batch) -> Tensor:
        images, targets = batch
        settings = self.settings.loss
        images = augment(images, self.settings.augment)
        if self.teacher is not None:
            targets = self.teacher.about(images, targets)
        if settings.mixup:
            images, targets = mixed(images, targets, settings.mixup)
        found = self.net(images.contiguous(memory_format=torch.channels_last))
        logits = adjusted(found["logits"].float(), self.shares, settings.adjust)
        weights = class_weights(self.shares) if settings.balance == "weights" else None
        loss = soft_cross_entropy(logits, targets, weights)
        return loss if self.attention is None else loss + self.attention(found, targets)

    def figures(self, batch: Batch) -> Mapping[str, Tensor]:
        images, targets = batch
        if self.settings.augment.val:
            images = augment(images, self.settings.augment)
        logits = self.net(images.contiguous(memory_format=torch.channels_last))["logits"].float()
        entropy = torch.special.entr(targets).sum(dim=1).mean()
        hits = (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean()
        return {"val_kl": soft_cross_entropy(logits, targets) - entropy, "val_accuracy": hits}

    def count(self, batch: Batch) -> int:
        return len(batch[0])


def _width(net: nn.Module) -> int:
    """How many features a net with heads has."""
    head: nn.Linear = net.head  # type: ignore[assignment]
    return head.in_features


def start(recipe: ExpressionRecipe, data: Path, place: Place) -> Start:
    """Read both splits, build the net with the weights that it starts from, and the batches.

    Raises `OptionError` where the training rows do not fill one batch.
    """
    val, train = rows_of(recipe, data, "val"), rows_of(recipe, data, "train")
    if recipe.data.join_val:
        train = stacked([train, val], "train")
    if len(train) < recipe.optim.batch:
        raise OptionError(f"optim.batch={recipe.optim.batch} is more than the {len(train)} training rows; make it less")
    # Labels are made of the votes before a teacher speaks: of both together its part would be lost.
    targets = prepared_targets(torch.from_numpy(train.targets), recipe.loss)
    train, shares = replace(train, targets=targets.numpy()), targets.mean(dim=0)
    teacher = None if recipe.distil.teacher is None else Teacher(recipe.distil, train)
    if teacher is not None and recipe.distil.view == "still":
        train, teacher = teacher.of(train), None
    settings = recipe.net
    if recipe.distil.start is not None and "weights" in type(settings).model_fields:
        settings = settings.model_copy(update={"weights": "none"})  # the start has them all
    net = build(settings, len(train.taxonomy), pretrained=True)
    if recipe.distil.start is not None:
        load_weights(net, read_checkpoint(Path(recipe.distil.start)), train.taxonomy)
    task = ExpressionTask(recipe, net, train.taxonomy, shares, teacher)
    balanced, size = recipe.loss.balance == "sampling", recipe.optim.batch
    return Start(
        task,
        batches(train, size, shuffle=True, seed=recipe.seed, balanced=balanced, place=place),
        batches(val, 2 * size, shuffle=False),
    )
