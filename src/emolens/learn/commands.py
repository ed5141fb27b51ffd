"""The command that repeats a run, for the card of what it learnt."""

from __future__ import annotations

import json
import shlex
from pathlib import PurePath
from typing import Any

from emolens.learn.config import Recipe
from emolens.learn.config.base import differing, fields
from emolens.learn.recipes import RECIPES, legacies

PLACES = ("teacher", "start", "weights", "faces", "skeletons", "scene", "crossvit")
"""Settings that name files, by the last part of their names. The folders of such a path are of one machine alone."""


def command_of(recipe: Recipe) -> str:
    """What `emolens train` is to be told for the run of this recipe, and how many epochs it takes."""
    known = [(made(), name) for name, made in RECIPES.items()]
    known += [(RECIPES[name](legacy=True), f"{name} --legacy") for name in legacies()]
    named = [(differing(each, recipe), words) for each, words in known if each.name == recipe.name]
    if not named:  # somebody's own, of which no command knows
        return f"{recipe.name}, {recipe.optim.epochs} epochs, seed {recipe.seed}"
    others, words = min(named, key=lambda one: len(one[0]))
    there = set(fields(recipe.model_dump(mode="json")))  # another net has other settings
    told = [
        f"--set {shlex.quote(f'{name}={_text(name, value)}')}"
        for name, (_, value) in others.items()
        if name in there and name != "source"  # of the paper, which the card names anyway
    ]
    return f"{' '.join(['emolens train', words, *told])}, {recipe.optim.epochs} epochs"


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        kept = [PurePath(part).name if name.rpartition(".")[2] in PLACES else part for part in value.split(",")]
        return ",".join(kept)
    return json.dumps(value, separators=(",", ":"))
