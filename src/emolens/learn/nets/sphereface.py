"""SphereFace-20, the net for aligned faces that the group systems look at faces with."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from emolens.learn.nets.backbone import load_tensors, take_tensors

PAIRS = (1, 2, 4, 1)
"""Residual pairs of convolutions in each stage, behind a first convolution that halves the side."""
MEAN, STD = 127.5, 128.0
"""What its published weights were trained with, on levels 0 to 255."""


class SphereFace20(nn.Module):
    """Twenty layers with PReLU and no normalisation (Liu et al. 2017, arXiv 1704.08063); the last but one is given out.

    Takes faces RGB (M, 3, h, w) with values 0 to 255, aligned by five points, and resizes them to `height` and 6/7 of
    it; gives embeddings (M, `width`). Tensors are named as in sphere20a, so the published weights fit. They were
    trained on blue, green, red, which is turned here. `transposed` is how the group systems fed it: faces 96 high and
    112 wide, RGB, 0 to 1; it fits only because 6 x 7 = 7 x 6.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        embed: int = 512,
        height: int = 112,
        transposed: bool = False,
    ) -> None:
        super().__init__()
        short = height * 6 // 7
        self.side = (short, height) if transposed else (height, short)
        self.transposed = transposed
        self.width = embed
        inputs = 3
        for stage, (width, pairs) in enumerate(zip(widths, PAIRS, strict=True), start=1):
            for at in range(1, 2 * pairs + 2):
                first = nn.Conv2d(inputs if at == 1 else width, width, 3, 2 if at == 1 else 1, padding=1)
                _start(first, at)
                self.add_module(f"conv{stage}_{at}", first)
                self.add_module(f"relu{stage}_{at}", nn.PReLU(width))
            inputs = width
        places = _halved(self.side[0]) * _halved(self.side[1])
        self.fc5 = nn.Linear(widths[-1] * places, embed)

    def forward(self, faces: Tensor) -> Tensor:
        maps = self._as_trained(faces)
        for stage, pairs in enumerate(PAIRS, start=1):
            maps = self._layer(maps, stage, 1)
            for at in range(2, 2 * pairs + 2, 2):
                maps = maps + self._layer(self._layer(maps, stage, at), stage, at + 1)
        embedding: Tensor = self.fc5(maps.flatten(1))
        return embedding

    def _layer(self, maps: Tensor, stage: int, at: int) -> Tensor:
        found: Tensor = self.get_submodule(f"relu{stage}_{at}")(self.get_submodule(f"conv{stage}_{at}")(maps))
        return found

    def _as_trained(self, faces: Tensor) -> Tensor:
        if tuple(faces.shape[-2:]) != self.side:
            faces = functional.interpolate(faces, self.side, mode="bilinear", align_corners=False)
        return faces / 255 if self.transposed else (faces.flip(1) - MEAN) / STD


def _start(layer: nn.Conv2d, at: int) -> None:
    """Convolutions inside a residual pair start small, as in the source, the others by Glorot."""
    if at == 1:
        nn.init.xavier_uniform_(layer.weight)
    else:
        nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def _halved(side: int) -> int:
    for _ in PAIRS:
        side = (side + 1) // 2
    return side


def load_sphere20a(net: SphereFace20, path: Path) -> None:
    """Give `net` the published weights of sphere20a; the layer for the people that it was trained on is left out.

    Raises `ModelError` where the file is not there, is no checkpoint of tensors or one of another net.
    """
    given = load_tensors(path, "net.faces.weights", "sphere20a_20171020.pth or none")
    reason = "it is not sphere20a, or the net has another net.faces.widths"
    take_tensors(net, given, f"net.faces.weights={path}", reason)
