"""A plain convolutional net for small grey faces, trained from scratch."""

from __future__ import annotations

from torch import Tensor, nn

STANDARD_FLOOR = 8.0
"""Added to each picture's standard deviation (grey levels), so that a blank picture is not blown up to noise."""


def standardise(images: Tensor) -> Tensor:
    """Give each picture (N, C, H, W) mean 0 and about unit spread: exposure varies from picture to picture."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    spread = (images - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return (images - mean) / (spread + STANDARD_FLOOR)


def _block(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, *(outputs,) * (depth - 1)):
        convolution = nn.Conv2d(width, outputs, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class Vgg(nn.Module):
    """Blocks of 3 x 3 convolutions and a pooling, the global mean, dropout and a linear layer.

    After VGG (Simonyan and Zisserman 2015) as Barsoum et al. (2016) cut it down for FER+. Takes grey pictures
    (N, 1, H, W) with values 0 to 255 and standardises each itself. Gives `logits` (N, K) and `features` (N, D).
    `depths` are the convolutions of each block, two where it is empty.
    """

    def __init__(
        self,
        classes: int,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        dropout: float = 0.3,
        depths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        depths = depths or (2,) * len(widths)
        self.blocks = nn.Sequential(*map(_block, (1, *widths[:-1]), widths, depths))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.blocks(standardise(images)).mean(dim=(2, 3))  # (N, D)
        return {"logits": self.head(self.dropout(features)), "features": features}
