"""A backbone with a linear head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from emolens.learn.nets.backbone import TrunkRange
from emolens.learn.nets.vgg import standardise


class Classifier(nn.Module):
    """The global mean of a backbone's features, dropout and a linear layer.

    Takes pictures (N, 1 or 3, H, W) with values 0 to 255, standardises each itself or, with `by_trunk`, all as the
    backbone's weights want, shows grey ones to a backbone for colours as three equal channels, and resizes them to
    `resolution` (bilinear): backbones that halve the picture five times leave nothing of a small face. Gives `logits`
    (N, K) and `features` (N, D).
    """

    def __init__(
        self,
        trunk: nn.Module,
        classes: int,
        resolution: int | None = None,
        dropout: float = 0.2,
        by_trunk: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.normalise = TrunkRange(trunk) if by_trunk else standardise
        self.channels = int(getattr(trunk, "channels", 3))
        self.resolution = resolution
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(int(trunk.num_features), classes)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        images = self.normalise(images).expand(-1, self.channels, -1, -1)
        if self.resolution:
            side = (self.resolution, self.resolution)
            images = functional.interpolate(images, side, mode="bilinear", align_corners=False)
        features = self.trunk(images).mean(dim=(2, 3))  # (N, D)
        return {"logits": self.head(self.dropout(features)), "features": features}
