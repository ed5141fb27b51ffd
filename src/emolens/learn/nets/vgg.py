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


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


class Vgg(nn.Module):
    """Blocks of two 3 x 3 convolutions and a pooling, the global mean, dropout and a linear layer.

    After VGG (Simonyan and Zisserman 2015) as Barsoum et al. (2016) cut it down for FER+. Takes grey pictures
    (N, 1, H, W) with values 0 to 255 and standardises each itself. Gives `logits` (N, K) and `features` (N, D).
    """

    def __init__(self, classes: int, widths: tuple[int, ...] = (32, 64, 128, 256), dropout: float = 0.3) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_block(i, o) for i, o in zip((1, *widths), widths, strict=False)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.blocks(standardise(images)).mean(dim=(2, 3))  # (N, D)
        return {"logits": self.head(self.dropout(features)), "features": features}
