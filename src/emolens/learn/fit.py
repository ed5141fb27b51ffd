"""Train a recipe into a run folder (see `emolens.learn.runs`)."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from emolens.learn.config import Recipe
from emolens.learn.devices import Devices, precision
from emolens.learn.runs import WholeCheckpoints, check_place, check_resumed, last_checkpoint, write_record
from emolens.learn.tasks import start

ONE = Devices()


def fit(
    recipe: Recipe, data: Path, run: Path, resume: bool = False, progress: bool = True, devices: Devices = ONE
) -> Path:
    """Train `recipe` on the data set in `data`, write the run folder, return the path of its last checkpoint.

    `resume` goes on from `checkpoints/last.ckpt` to the same result as an unbroken run. Raises `OutputError` where the
    run folder exists already and is not resumed or the disk is full, `OptionError` where there is nothing to resume or
    it was begun with other settings, `ModelError` where its checkpoint cannot be read, `TrainingError` where the loss
    is no longer a number.
    """
    check_place(run, resume)
    if resume:
        check_resumed(recipe, run)
    last = last_checkpoint(run)
    lightning.seed_everything(recipe.seed, verbose=False)  # before the net draws its weights
    begun = start(recipe, data, devices.place)
    if devices.place.rank == 0:
        write_record(recipe, run)
    trainer = _trainer(recipe, run, progress, devices, begun.task.watched)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
        warnings.filterwarnings(
            "ignore", message=".*in eval mode at the start of training.*"
        )  # parts that stay as they are
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*recommended to use `self.log.*sync_dist=True.*")
        trainer.fit(begun.task, begun.train, begun.val, ckpt_path=str(last) if resume else None)
    return last


class Progress(RichProgressBar):
    """Lightning's bar without the last letters of the loggers' names."""

    def get_metrics(self, *args: Any, **options: Any) -> Any:
        return {name: value for name, value in super().get_metrics(*args, **options).items() if name != "v_num"}


def _trainer(recipe: Recipe, run: Path, progress: bool, devices: Devices, watched: str) -> lightning.Trainer:
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    optim = recipe.optim
    callbacks: list[Callback] = [
        *([Progress()] if progress else []),
        ModelCheckpoint(run / "checkpoints", "best", monitor=watched, enable_version_counter=False),
        # Lightning's own `save_last` copies the best so far: a run that got worse would end, and resume, epochs ago.
        ModelCheckpoint(run / "checkpoints", "last", enable_version_counter=False),
    ]
    if optim.ema:
        callbacks.append(EMAWeightAveraging(decay=optim.ema))
    if optim.stop_after:
        callbacks.append(EarlyStopping(watched, patience=optim.stop_after))
    return lightning.Trainer(
        max_epochs=optim.epochs,
        precision=precision(recipe),
        gradient_clip_val=optim.clip or None,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=[CSVLogger(run, name="metrics"), TensorBoardLogger(run, name="", version="tensorboard")],
        default_root_dir=run,
        enable_model_summary=False,
        enable_progress_bar=progress,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **devices.options(),
    )
