"""Net, loss and optimiser in one Lightning module."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from emolens.learn.config import Optim, Recipe
from emolens.learn.loading import Batch
from emolens.learn.losses import soft_cross_entropy
from emolens.learn.nets import build
from emolens.learn.transforms import augment


class DistributionTask(lightning.LightningModule):
    """Learn a distribution over expressions from votes."""

    def __init__(self, recipe: Recipe, classes: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.net = build(recipe.net, classes, pretrained=True).to(memory_format=torch.channels_last)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Augmentation and dropout draw from torch's generator. Seeded by the step, a resumed run equals a whole one.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, targets = batch
        images = augment(images, self.recipe.augment).contiguous(memory_format=torch.channels_last)
        loss = soft_cross_entropy(self.net(images)["logits"].float(), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, targets = batch
        logits = self.net(images.contiguous(memory_format=torch.channels_last))["logits"].float()
        entropy = torch.special.entr(targets).sum(dim=1).mean()
        hits = (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean()
        measured = {"val_kl": soft_cross_entropy(logits, targets) - entropy, "val_accuracy": hits}
        self.log_dict(measured, prog_bar=True, batch_size=len(images))

    def configure_optimizers(self) -> Any:
        settings = self.recipe.optim
        optimizer = _optimizer(_decay_groups(self.net, settings.weight_decay), settings)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(steps * settings.warmup_epochs / settings.epochs))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_cosine(step, warmup, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _warm_cosine(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _optimizer(groups: list[dict[str, Any]], settings: Optim) -> torch.optim.Optimizer:
    if settings.name == "adamw":
        return torch.optim.AdamW(groups, settings.lr)
    return torch.optim.SGD(groups, settings.lr, settings.momentum, nesterov=True)


def _decay_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay is for matrices and kernels, not for biases and the scales of normalisation."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
