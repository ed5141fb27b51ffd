"""DAN: several attention heads that look at different places of a face."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Of the pixels of ImageNet, R, G, B, in levels 0 to 255."""


class Dan(nn.Module):
    """Distract your attention (Wen, Lin, Wang, Xu 2023, arXiv 2109.07270).

    Takes pictures (N, 1 or 3, H, W) with values 0 to 255, normalises them as ImageNet's, shows grey ones to the
    backbone as three equal channels, resized to `resolution` where one is given. Gives `logits` (N, K); `features`
    (N, D), the mean of the backbone's maps, which the affinity loss pulls to the centre of their class; `heads`
    (N, heads, D), log-shares of the heads in each feature, which the partition loss drives apart; and `attention`
    (N, heads, h, w), where each head looks. Training needs two or more pictures a batch: logits are normalised too.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, trunk: nn.Module, classes: int, heads: int = 4, resolution: int | None = None, dropout: float = 0
    ) -> None:
        super().__init__()
        width = int(trunk.num_features)  # type: ignore[arg-type]
        self.trunk = trunk
        self.resolution = resolution
        self.heads = nn.ModuleList(AttentionHead(width) for _ in range(heads))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        self.norm = nn.BatchNorm1d(classes)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        images = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        if self.resolution:
            side = (self.resolution, self.resolution)
            images = functional.interpolate(images, side, mode="bilinear", align_corners=False)
        maps = self.trunk(images)  # (N, D, h, w)
        seen, attention = zip(*(head(maps) for head in self.heads), strict=True)
        heads = torch.stack(seen, dim=1)  # (N, heads, D)
        if len(self.heads) > 1:
            heads = heads.log_softmax(dim=1)
        return {
            "logits": self.norm(self.head(self.dropout(heads.sum(dim=1)))),
            "features": maps.mean(dim=(2, 3)),
            "heads": heads,
            "attention": torch.cat(attention, dim=1),
        }


class AttentionHead(nn.Module):
    """One map of where to look, then a gate of what to look for: maps (N, D, h, w) to (N, D) and (N, 1, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, narrow = max(1, width // 2), max(1, width // 16)
        self.reduce = nn.Sequential(nn.Conv2d(width, half, 1), nn.BatchNorm2d(half))
        self.views = nn.ModuleList(
            nn.Sequential(nn.Conv2d(half, width, side, padding=pad), nn.BatchNorm2d(width))
            for side, pad in (((3, 3), (1, 1)), ((1, 3), (0, 1)), ((3, 1), (1, 0)))
        )
        self.gate = nn.Sequential(
            nn.Linear(width, narrow), nn.BatchNorm1d(narrow), nn.ReLU(inplace=True), nn.Linear(narrow, width),
            nn.Sigmoid(),
        )  # fmt: skip
        self.apply(_start)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        reduced = self.reduce(maps)
        # Added one by one: a stack would lay channels apart again, and the way back through normalisation from one
        # layout to the other takes ten times as long, a quarter of a step in bfloat16.
        square, wide, tall = (view(reduced) for view in self.views)
        total = square + wide + tall  # (N, D, h, w)
        where = functional.relu(total).sum(dim=1, keepdim=True)  # (N, 1, h, w)
        pooled = (maps * where).mean(dim=(2, 3))
        return pooled * self.gate(pooled), where


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(module.bias)
