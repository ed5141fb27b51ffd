"""Nets: numbers in, a dict out."""

from __future__ import annotations

from torch import nn

from emolens.learn.config import BackboneNet, DanNet, DepthwiseNet, Net, ResNet, VggNet
from emolens.learn.nets.backbone import backbone
from emolens.learn.nets.classifier import Classifier
from emolens.learn.nets.dan import Dan
from emolens.learn.nets.depthwise import Depthwise
from emolens.learn.nets.resnet import SmallResNet
from emolens.learn.nets.sides import check_side
from emolens.learn.nets.vgg import Vgg


def build(config: Net, classes: int, pretrained: bool = False) -> nn.Module:
    """The net that a recipe names: with fresh weights, or with those that its backbone starts from if `pretrained`.

    Raises what `backbone` raises, and `OptionError` where it is to begin with pictures that its backbone cannot see.
    """
    if isinstance(config, VggNet):
        return Vgg(classes, config.widths, config.dropout, config.depths)
    if isinstance(config, ResNet):
        small = SmallResNet(config.widths, config.blocks, stride=config.stride)
        return Classifier(small, classes, dropout=config.dropout)
    if isinstance(config, DepthwiseNet):
        return Classifier(Depthwise(config.widths), classes, dropout=config.dropout)
    if isinstance(config, DanNet):
        return Dan(_dan_trunk(config, pretrained), classes, config.heads, config.resolution, config.dropout)
    trunk = _backbone(config, pretrained, config.drop_path)
    return Classifier(trunk, classes, config.resolution, config.dropout, by_trunk=config.pixels == "trunk")


def _dan_trunk(config: DanNet, pretrained: bool) -> nn.Module:
    if config.widths:
        return SmallResNet(config.widths, config.blocks, channels=3, stride=config.stride)
    return _backbone(config, pretrained)


def _backbone(config: BackboneNet | DanNet, pretrained: bool, drop_path: float = 0.0) -> nn.Module:
    trunk = backbone(config.backbone, config.weights if pretrained else "none", drop_path)
    if pretrained:
        setting = "net.resolution" if config.resolution else "net.size"
        check_side(trunk, config.backbone, setting, config.resolution or config.size)
    return trunk
