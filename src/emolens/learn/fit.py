"""Train a recipe into a run folder.

A run folder holds `recipe.json`, `environment.json`, `metrics/version_N/metrics.csv` (N counts the times it was
resumed), TensorBoard logs, and `checkpoints/last.ckpt` and `best.ckpt` (lowest KL on `val`), whose weights are the
averaged ones.
"""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import warnings
from pathlib import Path
from typing import Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from emolens import __version__
from emolens.data.faces import read_faces
from emolens.data.fer2013 import LabelledFaces
from emolens.errors import OptionError, OutputError
from emolens.learn.config import Recipe
from emolens.learn.distil import distilled
from emolens.learn.loading import batches
from emolens.learn.predict import load_member
from emolens.learn.task import DistributionTask


def fit(recipe: Recipe, data: Path, run: Path, resume: bool = False, progress: bool = True) -> Path:
    """Train `recipe` on the data set in `data`, write the run folder, return the path of its last checkpoint.

    `resume` goes on from `checkpoints/last.ckpt` to the same result as an unbroken run. Raises `OutputError` where the
    run folder exists already and is not resumed, `OptionError` where there is nothing to resume.
    """
    last = run / "checkpoints" / "last.ckpt"
    if resume and not last.is_file():
        raise OptionError(f"{run}: nothing to resume, no checkpoints/last.ckpt; leave out --resume to start")
    if not resume and last.exists():
        raise OutputError(f"{run}: holds a run already; give --resume to go on or another --out to start anew")
    val, train = faces(recipe, data, "val"), distilled(faces(recipe, data, "train"), recipe.distil)
    lightning.seed_everything(recipe.seed, verbose=False)  # before the net draws its weights
    task = DistributionTask(recipe, len(train.taxonomy))
    if recipe.distil.start is not None:
        task.net.load_state_dict(load_member(Path(recipe.distil.start)).state_dict())
    _write_record(recipe, run)
    trainer = _trainer(recipe, run, progress)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        trainer.fit(
            task,
            batches(train, recipe.optim.batch, shuffle=True, seed=recipe.seed),
            batches(val, 2 * recipe.optim.batch, shuffle=False),
            ckpt_path=str(last) if resume else None,
        )
    return last


def faces(recipe: Recipe, data: Path, split: str) -> LabelledFaces:
    """The rows of one split that a recipe asks for, from a prepared folder or from the archive."""
    rows = read_faces(data, split, recipe.data.subset)
    return rows if recipe.data.limit is None else rows.keep(np.arange(len(rows)) < recipe.data.limit)


def _trainer(recipe: Recipe, run: Path, progress: bool) -> lightning.Trainer:
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    callbacks: list[Callback] = [
        ModelCheckpoint(run / "checkpoints", "best", monitor="val_kl", save_last=True, enable_version_counter=False),
    ]
    if recipe.optim.ema:
        callbacks.append(EMAWeightAveraging(decay=recipe.optim.ema))
    return lightning.Trainer(
        max_epochs=recipe.optim.epochs,
        precision=_precision(recipe),
        callbacks=callbacks,
        logger=[CSVLogger(run, name="metrics"), TensorBoardLogger(run, name="", version="tensorboard")],
        default_root_dir=run,
        enable_model_summary=False,
        enable_progress_bar=progress,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
    )


def _precision(recipe: Recipe) -> Literal["bf16-mixed", "32-true"]:
    # On a CPU bfloat16 must be asked for: with other nets (EfficientNet, RepVGG at 112 px) it crashed in torch 2.15.
    chosen: str = recipe.optim.precision
    if chosen == "auto":
        chosen = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return "bf16-mixed" if chosen == "bfloat16" else "32-true"


def _write_record(recipe: Recipe, run: Path) -> None:
    environment = {
        "emolens": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    try:
        run.mkdir(parents=True, exist_ok=True)
        (run / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (run / "environment.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{run}: cannot write the run folder ({error.strerror}); choose another --out") from None


def _commit() -> str:
    """The commit of the source tree, with `+` where it has uncommitted changes; empty outside a checkout."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=here, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
