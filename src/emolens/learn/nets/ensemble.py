"""Several nets as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """The mean of the members' probabilities, as `logits` (N, K) = its logarithm.

    Every second member sees the picture mirrored: that buys most of what averaging each member over both views gives,
    at no cost.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        views = (images, images.flip(-1))
        votes = [member(views[i % 2])["logits"].softmax(dim=1) for i, member in enumerate(self.members)]
        return {"logits": torch.stack(votes).mean(dim=0).clamp_min(1e-9).log()}


class PictureAndMirror(nn.Module):
    """The mean of one net's probabilities for a picture and for its mirror image, as `logits` (N, K) = its logarithm.

    Both views go through the net as one batch: a file of it holds the weights once, not once a view.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        votes = self.net(torch.cat([images, images.flip(-1)]))["logits"].softmax(dim=1)  # (2 N, K)
        return {"logits": votes.unflatten(0, (2, -1)).mean(dim=0).clamp_min(1e-9).log()}
