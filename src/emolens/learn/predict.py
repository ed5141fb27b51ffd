"""From a run folder back to a net, and from a net to a predictions table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emolens.errors import ModelError
from emolens.evaluation.asking import stated
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import Rows
from emolens.learn.cards import believed_shares
from emolens.learn.config import ExpressionRecipe
from emolens.learn.loading import rows_of
from emolens.learn.nets import build
from emolens.learn.nets.ensemble import Ensemble, PictureAndMirror
from emolens.learn.predict_evoked import predict_evoked
from emolens.learn.predict_group import predict_group
from emolens.learn.runs import load_weights, read_checkpoint, read_recipe, recipe_of
from emolens.models.classifier import softmax
from emolens.places import sha256
from emolens.taxonomy import convert


def load_member(run: Path, checkpoint: str = "last") -> nn.Module:
    """The net of a run with its averaged weights, in evaluation mode. `checkpoint` is `last` or `best`."""
    recipe = recipe_of(run, ExpressionRecipe)
    learnt = read_checkpoint(run, checkpoint)
    net = build(recipe.net, len(learnt.taxonomy))
    load_weights(net, learnt, learnt.taxonomy)
    return net.eval()


def load_runs(runs: Sequence[Path], checkpoint: str = "last") -> nn.Module:
    """Several runs' nets as an ensemble; one run's net on the picture and its mirror image."""
    members = [load_member(run, checkpoint) for run in runs]
    return (Ensemble(members) if len(members) > 1 else PictureAndMirror(members[0])).eval()


def predict_run(run: Path, rows: Rows, checkpoint: str = "last") -> Predictions:
    """What a run's net says about whole pictures, as the mean over each picture and its mirror image.

    With `features` (N, D) of the upright picture where the net gives them. Groups are seen once, see `predict_group`;
    for what pictures evoke see `predict_evoked`.
    Probabilities are not calibrated: `export` does that. Raises `ModelError` where the run cannot be read, `LabelError`
    where it shares no class with the rows.
    """
    if read_recipe(run).task == "group":
        return predict_group(run, rows, checkpoint)
    if read_recipe(run).task == "evoked":
        return predict_evoked(run, rows, checkpoint)
    net, recipe = load_member(run, checkpoint), recipe_of(run, ExpressionRecipe)
    images = rows.frames(recipe.net.size, recipe.data.colour == "grey")
    found, mirrored = outputs(net, images), outputs(net, np.ascontiguousarray(images[:, :, ::-1]))
    mean = (softmax(found["logits"]) + softmax(mirrored["logits"])) / 2
    together = np.log(np.maximum(mean, 1e-9)).astype(np.float32)
    learnt = read_checkpoint(run, checkpoint)
    return stated(
        rows, learnt.taxonomy, mean, mean, together, found.get("features"),
        model=f"{run.name}/{checkpoint}", sha=sha256(learnt.path),
    )  # fmt: skip


def train_prior(run: Path, rows: Rows) -> tuple[float, ...]:
    """The shares of the classes that a run takes for granted, in the order of `rows`, of the same data set as its own.

    Raises `ModelError` where they are not.
    """
    recipe = recipe_of(run, ExpressionRecipe)
    if rows.name != recipe.data.name:
        raise ModelError(
            f"{run}: learnt from {recipe.data.name}, whose shares --prior needs; export it and give the model"
        )
    learnt = rows_of(recipe, rows.folder, "train")
    shares, _ = convert(believed_shares(recipe, learnt), learnt.taxonomy, rows.taxonomy)
    return tuple(shares.tolist())


def logits(net: nn.Module, images: np.ndarray, batch: int = 256) -> np.ndarray:
    """Logits (N, K) of pictures, uint8 (N, H, W) grey or (N, H, W, 3) RGB."""
    return outputs(net, images, batch)["logits"]


@torch.inference_mode()
def outputs(net: nn.Module, images: np.ndarray, batch: int = 256) -> dict[str, np.ndarray]:
    """`logits` (N, K) and, where the net gives them, `features` (N, D) of pictures as in `logits`.

    Feature maps (N, C, h, w) are averaged over their places.
    """
    parts: dict[str, list[np.ndarray]] = {"logits": [], "features": []}
    for start in range(0, len(images), batch):
        given = net(planes(images[start : start + batch]))
        for name, found in parts.items():
            if name in given:
                found.append((given[name].mean(dim=(2, 3)) if given[name].ndim == 4 else given[name]).float().numpy())
    return {name: np.concatenate(found) for name, found in parts.items() if found}


def planes(images: np.ndarray) -> Tensor:
    """Pictures as a net takes them, float32 (N, 1 or 3, H, W) with values 0 to 255."""
    pictures = torch.from_numpy(np.array(images))  # a copy: memory that is mapped from disk may not be written to
    return (pictures.unsqueeze(1) if pictures.ndim == 3 else pictures.permute(0, 3, 1, 2)).float()
