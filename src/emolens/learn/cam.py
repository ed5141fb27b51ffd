"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): where in a picture a net found what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.errors import ModelError
from emolens.evaluation.rows import Rows
from emolens.learn.config import EvokedRecipe, ExpressionRecipe
from emolens.learn.nets.backbone import TrunkRange
from emolens.learn.predict import load_member, planes
from emolens.learn.predict_evoked import load_evoked
from emolens.learn.runs import read_checkpoint, read_recipe, recipe_of

POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Dropout2d)


def run_cams(run: Path, rows: Rows, at: np.ndarray, names: list[str], checkpoint: str = "last") -> np.ndarray:
    """Heat float32 (n, H, W) in [0, 1] of a run's net, for the rows `at` (n,) and the name of one class for each."""
    learnt = read_checkpoint(run, checkpoint)
    net, size, grey = _asked(run, checkpoint)
    classes = torch.tensor([learnt.taxonomy.index(name) for name in names])
    return grad_cam(net, planes(rows.frames(size, grey)[at]), classes)


def _asked(run: Path, checkpoint: str) -> tuple[nn.Module, int, bool]:
    """The net of a run for pictures with values 0 to 255, their side, and whether they are grey."""
    if isinstance(recipe := read_recipe(run), EvokedRecipe):
        net = load_evoked(run, checkpoint)
        return nn.Sequential(TrunkRange(net.trunk), net).eval(), recipe.net.size, False
    recipe = recipe_of(run, ExpressionRecipe)
    return load_member(run, checkpoint), recipe.net.size, recipe.data.colour == "grey"


def grad_cam(net: nn.Module, images: Tensor, classes: Tensor) -> np.ndarray:
    """Heat float32 (N, H, W) in [0, 1] for pictures (N, C, H, W) and the class (N,) whose logit is asked about.

    The channels of the last feature map, which is what a `trunk` gives, are weighted by their mean gradient, summed,
    cut at zero, resized bilinearly, and each map divided by its own largest value. Raises `ModelError` for a net
    without a feature map.
    """
    with torch.enable_grad(), _watched(net) as maps:
        given = net(images.requires_grad_())
        if not maps:
            raise ModelError("the net has no feature map with height and width; Grad-CAM needs one")
        last = maps[-1]
        chosen = given["logits"].gather(1, classes.unsqueeze(1)).sum()
        (slope,) = torch.autograd.grad(chosen, last)
    weights = slope.mean(dim=(2, 3), keepdim=True)
    heat = functional.relu((weights * last.detach()).sum(dim=1, keepdim=True))
    heat = functional.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return np.asarray((heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)).numpy(), np.float32)


@contextmanager
def _watched(net: nn.Module) -> Iterator[list[Tensor]]:
    """What has height and width, in the order it was made: of a net's `trunk`, or else of the net, and of its leaves.

    What a trunk gives ends the list: leaves behind it are branches of a head, and leaves in it may be the shortcut of a
    block that adds outside of any module. Those are left for trunks that end with one place. Pooling is not looked at.
    """
    maps: list[Tensor] = []
    seeing = next((part for name, part in net.named_modules() if name.rpartition(".")[2] == "trunk"), net)

    def keep(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1 and output.requires_grad:
            maps.append(output)

    leaves = [m for m in seeing.modules() if not list(m.children()) and not isinstance(m, POOLING)]
    hooks = [part.register_forward_hook(keep) for part in dict.fromkeys((*leaves, seeing))]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()
