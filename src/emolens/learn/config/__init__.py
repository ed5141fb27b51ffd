"""What a recipe says: typed, immutable, changed by name."""

from __future__ import annotations

import json

from pydantic import ValidationError

from emolens.errors import OptionError
from emolens.learn.config.base import Data, FoldedData, Optim, Recipe, Section, changed
from emolens.learn.config.evoked import EvokedData, EvokedLoss, EvokedRecipe, WheelNet
from emolens.learn.config.expression import (
    Augment,
    Distil,
    ExpressionData,
    ExpressionRecipe,
    Loss,
)
from emolens.learn.config.group import GroupData, GroupRecipe
from emolens.learn.config.nets import BackboneNet, DanNet, DepthwiseNet, Net, ResNet, VggNet
from emolens.learn.config.stimuli import MapAugment, MapLoss, MapNet, StimuliData, StimuliRecipe

RECIPE_TYPES: dict[str, type[Recipe]] = {
    "expression": ExpressionRecipe,
    "evoked": EvokedRecipe,
    "group": GroupRecipe,
    "stimuli": StimuliRecipe,
}
"""The kind of recipe that each task has."""


def parse_recipe(text: str) -> Recipe:
    """The recipe that a run folder's `recipe.json` holds. Raises `OptionError` where it is none."""
    try:
        return RECIPE_TYPES[json.loads(text)["task"]].model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise OptionError(f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg']}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(f"not a recipe ({type(error).__name__})") from None


__all__ = [
    "RECIPE_TYPES",
    "Augment",
    "BackboneNet",
    "DanNet",
    "Data",
    "DepthwiseNet",
    "Distil",
    "EvokedData",
    "EvokedLoss",
    "EvokedRecipe",
    "ExpressionData",
    "ExpressionRecipe",
    "FoldedData",
    "GroupData",
    "GroupRecipe",
    "Loss",
    "MapAugment",
    "MapLoss",
    "MapNet",
    "Net",
    "Optim",
    "Recipe",
    "ResNet",
    "Section",
    "StimuliData",
    "StimuliRecipe",
    "VggNet",
    "WheelNet",
    "changed",
    "parse_recipe",
]
