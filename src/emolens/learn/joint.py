"""Random changes of pictures and, alike, of their maps."""

from __future__ import annotations

import torch
from torch import Tensor

from emolens.learn.config import MapAugment
from emolens.learn.transforms import warp

RATIOS = (3 / 4, 4 / 3)
"""Of the sides that are cut out, as torchvision's RandomResizedCrop has them."""


def augment_both(images: Tensor, maps: Tensor, settings: MapAugment) -> tuple[Tensor, Tensor]:
    """Cut, enlarge, mirror pictures (N, 3, H, W) and maps (N, 1, H, W) alike, then light the pictures otherwise.

    Pictures have values 0 to 255, maps 0 to 1; torch's global generator decides.
    """
    places = random_crops(len(images), settings)
    if settings.nearest:
        images, maps = warp(images, places), warp(maps, places, "nearest")
    else:  # one pass over both
        both = warp(torch.cat([images, 255 * maps], dim=1), places)
        images, maps = both[:, :3], (both[:, 3:] / 255).clamp(0, 1)
    return lit(images, settings.light), maps


def random_crops(n: int, settings: MapAugment) -> Tensor:
    """Maps (N, 2, 3) from output to input, as `transforms.warp` takes them, of boxes that lie in the picture.

    A box has at least a share `crop` of the area; one that would not fit for its ratio is cut at the sides.
    """
    area = settings.crop + (1 - settings.crop) * torch.rand(n)
    low, high = torch.tensor(RATIOS).log().tolist()
    ratio = (low + (high - low) * torch.rand(n)).exp() if settings.crop < 1 else torch.ones(n)
    wide, tall = (area * ratio).sqrt().clamp_max(1), (area / ratio).sqrt().clamp_max(1)
    mirror = torch.where(torch.rand(n) < settings.flip, -1.0, 1.0)
    right, down = ((2 * torch.rand(n) - 1) * (1 - side) for side in (wide, tall))
    nothing = torch.zeros(n)
    return torch.stack([mirror * wide, nothing, right, nothing, tall, down], dim=1).reshape(n, 2, 3)


def lit(images: Tensor, strength: float) -> Tensor:
    """Pictures with values 0 to 255, their brightness and contrast changed by up to `strength`, each its own way."""
    if not strength:
        return images
    gain, contrast = (1 + strength * (2 * torch.rand(2, len(images), 1, 1, 1, device=images.device) - 1)).unbind()
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (gain * (mean + contrast * (images - mean))).clamp(0, 255)
