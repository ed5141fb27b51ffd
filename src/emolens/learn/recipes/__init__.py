"""Recipes by name: each is a function that returns a typed config."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from emolens.errors import OptionError, UnknownName
from emolens.learn.config import Recipe
from emolens.learn.recipes.attention import (
    dan_affectnet7,
    dan_affectnet8,
    dan_ck_raf_aff,
    dan_rafdb,
    efficientnet_b3_ck_raf_aff,
)
from emolens.learn.recipes.evoked import evoked_emotion6, evoked_folder, ew_mtcnn, ew_mtcnn_lite0
from emolens.learn.recipes.expression import (
    dan_ferplus,
    expression_fer2013,
    expression_ferplus,
    expression_ferplus_distilled,
    expression_ferplus_lite0,
    phone_ferplus,
    resnet18_fer2013,
    resnet_ferplus,
)
from emolens.learn.recipes.group import GROUP_RECIPES
from emolens.learn.recipes.stimuli import emofcnel, emofcnel_legacy, fcnel, fcnel_legacy, fcnel_paper

RECIPES: dict[str, Callable[..., Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        expression_ferplus,
        expression_ferplus_lite0,
        expression_ferplus_distilled,
        phone_ferplus,
        resnet_ferplus,
        expression_fer2013,
        resnet18_fer2013,
        dan_ferplus,
        dan_rafdb,
        dan_affectnet7,
        dan_affectnet8,
        dan_ck_raf_aff,
        efficientnet_b3_ck_raf_aff,
        evoked_emotion6,
        evoked_folder,
        ew_mtcnn,
        ew_mtcnn_lite0,
        *GROUP_RECIPES,
        fcnel,
        fcnel_paper,
        fcnel_legacy,
        emofcnel,
        emofcnel_legacy,
    )
}


def recipe(name: str, legacy: bool = False) -> Recipe:
    """The recipe of that name; with `legacy` as its source was, faults included.

    Raises `UnknownName`, and `OptionError` for `legacy` where nothing of the source's faults is kept.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES, "'emolens recipes' says what each is")
    if not legacy:
        return RECIPES[name]()
    if name not in legacies():
        raise OptionError(f"recipe {name} has no legacy variant; those that have one: {', '.join(legacies())}")
    return RECIPES[name](legacy=True)


def legacies() -> tuple[str, ...]:
    """The names of the recipes that can repeat the faults of their sources."""
    return tuple(name for name, made in RECIPES.items() if "legacy" in inspect.signature(made).parameters)
