"""Several trunks as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SideBySide(nn.Module):
    """Trunks that halve a picture as often as each other, each shown all of it: their features lie side by side.

    Takes pictures (N, 3, H, W), normalised as the weights of all of them need, and gives (N, C, h, w), where C is the
    sum of theirs. Nets that were trained apart err apart, so that a head on all of them is surer than on the best.
    """

    def __init__(self, trunks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(trunks)
        widths: list[int] = [trunk.num_features for trunk in trunks]  # type: ignore[misc]
        self.num_features = sum(widths)
        self.pretrained_cfg = trunks[0].pretrained_cfg

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([trunk(images) for trunk in self.trunks], dim=1)
