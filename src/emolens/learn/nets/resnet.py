"""A residual net for small grey faces, trained from scratch."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, as in ResNet-18 (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        changed = self.second(functional.relu(self.first(maps)))
        return functional.relu(changed + self.shortcut(maps))


class SmallResNet(nn.Module):
    """Stages of residual blocks behind a 3 x 3 stem that keeps the side; each stage but the first halves it.

    The stem of ResNet for ImageNet quarters the side, which leaves a face of 48 pixels two places at the end; with this
    one six remain. A `stride` of 2 halves it there already. Maps (N, channels, H, W) to features (N, widths[-1], h, w).
    """

    def __init__(self, widths: tuple[int, ...], blocks: int = 2, channels: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.channels, self.num_features = channels, widths[-1]
        self.stem = _convolution(channels, widths[0], 3, stride)
        stages = [_stage(widths[0], widths[0], blocks, 1)]
        stages += [_stage(inputs, outputs, blocks, 2) for inputs, outputs in pairwise(widths)]
        self.stages = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(functional.relu(self.stem(images)))
        return features


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Residual(inputs, outputs, stride), *(Residual(outputs, outputs) for _ in range(blocks - 1)))


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))
