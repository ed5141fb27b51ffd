"""What training is alike in for every task: seeds, optimiser, schedule, and a loss that is a number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader

from emolens.errors import TrainingError
from emolens.learn.config import Optim, Recipe
from emolens.learn.optimisers import optimiser, schedule
from emolens.taxonomy import Taxonomy


class Task(lightning.LightningModule):
    """A net and what it is asked to do; its classes go into every checkpoint.

    `watched` is the figure on `val` that decides, smaller is better unless it `rises`; a rate that falls on a plateau
    goes by `gets_stuck`. A subclass gives `loss` of a batch, and `figures` of a batch of `val`, which hold both.
    """

    watched = "val_loss"
    rises = False
    gets_stuck = "val_loss"

    def __init__(self, recipe: Recipe, net: nn.Module, taxonomy: Taxonomy) -> None:
        super().__init__()
        self.recipe = recipe
        self.taxonomy = taxonomy
        self.net = net.to(memory_format=torch.channels_last)
        self.told_step = -1

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["labels"] = {"taxonomy": self.taxonomy.name, "classes": list(self.taxonomy.classes)}

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The mean loss of a training batch."""

    @abstractmethod
    def figures(self, batch: Any) -> Mapping[str, Tensor]:
        """Mean figures of a validation batch, by name."""

    @abstractmethod
    def count(self, batch: Any) -> int:
        """How many pictures a batch holds."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        # Augmentation and dropout draw from torch's generator. Seeded by the step, a resumed run equals a whole one,
        # and both looks that sharpness-aware minimisation takes at a batch see the same pictures.
        torch.manual_seed((self.recipe.seed * 1_000_003 + self.global_step) * 1_009 + self.global_rank)
        loss = self.loss(batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss.item()} in epoch {self.current_epoch}, step {self.global_step}; what was saved "
                "before stays. Try a smaller optim.lr, optim.clip=1 or optim.precision=float32"
            )
        if self.told_step != self.global_step:  # the second look of a step is at other weights
            self.told_step = self.global_step
            self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=self.count(batch),
                     sync_dist=True)  # fmt: skip
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        # Each device sees all of val, so nothing needs to be gathered.
        self.log_dict(dict(self.figures(batch)), prog_bar=True, batch_size=self.count(batch))

    def on_validation_epoch_end(self) -> None:
        # Before a checkpoint is saved: weights that are no numbers would take the place of the last that are.
        for name in (self.watched, self.gets_stuck):  # an accuracy is a number whatever the weights are
            found = self.trainer.callback_metrics.get(name)
            if found is not None and not torch.isfinite(found):
                raise TrainingError(
                    f"{name} became {found.item()} in epoch {self.current_epoch}; what was saved before stays. "
                    "Try a smaller optim.lr, optim.clip=1 or optim.precision=float32"
                )

    def on_train_epoch_end(self) -> None:
        # Lightning does so after it has saved, and a run that goes on from that would not know of this epoch's figure.
        stuck = self.lr_schedulers()
        if isinstance(stuck, ReduceLROnPlateau):
            stuck.step(self.trainer.callback_metrics[self.gets_stuck])

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def configure_optimizers(self) -> Any:
        settings: Optim = self.recipe.optim
        moved = optimiser(self, settings)
        steps = int(self.trainer.estimated_stepping_batches)
        return {"optimizer": moved, "lr_scheduler": schedule(moved, settings, steps, self.gets_stuck)}


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with."""

    task: Task
    train: DataLoader[Any]
    val: DataLoader[Any]
