"""The command that repeats a run, for the card of what it learnt."""

from __future__ import annotations

import json
import shlex
from pathlib import PurePath
from typing import Any

from emolens.learn.config import Recipe
from emolens.learn.config.base import differing, parsed
from emolens.learn.recipes import RECIPES, legacies

PLACES = ("teacher", "start", "weights", "faces", "skeletons", "scene", "crossvit")
"""Settings that name files, by the last part of their names. The folders of such a path are of one machine alone."""


def command_of(recipe: Recipe) -> str:
    """What `emolens train` is to be told for the run of this recipe, and how many epochs it takes.

    It is a known recipe of its task, that of its name or else the nearest, and every setting that is another.
    """
    known = [(made(), name) for name, made in RECIPES.items()]
    known += [(RECIPES[name](legacy=True), f"{name} --legacy") for name in legacies()]
    ways = [
        (each.name != recipe.name, _steps(each, recipe), words) for each, words in known if each.task == recipe.task
    ]
    _, steps, words = min(ways, key=lambda way: (way[0], len(way[1])))
    told = [f"--set {shlex.quote(step)}" for step in steps]
    return f"{' '.join(['emolens train', words, *told])}, {recipe.optim.epochs} epochs"


def _steps(known: Recipe, wanted: Recipe) -> list[str]:
    """The settings that make one recipe of another; the paper, which the card names anyway, is none of them."""
    net = wanted.net
    told = []
    if known.net.name != net.name:
        known, told = known.model_copy(update={"net": type(net).model_validate({})}), [f"net.name={net.name}"]
    others = differing(known, wanted).items()
    return told + [f"{name}={_text(name, value)}" for name, (_, value) in others if name != "source"]


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        kept = [PurePath(part).name if name.rpartition(".")[2] in PLACES else part for part in value.split(",")]
        text = ",".join(kept)
        return json.dumps(text) if parsed(text) != text else text  # a name such as 2026 would be read as a number
    return json.dumps(value, separators=(",", ":"))
