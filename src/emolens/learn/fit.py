"""Train a recipe into a run folder (see `emolens.learn.runs`)."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from emolens.errors import OptionError, Stopped
from emolens.learn.config import Recipe
from emolens.learn.devices import Devices, Place, check_share, precision
from emolens.learn.runs import (
    RunCheckpoints,
    WholeCheckpoints,
    check_place,
    check_resumed,
    last_checkpoint,
    stopped_early,
    write_record,
)
from emolens.learn.tasks import Task, start

ONE = Devices()


def fit(
    recipe: Recipe, data: Path, run: Path, resume: bool = False, progress: bool = True, devices: Devices = ONE
) -> Path:
    """Train `recipe` on the data set in `data`, write the run folder, return the path of its last checkpoint.

    `resume` goes on from `checkpoints/last.ckpt` to the same result as an unbroken run; one that `optim.stop_after`
    ended stays ended. Raises `OutputError` where the run folder exists already and is not resumed or the disk is full,
    `OptionError` where there is nothing to resume, it was begun with other settings or a batch cannot be dealt to the
    devices, `ModelError` where its checkpoint cannot be read, `TrainingError` where the loss is no longer a number,
    `Stopped` where Ctrl-C or a request to terminate ended it.
    """
    check_share(recipe, devices.place.world)
    check_place(run, resume)
    last = last_checkpoint(run)
    if resume:
        check_resumed(recipe, run)
        if stopped_early(run, recipe.optim.epochs):
            return last
    lightning.seed_everything(recipe.seed, verbose=False)  # before the net draws its weights
    begun = start(recipe, data, devices.place)
    trainer = _trainer(recipe, run, progress, devices, begun.task)
    _check_rank(trainer, devices.place)
    if devices.place.rank == 0:
        write_record(recipe, run)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
        warnings.filterwarnings(
            "ignore", message=".*in eval mode at the start of training.*"
        )  # parts that stay as they are
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*recommended to use `self.log.*sync_dist=True.*")
        with _stopped_by_signals(trainer, run), _quiet_writers():
            trainer.fit(begun.task, begun.train, begun.val, ckpt_path=str(last) if resume else None)
    return last


def _check_rank(trainer: lightning.Trainer, place: Place) -> None:
    """Raises `OptionError` where Lightning takes this process for another than rows were dealt to."""
    if (trainer.global_rank, trainer.world_size) != (place.rank, place.world):
        raise OptionError(
            f"this process has the rows of number {place.rank} of {place.world}, Lightning takes it for number "
            f"{trainer.global_rank} of {trainer.world_size}; start one process a device by torchrun or srun, "
            "or unset the variables of SLURM"
        )


@contextmanager
def _stopped_by_signals(trainer: lightning.Trainer, run: Path) -> Iterator[None]:
    """Lightning ends the whole program at Ctrl-C and at a request to terminate; here that is an error like others.

    It also leaves Ctrl-C without effect, which whoever calls `fit` from a program of his own needs again.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        number = signal.SIGTERM if trainer.received_sigterm else signal.SIGINT
        if not trainer.received_sigterm:
            signal.signal(signal.SIGINT, before)
        saved = "the epochs before it are saved" if last_checkpoint(run).is_file() else "nothing of it was saved yet"
        raise Stopped(f"{run}: stopped by {number.name} in epoch {trainer.current_epoch}; {saved}", number) from None


@contextmanager
def _quiet_writers() -> Iterator[None]:
    """TensorBoard writes from a thread, which would print its traceback where a disk is full, beside our one line."""
    before = threading.excepthook
    threading.excepthook = lambda told: None if isinstance(told.exc_value, OSError) else before(told)
    try:
        yield
    finally:
        threading.excepthook = before


class Progress(RichProgressBar):
    """Lightning's bar without the last letters of the loggers' names."""

    def get_metrics(self, *args: Any, **options: Any) -> Any:
        return {name: value for name, value in super().get_metrics(*args, **options).items() if name != "v_num"}


def _trainer(recipe: Recipe, run: Path, progress: bool, devices: Devices, task: Task) -> lightning.Trainer:
    for name in ("utilities.rank_zero", "accelerators.cuda", "trainer.connectors.signal_connector"):
        logging.getLogger(f"lightning.pytorch.{name}").setLevel(logging.WARNING)
    optim, watched, mode = recipe.optim, task.watched, "max" if task.rises else "min"
    callbacks: list[Callback] = [
        *([Progress()] if progress else []),
        RunCheckpoints(run / "checkpoints", "best", monitor=watched, mode=mode, enable_version_counter=False),
        # Lightning's own `save_last` copies the best so far: a run that got worse would end, and resume, epochs ago.
        RunCheckpoints(run / "checkpoints", "last", enable_version_counter=False),
    ]
    if optim.ema:
        callbacks.append(EMAWeightAveraging(decay=optim.ema))
    if optim.stop_after:
        callbacks.append(EarlyStopping(watched, patience=optim.stop_after, mode=mode))
    try:
        return lightning.Trainer(
            max_epochs=optim.epochs,
            precision=precision(recipe),
            gradient_clip_val=optim.clip or None,
            callbacks=callbacks,
            plugins=[WholeCheckpoints(), *devices.plugins],
            logger=[CSVLogger(run, name="metrics"), TensorBoardLogger(run, name="", version="tensorboard")],
            default_root_dir=run,
            enable_model_summary=False,
            enable_progress_bar=progress,
            log_every_n_steps=10,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **devices.options(),
        )
    except (RuntimeError, ValueError, KeyError) as error:  # of variables that a launcher has set
        raise OptionError(f"Lightning cannot begin: {' '.join(str(error).split())}") from None
