"""From a run on evoked emotions back to its net, and to what it says about pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emolens.evaluation.asking import stated
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import Rows
from emolens.learn.config import EvokedRecipe
from emolens.learn.losses_evoked import unscaled
from emolens.learn.nets.backbone import TrunkRange
from emolens.learn.nets.wheel import EmotionWheelNet, wheel_net
from emolens.learn.runs import load_weights, read_checkpoint, recipe_of
from emolens.models.classifier import softmax
from emolens.places import sha256

BATCH = 8


class BothViews(nn.Module):
    """A net's answer for a picture and its mirror image, averaged; `features` are those of the picture.

    `values` are valence and arousal, 1 to 9.
    """

    def __init__(self, net: EmotionWheelNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        n = images.shape[0]
        found = self.net(torch.cat([images, images.flip(-1)]))
        logits, values = ((found[name][:n] + found[name][n:]) / 2 for name in ("logits", "values"))
        return {"logits": logits, "values": unscaled(values).clamp(1, 9), "features": found["features"][:n]}


def load_evoked(run: Path, checkpoint: str = "last") -> EmotionWheelNet:
    """The net of a run on evoked emotions, in evaluation mode. `checkpoint` is `last` or `best`."""
    recipe, learnt = recipe_of(run, EvokedRecipe), read_checkpoint(run, checkpoint)
    # A layer of any values: the run's own come from its checkpoint, and correlations would ask for its rows.
    anything = np.eye(len(learnt.taxonomy), dtype=np.float32)
    net = wheel_net(recipe.net, learnt.taxonomy, anything)
    load_weights(net, learnt, learnt.taxonomy)
    return net.eval()


def predict_evoked(run: Path, rows: Rows, checkpoint: str = "last") -> Predictions:
    """What a run's net says about pictures, both views averaged; nothing is calibrated here.

    Valence and arousal are there where the run learnt them.
    """
    recipe, learnt = recipe_of(run, EvokedRecipe), read_checkpoint(run, checkpoint)
    found = answers(load_evoked(run, checkpoint), rows.frames(recipe.net.size, grey=False))
    shares = softmax(found["logits"])
    return stated(
        rows, learnt.taxonomy, shares, shares, found["logits"], found["features"],
        model=f"{run.name}/{checkpoint}", sha=sha256(learnt.path), task="evoked",
        values=found["values"] if recipe.loss.values else None,
        prior=rows.mean_of_train(learnt.taxonomy) if rows.name == recipe.data.name else (),
    )  # fmt: skip


@torch.inference_mode()
def answers(net: EmotionWheelNet, images: np.ndarray, batch: int = BATCH) -> dict[str, np.ndarray]:
    """`logits` (N, K), `values` (N, 2) and the mean `features` (N, C) of pictures, RGB uint8 (N, S, S, 3)."""
    both, normal = BothViews(net).eval(), TrunkRange(net.trunk)
    parts: dict[str, list[np.ndarray]] = {"logits": [], "values": [], "features": []}
    for at in range(0, len(images), batch):
        seen = torch.from_numpy(images[at : at + batch].transpose(0, 3, 1, 2).astype(np.float32))
        found = both(normal(seen))
        for name, rows in parts.items():
            rows.append((found[name].mean(dim=(2, 3)) if name == "features" else found[name]).numpy())
    return {name: np.concatenate(rows) for name, rows in parts.items()}
