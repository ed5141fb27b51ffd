"""Nets: numbers in, a dict out."""

from __future__ import annotations

from torch import nn

from emolens.learn.config import Net
from emolens.learn.nets.vgg import Vgg


def build(config: Net, classes: int) -> nn.Module:
    """The net that a recipe names, with fresh weights."""
    return Vgg(classes, config.widths, config.dropout)
