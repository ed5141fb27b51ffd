"""From a run folder back to a net, and from a net to a predictions table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from emolens.data.registry import reader
from emolens.errors import ModelError
from emolens.evaluation.asking import stated
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import Rows
from emolens.learn.config import Recipe
from emolens.learn.nets import build
from emolens.learn.nets.ensemble import Ensemble
from emolens.models.session import softmax
from emolens.places import sha256
from emolens.taxonomy import FERPLUS, Taxonomy


def read_recipe(run: Path) -> Recipe:
    """The recipe of a run folder. Raises `ModelError` where it is none."""
    try:
        return Recipe.model_validate_json((run / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise ModelError(
            f"{run}: not a run folder, no readable recipe.json; give what `emolens train --out` wrote"
        ) from None


def load_member(run: Path, checkpoint: str = "last") -> nn.Module:
    """The net of a run with its averaged weights, in evaluation mode. `checkpoint` is `last` or `best`."""
    recipe, path = read_recipe(run), _checkpoint(run, checkpoint)
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net = build(recipe.net, len(run_classes(run)))
    # Losses with weights of their own, such as class centres, lie beside the net.
    net.load_state_dict({name[4:]: value for name, value in state.items() if name.startswith("net.")})
    return net.eval()


def load_runs(runs: Sequence[Path], checkpoint: str = "last") -> nn.Module:
    """Several runs' nets as an ensemble; one run's net on the picture and its mirror image."""
    members = [load_member(run, checkpoint) for run in runs]
    return Ensemble(members if len(members) > 1 else members * 2).eval()


def logits(net: nn.Module, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """Logits (N, K) of grey pictures uint8 (N, H, W)."""
    return outputs(net, images, batch)["logits"]


def run_classes(run: Path) -> Taxonomy:
    """The classes that a run learnt: those of the data set that its recipe names."""
    return reader(read_recipe(run).data.name).info.taxonomy or FERPLUS


def predict_run(run: Path, rows: Rows, checkpoint: str = "last") -> Predictions:
    """What a run's net says about whole pictures, as the mean over each picture and its mirror image.

    With `features` (N, D) of the upright picture where the net gives them. Probabilities are not calibrated: `export`
    does that. Raises `ModelError` where the run cannot be read, `LabelError` where it shares no class with the rows.
    """
    net, recipe = load_member(run, checkpoint), read_recipe(run)
    images = rows.frames(recipe.net.size, grey=True)
    found, mirrored = outputs(net, images), outputs(net, np.ascontiguousarray(images[:, :, ::-1]))
    mean = (softmax(found["logits"]) + softmax(mirrored["logits"])) / 2
    together = np.log(np.maximum(mean, 1e-9)).astype(np.float32)
    return stated(
        rows, run_classes(run), mean, mean, together, found.get("features"),
        model=f"{run.name}/{checkpoint}", sha=sha256(_checkpoint(run, checkpoint)),
    )  # fmt: skip


@torch.inference_mode()
def outputs(net: nn.Module, images: np.ndarray, batch: int = 256) -> dict[str, np.ndarray]:
    """`logits` (N, K) and, where the net gives them, `features` (N, D) of grey pictures uint8 (N, H, W).

    Feature maps (N, C, h, w) are averaged over their places.
    """
    parts: dict[str, list[np.ndarray]] = {"logits": [], "features": []}
    for start in range(0, len(images), batch):
        given = net(torch.from_numpy(np.array(images[start : start + batch])).unsqueeze(1).float())
        for name, found in parts.items():
            if name in given:
                found.append((given[name].mean(dim=(2, 3)) if given[name].ndim == 4 else given[name]).float().numpy())
    return {name: np.concatenate(found) for name, found in parts.items() if found}


def _checkpoint(run: Path, checkpoint: str) -> Path:
    path = run / "checkpoints" / f"{checkpoint}.ckpt"
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint; the run has not ended its first epoch, or has another name")
    return path
