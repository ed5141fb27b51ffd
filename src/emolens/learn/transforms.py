"""Random changes of a whole batch of small pictures at once, on the device where they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from emolens.learn.config import Augment


def augment(images: Tensor, settings: Augment) -> Tensor:
    """Turn, scale, shift, mirror and blank pictures (N, C, H, W) at random; torch's global generator decides."""
    return erase(warp(images, random_affine(len(images), settings)), settings)


def random_affine(n: int, settings: Augment) -> Tensor:
    """Maps (N, 2, 3) from output to input in the coordinates of `affine_grid`, where a side runs from -1 to 1."""
    angle = _between(n, settings.rotate) * math.pi / 180
    zoom = _between(n, settings.scale)
    mirror = torch.where(torch.rand(n) < settings.flip, -1.0, 1.0)
    shift = 2 * _between(n, settings.shift)
    rise = 2 * _between(n, settings.shift)
    if settings.share < 1:
        angle, zoom, shift, rise = torch.stack([angle, zoom, shift, rise]) * (torch.rand(n) < settings.share)
    upend = torch.where(torch.rand(n) < settings.upend, -1.0, 1.0) if settings.upend else 1.0
    scale = 1 / (1 + zoom)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    return torch.stack([cos * mirror, -sin * upend, shift, sin * mirror, cos * upend, rise], dim=1).reshape(n, 2, 3)


def warp(images: Tensor, maps: Tensor, mode: str = "bilinear") -> Tensor:
    """Sample pictures (N, C, H, W) through maps (N, 2, 3), bilinear or `nearest`, mirrored past the edge.

    Pictures that stay where they are, or are only mirrored, are copied: sampling is most of what augmentation costs.
    """
    upright = maps.abs().eq(torch.eye(2, 3)).all(dim=2).all(dim=1) & (maps[:, 1, 1] > 0)
    if not upright.any():
        return _sampled(images, maps, mode)
    mirrored, moved = torch.nonzero(upright & (maps[:, 0, 0] < 0))[:, 0], torch.nonzero(~upright)[:, 0]
    found = images.clone()
    found[mirrored] = images[mirrored].flip(-1)
    if len(moved):
        found[moved] = _sampled(images[moved], maps[moved], mode)
    return found


def _sampled(images: Tensor, maps: Tensor, mode: str) -> Tensor:
    grid = functional.affine_grid(maps.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode, padding_mode="reflection", align_corners=False)


def erase(images: Tensor, settings: Augment) -> Tensor:
    """Fill a random rectangle of some pictures with their own mean (random erasing, Zhong et al. 2020)."""
    n, _, height, width = images.shape
    low, high = settings.erase_side
    tall, wide = (low + (high - low) * torch.rand(2, n, 1)) * torch.tensor([[[height]], [[width]]])
    top, left = torch.rand(n, 1) * (height - tall), torch.rand(n, 1) * (width - wide)
    rows, columns = torch.arange(height)[None], torch.arange(width)[None]
    inside = ((rows >= top) & (rows < top + tall))[:, :, None] & ((columns >= left) & (columns < left + wide))[:, None]
    inside &= (torch.rand(n) < settings.erase)[:, None, None]
    return torch.where(inside[:, None].to(images.device), images.mean(dim=(1, 2, 3), keepdim=True), images)


def _between(n: int, bound: float) -> Tensor:
    return (torch.rand(n) * 2 - 1) * bound
