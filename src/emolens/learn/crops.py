"""Random crops of whole pictures, a batch at once, on the device where they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from emolens.learn.config.group import Crops


def cropped(images: Tensor, size: int, settings: Crops) -> Tensor:
    """Pictures (N, 3, H, W) each cut at a random place and brought to (N, 3, size, size); torch's generator decides.

    A crop shows a share of the picture between `settings.area` and all of it, of a shape between 1 / ratio and ratio,
    and may be mirrored: what the group systems trained with (Szegedy et al. 2015, as torchvision does it).
    """
    n = len(images)
    share = settings.area + (1 - settings.area) * torch.rand(n)
    stretch = torch.exp((2 * torch.rand(n) - 1) * math.log(settings.ratio))
    wide, tall = ((share * stretch).sqrt().clamp(max=1), (share / stretch).sqrt().clamp(max=1))
    across, down = ((2 * torch.rand(n) - 1) * (1 - side) for side in (wide, tall))
    mirror = torch.where(torch.rand(n) < settings.flip, -1.0, 1.0)
    zero = torch.zeros(n)
    maps = torch.stack([wide * mirror, zero, across, zero, tall, down], dim=1).reshape(n, 2, 3)
    grid = functional.affine_grid(maps.to(images), [n, images.shape[1], size, size], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
