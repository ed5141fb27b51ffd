"""A net for stimuli maps as one file: ONNX with its card, held to the net."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from emolens import __version__
from emolens.data.registry import reader
from emolens.errors import ModelError
from emolens.evaluation.map_asking import onnx_maps
from emolens.learn.commands import command_of
from emolens.learn.config import StimuliRecipe
from emolens.learn.export import FLOAT_TOLERANCE, embed, publish, write_onnx
from emolens.learn.nets.backbone import trunk_range
from emolens.learn.nets.stimuli import StimuliNet
from emolens.learn.predict_maps import ONE_MAP, every_map, load_map_net, map_labels
from emolens.learn.runs import read_checkpoint, recipe_of
from emolens.learn.tasks.stimuli import mapped_of
from emolens.models.card import Licences, ModelCard, Parity

SHOWN = 64
"""So many pictures of val show that file and net agree."""
LIMITS = (
    "Where people said that the cause of an emotion lies in a picture of their kind: no more is known of it, and "
    "nothing about the people in it. A map that hardly changes with the emotion is a map of what is looked at."
)


class EveryMap(nn.Module):
    """A net's maps under every emotion, (N, K, H, W), as `map`."""

    def __init__(self, net: StimuliNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"map": self.net.every(images)}


def export_stimuli(run: Path, data: Path, out: Path, checkpoint: str = "last") -> ModelCard:
    """Write `out` and its card: input `images`, output `map` (N, K, H, W), K the labels of the card.

    Raises `ModelError`, and writes nothing, where the file differs from the net by more than 1e-4 anywhere in the maps
    of pictures of `val`, or the folder holds no such run.
    """
    recipe, net = recipe_of(run, StimuliRecipe), load_map_net(run, checkpoint)
    labels = map_labels(net, read_checkpoint(run, checkpoint).taxonomy)
    val = mapped_of(recipe, data, "val")
    shown = np.asarray(val.images[:: max(1, len(val) // SHOWN)])
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        write_onnx(EveryMap(net).eval(), recipe.net.size, draft, 3, ("map",))
        card = _card(recipe, net, out.stem, labels, val.taxonomy.name)
        embed(draft, card)
        card = card.model_copy(update={"parity": map_parity(onnx_maps(draft).every(shown), every_map(net, shown))})
        embed(draft, card)
        publish(draft, card, out)
    return ModelCard.read(out.with_suffix(".json"))


def map_parity(exported: np.ndarray, original: np.ndarray) -> Parity:
    """Compare maps (N, K, H, W) of the file and of the net. Raises `ModelError` where they do not agree.

    The agreement is the share of pictures whose first map is brightest at the same place.
    """
    gap = float(np.abs(exported - original).max())
    if gap > FLOAT_TOLERANCE:
        raise ModelError(f"the exported file differs from the net by {gap:.1e}, {FLOAT_TOLERANCE} is allowed")
    one, other = (maps[:, 0].reshape(len(maps), -1).argmax(axis=1) for maps in (exported, original))
    return Parity(kind="float32", max_difference=gap, top1_agreement=float((one == other).mean()), n=len(exported))


def _card(recipe: StimuliRecipe, net: StimuliNet, name: str, labels: tuple[str, ...], taxonomy: str) -> ModelCard:
    low, span = trunk_range(net.trunk)
    info = reader(recipe.data.name).info
    what = f"one map for each of {len(labels)} emotions" if len(labels) > 1 else "one map"
    return ModelCard(
        name=name,
        version=__version__,
        task="stimuli",
        summary=f"What in a picture evokes its emotion: {what}",
        labels=labels,
        taxonomy=taxonomy if net.emotions else ONE_MAP,
        size=recipe.net.size,
        colour="rgb",
        picture="stretched",
        mean=low,
        std=span,
        training_data=f"{info.title}, its rows of train",
        training=f"{command_of(recipe)} ({recipe.source})",
        dataset=recipe.data.name,
        dataset_options=recipe.data.chosen,
        licences=Licences(
            code="MIT",
            data=f"{info.title}: {info.terms}",
            weights="as far as the terms of the data allow",
            commercial=False,
        ),
        limits=LIMITS,
    )
