"""Recipes by name: each is a function that returns a typed config."""

from __future__ import annotations

from collections.abc import Callable

from emolens.errors import UnknownName
from emolens.learn.config import Recipe
from emolens.learn.recipes.evoked import evoked_emotion6, evoked_folder, ew_mtcnn, ew_mtcnn_lite0
from emolens.learn.recipes.expression import (
    expression_ferplus,
    expression_ferplus_distilled,
    expression_ferplus_lite0,
)

RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        expression_ferplus,
        expression_ferplus_lite0,
        expression_ferplus_distilled,
        evoked_emotion6,
        evoked_folder,
        ew_mtcnn,
        ew_mtcnn_lite0,
    )
}


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises `UnknownName`."""
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]()
