"""From a run folder back to a net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from emolens.errors import ModelError
from emolens.learn.config import Recipe
from emolens.learn.nets import build
from emolens.learn.nets.ensemble import Ensemble
from emolens.taxonomy import FERPLUS


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
    recipe = read_recipe(run)
    path = run / "checkpoints" / f"{checkpoint}.ckpt"
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint; the run has not ended its first epoch, or has another name")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net = build(recipe.net, len(FERPLUS))
    net.load_state_dict({name.removeprefix("net."): value for name, value in state.items()})
    return net.eval()


def load_runs(runs: Sequence[Path], checkpoint: str = "last") -> nn.Module:
    """Several runs' nets as an ensemble; one run's net on the picture and its mirror image."""
    members = [load_member(run, checkpoint) for run in runs]
    return Ensemble(members if len(members) > 1 else members * 2).eval()


@torch.inference_mode()
def logits(net: nn.Module, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """Logits (N, K) of grey pictures uint8 (N, H, W)."""
    parts = [
        net(torch.from_numpy(images[start : start + batch]).unsqueeze(1).float())["logits"]
        for start in range(0, len(images), batch)
    ]
    return torch.cat(parts).numpy()
