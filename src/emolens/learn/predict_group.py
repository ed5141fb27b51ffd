"""From a run on groups back to its net, and to what it says about rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from emolens.errors import DataError
from emolens.evaluation.asking import stated
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import Rows
from emolens.learn.begin import begin_unstored
from emolens.learn.config import GroupRecipe
from emolens.learn.loading_group import GroupRows, group_rows
from emolens.learn.nets.group import group_net
from emolens.learn.runs import load_weights, read_checkpoint, recipe_of
from emolens.learn.tasks.group import inputs_of
from emolens.models.classifier import softmax
from emolens.places import sha256

BATCH = 16


def load_group(run: Path, checkpoint: str = "last") -> nn.Module:
    """The net of a run on groups, in evaluation mode. `checkpoint` is `last` or `best`."""
    recipe = recipe_of(run, GroupRecipe)
    learnt = read_checkpoint(run, checkpoint)
    net = group_net(recipe.net, len(learnt.taxonomy))
    begin_unstored(net, recipe.begin)
    load_weights(net, learnt, learnt.taxonomy)
    return net.eval()


def predict_group(run: Path, rows: Rows, checkpoint: str = "last") -> Predictions:
    """What a run's net says about groups, each seen once, with the logits as they are; nothing is calibrated here.

    Faces and skeletons come from the folders that the run learnt from. Raises `DataError` for rows without a label,
    and what `group_rows` raises.
    """
    recipe, learnt = recipe_of(run, GroupRecipe), read_checkpoint(run, checkpoint)
    whole = recipe.model_copy(update={"data": recipe.data.model_copy(update={"limit": None})})
    there = group_rows(whole, rows.folder, rows.split)
    places = {name: at for at, name in enumerate(there.ids.tolist())}
    if missing := [name for name in rows.ids.tolist() if name not in places]:
        raise DataError(f"{rows.folder}, {rows.split}: {missing[0]!r} has no label; take rows that have one")
    asked = there.keep(np.array([places[name] for name in rows.ids.tolist()], int))
    logits = group_logits(load_group(run, checkpoint), asked)
    shares = softmax(logits)
    return stated(
        rows,
        learnt.taxonomy,
        shares,
        shares,
        logits,
        model=f"{run.name}/{checkpoint}",
        sha=sha256(learnt.path),
        task="group",
    )


@torch.inference_mode()
def group_logits(net: nn.Module, rows: GroupRows, batch: int = BATCH) -> np.ndarray:
    """Logits (N, K) of groups."""
    starts = range(0, len(rows), batch)
    batches = (rows.batch(np.arange(start, min(start + batch, len(rows)))) for start in starts)
    return np.concatenate([net(**inputs_of(one))["logits"].float().numpy() for one in batches])
