"""From a run folder back to a net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emolens.errors import ModelError
from emolens.learn.config import ExpressionRecipe
from emolens.learn.nets import build
from emolens.learn.nets.ensemble import Ensemble
from emolens.learn.runs import load_weights, read_checkpoint, read_recipe


def load_member(run: Path, checkpoint: str = "last") -> nn.Module:
    """The net of a run with its averaged weights, in evaluation mode. `checkpoint` is `last` or `best`."""
    recipe = expression_recipe(run)
    learnt = read_checkpoint(run, checkpoint)
    net = build(recipe.net, len(learnt.taxonomy))
    load_weights(net, learnt, learnt.taxonomy)
    return net.eval()


def expression_recipe(run: Path) -> ExpressionRecipe:
    """The recipe of a run on expressions. Raises `ModelError` where it is one of another task."""
    recipe = read_recipe(run)
    if not isinstance(recipe, ExpressionRecipe):
        raise ModelError(f"{run}: a run of task {recipe.task}, needs one of expression")
    return recipe


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
