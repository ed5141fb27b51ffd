"""Recipes for what pictures evoke."""

from __future__ import annotations

from emolens.learn.config import EvokedData, EvokedLoss, EvokedRecipe, Optim, WheelNet
from emolens.learn.config.expression import Augment

SOURCE = "Lai, Wan, Zeng 2022, J. Jiangxi Normal Univ. (Nat. Sci.) 2022(4) 363-371, as EW-MTCNN-unofficial"
LAMBDA = 0.7
"""Share of the KL divergence in the loss; the rest is cross-entropy to the keyword folder."""


def evoked_emotion6() -> EvokedRecipe:
    """The last stages of EfficientNet-Lite0 on the seven-way distributions of Emotion6, valence and arousal."""
    return EvokedRecipe(
        name="evoked_emotion6",
        source="Peng et al. 2015 (data); Tan and Le 2019, arXiv 1905.11946, from ImageNet",
        net=WheelNet(stages=4, drop_path=0.15, size=256),
        loss=EvokedLoss(values=0.5),
    )


def evoked_folder() -> EvokedRecipe:
    """The same net on folders of the eight emotions of Mikels: Artphoto by default, `data.name=fi` for FI.

    The classes, and how many there are, come from the data: a table with distributions goes with `data.name=table`.
    """
    return EvokedRecipe(
        name="evoked_folder",
        source="Machajdik and Hanbury 2010; You et al. 2016 (data)",
        data=EvokedData(name="artphoto"),
        net=WheelNet(stages=4, drop_path=0.15),
        loss=EvokedLoss(smoothing=0.2),
    )


def ew_mtcnn() -> EvokedRecipe:
    """EW-MTCNN with the constants of its code: VGG19-BN from ImageNet, six classes, the wheel frozen over the logits.

    The corrected head is the default; `--set net.legacy_head=true` is the original's. Its weights are downloaded; on
    two cores an epoch takes hours, so it is for those with a GPU.
    """
    return EvokedRecipe(
        name="ew_mtcnn",
        source=SOURCE,
        data=EvokedData(taxonomy="ekman6"),
        net=WheelNet(backbone="vgg19_bn", weights="timm", init="original"),
        augment=Augment(rotate=0, scale=0.6, shift=0.2, erase=0),
        loss=EvokedLoss(kl=LAMBDA, label=1 - LAMBDA),
        optim=Optim(lr=0.001, weight_decay=5e-4, epochs=20, warmup_epochs=0, batch=32, ema=0, precision="float32"),
    )


def ew_mtcnn_lite0() -> EvokedRecipe:
    """EW-MTCNN on the backbone that is there without a network: EfficientNet-Lite0, its last stages trained."""
    return ew_mtcnn().model_copy(
        update={
            "name": "ew_mtcnn_lite0",
            "net": WheelNet(init="original", stages=4),
            "optim": Optim(name="adamw", lr=1e-3, weight_decay=0.05, epochs=10, warmup_epochs=1, batch=32, ema=0.99),
        }
    )
