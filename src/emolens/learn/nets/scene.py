"""The scene of a picture, or its skeletons: a backbone with a linear head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emolens.learn.nets.backbone import trunk_range


class Scene(nn.Module):
    """Whole pictures (N, 3, H, W), RGB 0 to 255, to `logits` (N, K) and `features` (N, D).

    A backbone, the mean of its maps over the picture, dropout and a linear layer: what the group systems learn from a
    scene and from skeletons drawn on black.
    """

    def __init__(self, trunk: nn.Module, classes: int, dropout: float = 0.0, unit: bool = False) -> None:
        super().__init__()
        self.scene = Pooled(trunk, unit)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.scene.width, classes)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.scene(image)
        return {"logits": self.head(self.dropout(features)), "features": features}


class Pooled(nn.Module):
    """The mean of a trunk's maps over a picture: (N, 3, H, W), 0 to 255, to (N, D).

    Pictures are normalised as the trunk's weights want, or with `unit` only brought to 0 to 1.
    """

    low: Tensor
    span: Tensor

    def __init__(self, trunk: nn.Module, unit: bool = False) -> None:
        super().__init__()
        self.trunk = trunk
        self.width = int(trunk.num_features)  # type: ignore[arg-type]
        low, span = ((0.0,) * 3, (255.0,) * 3) if unit else trunk_range(trunk)
        self.register_buffer("low", torch.tensor(low).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("span", torch.tensor(span).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        pooled: Tensor = self.trunk((image - self.low) / self.span).mean(dim=(2, 3))
        return pooled
