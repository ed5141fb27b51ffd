"""A run folder: what is in it, how it is begun and read back.

`recipe.json`, `environment.json`, `metrics/version_N/metrics.csv` (N counts the times it was resumed), TensorBoard
logs, and `checkpoints/last.ckpt` and `best.ckpt` (best on `val`), whose weights are the averaged ones.
"""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from emolens import __version__
from emolens.errors import CardError, ModelError, OptionError, OutputError
from emolens.files import replacing
from emolens.learn.config import Recipe, parse_recipe
from emolens.learn.config.base import differing
from emolens.places import RECIPE
from emolens.taxonomy import Taxonomy

Kind = TypeVar("Kind", bound=Recipe)


def last_checkpoint(run: Path) -> Path:
    """Where a run keeps the checkpoint that it goes on from."""
    return run / "checkpoints" / "last.ckpt"


def read_recipe(run: Path) -> Recipe:
    """The recipe of a run folder. Raises `ModelError` where it is none."""
    try:
        return parse_recipe((run / RECIPE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ModelError(
            f"{run}: not a run folder, no readable recipe.json; give what `emolens train --out` wrote"
        ) from None
    except OptionError as error:
        raise ModelError(f"{run}: its recipe.json is none of this version ({error}); train the run again") from None


def recipe_of(run: Path, kind: type[Kind]) -> Kind:
    """The recipe of a run of one task, as `ExpressionRecipe`. Raises `ModelError` where it is of another, or none."""
    recipe = read_recipe(run)
    if not isinstance(recipe, kind):
        needed = kind.model_fields["task"].default
        raise ModelError(f"{run}: a run of task {recipe.task}, needs one of {needed}")
    return recipe


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a run learnt: the averaged weights of its net by name, and the classes that its answers are about."""

    path: Path
    weights: dict[str, torch.Tensor]
    taxonomy: Taxonomy


def read_checkpoint(run: Path, which: str = "last") -> Checkpoint:
    """A checkpoint of a run; `which` is `last` or `best`.

    Raises `ModelError` where it is not there, cannot be read or holds what is no number, `CardError` where it does not
    name its classes.
    """
    path = run / "checkpoints" / f"{which}.ckpt"
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint; the run has not ended its first epoch, or has another name")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        # Losses with weights of their own, such as class centres, lie beside the net.
        state = content["state_dict"].items()
        weights = {name.removeprefix("net."): value for name, value in state if name.startswith("net.")}
    except Exception as error:  # torch raises what its unpickler and zip reader do
        raise ModelError(f"{path}: not a readable checkpoint ({type(error).__name__}); {_instead(path)}") from None
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise ModelError(f"{path}: holds weights that are no numbers; {_instead(path)}")
    labels = content.get("labels")
    if labels is None:
        raise CardError(f"{path}: does not name its classes, and they cannot be guessed; train the run again")
    return Checkpoint(path, weights, Taxonomy(labels["taxonomy"], tuple(labels["classes"])))


def _instead(path: Path) -> str:
    """What to do where a checkpoint is of no use."""
    if path.name == "last.ckpt" and path.with_name("best.ckpt").is_file():
        return "train the run again, or take its best.ckpt: predict, evaluate and export have --best"
    return "train the run again"


def load_weights(net: nn.Module, checkpoint: Checkpoint, taxonomy: Taxonomy) -> None:
    """Give `net` the weights of a checkpoint. Raises `ModelError` where its classes or its tensors are others."""
    if checkpoint.taxonomy.classes != taxonomy.classes:
        raise ModelError(
            f"{checkpoint.path}: knows {', '.join(checkpoint.taxonomy.classes)}; {taxonomy.name} is needed: "
            f"{', '.join(taxonomy.classes)}"
        )
    try:
        net.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        raise ModelError(f"{checkpoint.path}: weights of another net ({' '.join(str(error).split())[:150]})") from None


def check_place(run: Path, resume: bool) -> None:
    """Raises `OutputError` where a run would be overwritten, `OptionError` where there is nothing to resume."""
    last = last_checkpoint(run)
    if resume and not last.is_file():
        raise OptionError(f"{run}: nothing to resume, no checkpoints/last.ckpt; leave out --resume to start")
    if not resume and last.exists():
        raise OutputError(f"{run}: holds a run already; give --resume to go on or another --out to start anew")


def check_resumed(recipe: Recipe, run: Path) -> None:
    """Raises `OptionError` where a run was begun with other settings than `recipe`'s; only its epochs may be others.

    Also raises what `read_checkpoint` raises where its checkpoint cannot be read.
    """
    read_checkpoint(run)
    for name, (begun, given) in differing(read_recipe(run), recipe).items():
        if name not in ("optim.epochs", "source"):  # a later version may name the paper in other words
            raise OptionError(
                f"{run}: was begun with {name}={begun}, now it is {given}; resume with the recipe and the --set that "
                "it was begun with (optim.epochs may be another), or start anew with another --out"
            )


def stopped_early(run: Path, epochs: int) -> bool:
    """Whether a run ended because `val` gained nothing for as long as its recipe waits; it would end so again.

    Raises `OptionError` where it did and is asked to learn for more `epochs` than before.
    """
    states = torch.load(last_checkpoint(run), map_location="cpu", weights_only=True)["callbacks"]
    ended = any(state.get("wait_count", 0) >= state["patience"] for state in states.values() if "patience" in state)
    if ended and epochs > read_recipe(run).optim.epochs:
        raise OptionError(
            f"{run}: optim.stop_after ended it, and would again; to learn longer begin anew with another --out"
        )
    return ended


def write_record(recipe: Recipe, run: Path) -> None:
    """Write what repeats the run. Raises `OutputError` where the folder cannot be written."""
    environment = {
        "emolens": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    texts = {RECIPE: recipe.model_dump_json(indent=2), "environment.json": json.dumps(environment, indent=2)}
    for name, text in texts.items():
        with replacing(run / name) as draft:  # a resumed run has these already, and must not lose them
            draft.write_text(text + "\n", encoding="utf-8")


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that take their place whole: a kill or a full disk in the middle leaves the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with replacing(Path(path)) as draft:
            super().save_checkpoint(checkpoint, draft, storage_options)


class RunCheckpoints(ModelCheckpoint):
    """Checkpoints of a run folder, which may have been moved since: Lightning would then forget the best so far."""

    @property
    def state_key(self) -> str:
        # Lightning names a callback's state after its class; runs from before this one have it under that of Lightning.
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        paths = {name: self._here(state_dict[name]) for name in state_dict if name.endswith("_path")}
        best = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else path


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
