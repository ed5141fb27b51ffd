"""Nets of groups by their names in a recipe."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from emolens.errors import OptionError
from emolens.learn.config.group import (
    FaceSetNet,
    FaceTrunk,
    GroupNet,
    HybridNet,
    PixelCrossVitNet,
    SceneNet,
    Trunk,
)
from emolens.learn.nets.backbone import backbone
from emolens.learn.nets.crossvit import CrossViT
from emolens.learn.nets.face_set import FaceSet
from emolens.learn.nets.hybrid import FaceAttention, Hybrid, PixelCrossVit
from emolens.learn.nets.scene import Pooled, Scene
from emolens.learn.nets.sides import check_side
from emolens.learn.nets.sphereface import SphereFace20, load_sphere20a

UNSTORED_SEED = 0
"""Draws the weights of a CrossViT that is in no checkpoint, so that each load has the same."""


def group_net(config: GroupNet, classes: int, pretrained: bool = False) -> nn.Module:
    """The net that a recipe names: with fresh weights, or with those that its parts start from if `pretrained`.

    Raises what `backbone` and `load_sphere20a` raise, `OptionError` for options that a backbone has not and where it
    is to begin with pictures that its backbone cannot see.
    """
    if isinstance(config, SceneNet):
        return Scene(_trunk(config.scene, pretrained, config.size), classes, config.dropout, config.pixels == "unit")
    if isinstance(config, FaceSetNet):
        return FaceSet(_faces(config.faces, pretrained), classes, config.faces.padding, config.dropout)
    if isinstance(config, PixelCrossVitNet):
        height, places = config.faces.height, config.faces.limit
        face = (height, height * 6 // 7)
        return PixelCrossVit(classes, config.size, face, places, config.width, config.crossvit, config.faces.padding)
    return Hybrid(
        Pooled(_trunk(config.scene, pretrained, config.size)),
        None if config.tokens == "grid" else _faces(config.faces, pretrained),
        _fusion(config),
        classes,
        config.width,
        config.dropout,
        config.faces.padding,
        config.scene_gradient,
        outside=not config.registered,
    )


def _fusion(config: HybridNet) -> nn.Module:
    if config.fusion != "crossvit":
        return FaceAttention(config.fusion, config.width, config.mixed, not config.attention_gradient)
    if config.registered:
        return CrossViT(config.width, config.faces.limit, config.crossvit)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNSTORED_SEED)
        return CrossViT(config.width, config.faces.limit, config.crossvit)


def _faces(config: FaceTrunk, pretrained: bool) -> SphereFace20:
    net = SphereFace20(config.widths, config.embed, config.height, config.transposed)
    if pretrained and config.weights != "none":
        load_sphere20a(net, Path(config.weights))
    return net


def _trunk(config: Trunk, pretrained: bool, side: int) -> nn.Module:
    trunk = _shaped(config, config.weights if pretrained else "none")
    if pretrained:
        check_side(trunk, config.backbone, "net.size", side)
    return trunk


def _shaped(config: Trunk, weights: str) -> nn.Module:
    if not config.options:
        return backbone(config.backbone, weights)
    try:
        return backbone(config.backbone, weights, **config.chosen)
    except TypeError as error:
        raise OptionError(f"options {', '.join(config.options)} of {config.backbone}: {error}") from None
