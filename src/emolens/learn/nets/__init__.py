"""Nets: numbers in, a dict out."""

from __future__ import annotations

from torch import nn

from emolens.learn.config import Net, VggNet
from emolens.learn.nets.backbone import backbone
from emolens.learn.nets.classifier import Classifier
from emolens.learn.nets.vgg import Vgg


def build(config: Net, classes: int, pretrained: bool = False) -> nn.Module:
    """The net that a recipe names: with fresh weights, or with those that its backbone starts from if `pretrained`."""
    if isinstance(config, VggNet):
        return Vgg(classes, config.widths, config.dropout)
    trunk = backbone(config.backbone, config.weights if pretrained else "none", config.drop_path)
    return Classifier(trunk, classes, config.resolution, config.dropout)
