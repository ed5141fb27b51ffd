"""Emotion from the map alone: a residual net on one plane of weights."""

from __future__ import annotations

import timm
from torch import Tensor, nn

from emolens.errors import UnknownName

CENTRE, SPREAD = 0.5, 0.25
"""Maps in [0, 1] are brought to about the range of the pictures that weights were learnt on."""


class MapClassifier(nn.Module):
    """A net of timm with one input plane, such as resnet18 or resnet50: maps (N, 1, H, W) in [0, 1] to logits (N, K).

    From `pretrained` weights (downloaded) the first layer takes the sum over the colours, timm's way: a map is seen as
    a grey picture, as with the mean of the source but for the scale.
    """

    def __init__(self, classes: int, name: str = "resnet18", pretrained: bool = False) -> None:
        super().__init__()
        if not timm.is_model(name):
            raise UnknownName("backbone of timm", name, timm.list_models())
        self.net: nn.Module = timm.create_model(name, in_chans=1, num_classes=classes, pretrained=pretrained)

    def forward(self, maps: Tensor) -> dict[str, Tensor]:
        return {"logits": self.net((maps - CENTRE) / SPREAD)}
