"""From a run on stimuli maps back to its net, and from the net to maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from emolens.evaluation.map_asking import MapModel
from emolens.learn.config import StimuliRecipe
from emolens.learn.nets.backbone import TrunkRange
from emolens.learn.nets.stimuli import StimuliNet, stimuli_net
from emolens.learn.runs import load_weights, read_checkpoint, recipe_of
from emolens.places import sha256
from emolens.taxonomy import Taxonomy

ONE_MAP = "stimuli"
"""The only label of a net that is told no emotion."""


def load_map_net(run: Path, checkpoint: str = "last") -> StimuliNet:
    """The net of a run with its averaged weights, in evaluation mode. `checkpoint` is `last` or `best`."""
    recipe = recipe_of(run, StimuliRecipe)
    learnt = read_checkpoint(run, checkpoint)
    net = stimuli_net(recipe.net, len(learnt.taxonomy))
    load_weights(net, learnt, learnt.taxonomy)
    return net.eval()


def map_labels(net: StimuliNet, classes: Taxonomy) -> tuple[str, ...]:
    """What the maps of a net are for: each of the classes it is told, or one for all."""
    return classes.classes if net.emotions else (ONE_MAP,)


def run_maps(run: Path, checkpoint: str = "last") -> MapModel:
    """What a run's net finds, as `evaluation.map_asking` asks for it. Raises `ModelError` where it cannot be read."""
    net, learnt = load_map_net(run, checkpoint), read_checkpoint(run, checkpoint)
    return MapModel(
        name=f"{run.name}/{checkpoint}",
        sha=sha256(learnt.path),
        size=recipe_of(run, StimuliRecipe).net.size,
        labels=map_labels(net, learnt.taxonomy),
        every=lambda images: every_map(net, images),
    )


@torch.inference_mode()
def every_map(net: StimuliNet, images: np.ndarray) -> np.ndarray:
    """The maps (n, K, S, S) of pictures uint8 (n, S, S, 3)."""
    seen = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
    return net.every(TrunkRange(net.trunk)(seen)).numpy()
