"""Recipes for facial expression."""

from __future__ import annotations

from emolens.learn.config import Optim, Recipe


def expression_ferplus() -> Recipe:
    """One member of the default model: a small VGG on the votes of FER+, from scratch.

    Cut down from Barsoum et al. (2016, arXiv 1608.01041), who also trained a VGG on the distribution of the votes.
    """
    return Recipe(
        name="expression_ferplus",
        source="after Barsoum et al. 2016, arXiv 1608.01041",
        optim=Optim(epochs=36, precision="bfloat16"),
    )
