"""A net for phones: depthwise convolutions on small grey faces, trained from scratch."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class Depthwise(nn.Module):
    """A stem, then two pairs of a depthwise 3 x 3 and a 1 x 1 convolution a stage (MobileNet, Howard et al. 2017).

    The stem and each stage but the first halve the side; the last stage has three pairs. Maps (N, 1, H, W) to features
    (N, widths[-1], h, w). With widths 32, 64, 128, 256 at 48 px: 0.21 million parameters, 4.4 million multiplications.
    """

    channels = 1

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.num_features = widths[-1]
        layers = [*_normed(nn.Conv2d(1, widths[0], 3, 2, padding=1, bias=False)), *_pair(widths[0], widths[0])]
        for inputs, outputs in pairwise(widths):
            layers += [*_pair(inputs, outputs, 2), *_pair(outputs, outputs)]
        self.layers = nn.Sequential(*layers, *_pair(widths[-1], widths[-1]))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features


def _pair(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    spatial = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
    return [*_normed(spatial), *_normed(nn.Conv2d(inputs, outputs, 1, bias=False))]


def _normed(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)]
