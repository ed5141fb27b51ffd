"""Recipes for what in a picture evokes its emotion."""

from __future__ import annotations

from emolens.learn.config import MapAugment, MapLoss, MapNet, Optim, StimuliRecipe

PAPER = "Peng, Sadovnik, Gallagher, Chen 2016, doi 10.1109/ICIP.2016.7532430"
SOURCE = "EmotionROI-ex 2023, after Peng et al. 2016"
PAPER_RATE = 1e-8 * 224 * 224 / 2
"""The paper's rate is for Caffe's Euclidean loss: half the sum over the pixels, where ours is their mean. The source
took the bare 1e-8 with a mean, at which nothing is learnt."""


def fcnel(legacy: bool = False) -> StimuliRecipe:
    """FCN-8s on EfficientNet-Lite0 from ImageNet, offline; with `legacy` the source's net, `fcnel_legacy`."""
    if legacy:
        return fcnel_legacy()
    return StimuliRecipe(name="fcnel", source=f"{PAPER}; Long et al. 2015, arXiv 1411.4038")


def emofcnel(legacy: bool = False) -> StimuliRecipe:
    """The same net told the emotion by FiLM; with `legacy` the source's net, `emofcnel_legacy`."""
    if legacy:
        return emofcnel_legacy()
    return StimuliRecipe(
        name="emofcnel",
        source=f"{SOURCE}; Perez et al. 2018, arXiv 1709.07871",
        net=MapNet(condition="film", embedding=16),
    )


def fcnel_paper() -> StimuliRecipe:
    """The paper's: FCN-32s on AlexNet from ImageNet (downloaded), Euclidean loss, 20 epochs at one rate."""
    return StimuliRecipe(
        name="fcnel_paper",
        source=PAPER,
        net=MapNet(architecture="fcn32s", backbone="alexnet", weights="timm", dropout=0.5, output="linear"),
        augment=MapAugment(crop=1, light=0),
        loss=MapLoss(mse=1, bce=0),
        optim=Optim(
            lr=PAPER_RATE, momentum=0.9, weight_decay=5e-4, schedule="step", gamma=1, epochs=20, batch=20, ema=0,
            warmup_epochs=0,
        ),
    )  # fmt: skip


def fcnel_legacy() -> StimuliRecipe:
    """The source's: a dilated ResNet-50, the score from zero, nearest pixels, squared error, 100 epochs, no early stop.

    It began with weights of a segmentation net on COCO: give torchvision's file as `net.weights`, else they are those
    of ImageNet (downloaded). Unlike there a tenth of `train` is `val`, and nothing is looked up on test.
    """
    return StimuliRecipe(
        name="fcnel_legacy",
        source=SOURCE,
        net=MapNet(
            architecture="dilated", backbone="resnet50", weights="timm", upsample="nearest", output="linear", zero=True
        ),
        augment=MapAugment(crop=0.08, light=0, nearest=True),
        loss=MapLoss(mse=1, bce=0),
        optim=Optim(lr=1e-2, weight_decay=5e-4, epochs=100, batch=20, ema=0, warmup_epochs=0, precision="float32"),
    )


def emofcnel_legacy() -> StimuliRecipe:
    """The source's with the emotion: six numbers a class, seen beside the colours at every pixel."""
    plain = fcnel_legacy()
    told = plain.net.model_copy(update={"condition": "broadcast"})
    return plain.model_copy(update={"name": "emofcnel_legacy", "net": told})
