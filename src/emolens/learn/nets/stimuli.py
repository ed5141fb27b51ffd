"""FCNEL and EmoFCNEL: fully convolutional nets from a picture to the map of what in it evokes its emotion.

Peng, Sadovnik, Gallagher, Chen, ICIP 2016 (FCNEL: FCN-32s on AlexNet), after Long, Shelhamer, Darrell 2015, arXiv
1411.4038 (FCN-8s, FCN-32s); EmotionROI-ex trained a dilated ResNet-50 and told one of its nets the emotion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.errors import OptionError
from emolens.learn.config import MapNet
from emolens.learn.nets.backbone import StillNet, before_last, load_tensors
from emolens.learn.nets.map_trunks import STRIDES, AlexNet, Pyramid, widen

HEAD_WIDTH = 512
MODES = {"bilinear": "bilinear", "nearest": "nearest-exact"}


class SkipHead(nn.Module):
    """The scores of FCN-8s: from the coarsest layer up, each is enlarged twice and added to the next finer one.

    With `hidden` = 1 these are the paper's scores; with more they are features, and a last layer gives the score.
    """

    def __init__(self, widths: Sequence[int], hidden: int, dropout: float, mode: str) -> None:
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(width, hidden, 1) for width in widths)
        self.last = nn.Identity() if hidden == 1 else _last_layers(hidden, hidden, dropout)
        self.mode = mode

    def forward(self, layers: list[Tensor]) -> Tensor:
        *finer, coarsest = [score(layer) for score, layer in zip(self.scores, layers, strict=True)]
        total = coarsest
        for score in reversed(finer):
            total = enlarged(total, score, self.mode) + score
        found: Tensor = self.last(total)
        return found


def _last_layers(inputs: int, width: int, dropout: float) -> nn.Sequential:
    """What torchvision's FCNHead is: a 3 x 3 convolution, normalised, and the score."""
    convolution = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(width, 1, 1))


class OneLayerHead(nn.Module):
    """A head that sees the last layer only: one score (FCN-32s), or FCNHead (`deep`)."""

    def __init__(self, width: int, deep: bool, dropout: float) -> None:
        super().__init__()
        self.last = _last_layers(width, HEAD_WIDTH, dropout) if deep else nn.Conv2d(width, 1, 1)

    def forward(self, layers: list[Tensor]) -> Tensor:
        found: Tensor = self.last(layers[-1])
        return found


class Film(nn.Module):
    """Feature-wise linear modulation (Perez et al. 2018, arXiv 1709.07871): an emotion scales and shifts each feature.

    It starts as no change.
    """

    def __init__(self, embedding: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.changes = nn.ModuleList(nn.Linear(embedding, 2 * width) for width in widths)
        for change in self.changes:
            nn.init.zeros_(change.weight)  # type: ignore[arg-type]
            nn.init.zeros_(change.bias)  # type: ignore[arg-type]

    def forward(self, layers: list[Tensor], told: Tensor) -> list[Tensor]:
        changed = []
        for layer, change in zip(layers, self.changes, strict=True):
            scale, shift = change(told)[:, :, None, None].chunk(2, dim=1)
            changed.append(layer * (1 + scale) + shift)
        return changed


class StimuliNet(StillNet):
    """A trunk that gives layers of several strides, a head that makes one score a place, and the way back to pixels.

    Takes pictures (N, 3, H, W), normalised as the trunk's weights need, and with `emotions` > 0 the emotion of each,
    int64 (N,). Gives `logits` (N, 1, H, W), the score as it is, and `map` (N, 1, H, W) in [0, 1].
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, settings: MapNet, emotions: int = 0) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.mode, self.linear = MODES[settings.upsample], settings.output == "linear"
        self.emotions = emotions
        self.embedding = nn.Embedding(emotions, settings.embedding) if emotions else None
        self.film: Film | None = None
        self.beside = bool(emotions) and settings.condition == "broadcast"
        if self.beside:
            widen(trunk, settings.embedding)
        elif emotions:
            self.film = Film(settings.embedding, trunk.widths)  # type: ignore[arg-type]

    def forward(self, images: Tensor, emotion: Tensor | None = None) -> dict[str, Tensor]:
        told = None if self.embedding is None else self.embedding(_given(emotion))
        return self._scored(self._layers(images, told), told, images)

    def every(self, images: Tensor) -> Tensor:
        """The map under every emotion, (N, K, H, W); of a net that is told none the one map, K = 1."""
        if self.embedding is None:
            return self(images)["map"]  # type: ignore[no-any-return]
        layers = None if self.beside else self.trunk(images)
        maps = []
        for row in self.embedding.weight:
            told = row.expand(images.shape[0], -1)
            seen = self._layers(images, told) if layers is None else layers
            maps.append(self._scored(seen, told, images)["map"])
        return torch.cat(maps, dim=1)

    def _layers(self, images: Tensor, told: Tensor | None) -> list[Tensor]:
        if told is not None and self.beside:
            planes = told[:, :, None, None].expand(-1, -1, *images.shape[2:])
            images = torch.cat([images, planes], dim=1)
        found: list[Tensor] = self.trunk(images)
        return found

    def _scored(self, layers: list[Tensor], told: Tensor | None, images: Tensor) -> dict[str, Tensor]:
        if self.film is not None and told is not None:
            layers = self.film(layers, told)
        logits = enlarged(self.head(layers), images, self.mode)
        return {"logits": logits, "map": logits.clamp(0, 1) if self.linear else logits.sigmoid()}

    def begin_at(self, level: float) -> None:
        """Let a sigmoid's map start at `level` everywhere, the mean of the true maps: these are mostly dark, and many
        steps would go into learning that alone (as Lin et al. 2017, arXiv 1708.02002, begin with rare objects).
        """
        if not self.linear:
            level = min(max(level, 1e-3), 1 - 1e-3)
            nn.init.constant_(_score(self.head).bias, math.log(level / (1 - level)))  # type: ignore[arg-type]

    def hold(self, stages: int) -> None:
        """Train only the last `stages` of the trunk's stages; the rest keep their weights and their statistics."""
        self.keep_still(before_last(self.trunk.net if isinstance(self.trunk, Pyramid) else self.trunk, stages))


def _given(emotion: Tensor | None) -> Tensor:
    if emotion is None:
        raise OptionError("this net is told the emotion; give the index of a class for each picture")
    return emotion


def enlarged(scores: Tensor, like: Tensor, mode: str) -> Tensor:
    """Scores (N, C, h, w) at the height and width of `like`."""
    size = (like.shape[2], like.shape[3])
    options = {"align_corners": False} if mode == "bilinear" else {}
    return functional.interpolate(scores, size, mode=mode, **options)


def stimuli_net(settings: MapNet, emotions: int, pretrained: bool = False) -> StimuliNet:
    """The net that a recipe names, for `emotions` classes where it is told one; with weights to start from if asked.

    Raises `UnknownName`, `OptionError` and `ModelError` for a backbone or weights that cannot be had.
    """
    weights = settings.weights if pretrained else "none"
    trunk, head = _parts(settings, weights)
    net = StimuliNet(trunk, head, settings, emotions if settings.conditioned else 0)
    if settings.zero:
        last = _score(head)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    if settings.stages is not None:
        if settings.condition == "broadcast":
            raise OptionError("net.stages keeps the first layer as it is, where a broadcast emotion comes in; "
                              "take net.condition=film")  # fmt: skip
        net.hold(settings.stages)
    return net


def _parts(settings: MapNet, weights: str) -> tuple[nn.Module, nn.Module]:
    trunk: nn.Module
    if settings.architecture == "fcn32s":
        trunk = AlexNet(weights, settings.units, settings.dropout)
        return trunk, OneLayerHead(settings.units, False, 0)
    if settings.architecture == "fcn8s":
        trunk = Pyramid(settings.backbone, weights, STRIDES)
        return trunk, SkipHead(trunk.widths, settings.hidden, settings.dropout, MODES[settings.upsample])
    trunk = Pyramid(settings.backbone, weights, (STRIDES[0],), output_stride=STRIDES[0])
    head = OneLayerHead(trunk.widths[0], True, settings.dropout)
    if weights not in ("none", "timm", "wheel"):
        _take_head(head, Path(weights))
    return trunk, head


def _score(head: nn.Module) -> nn.Conv2d:
    """The last convolution."""
    return [module for module in head.modules() if isinstance(module, nn.Conv2d)][-1]


def _take_head(head: OneLayerHead, path: Path) -> None:
    """The convolution before the score from one of torchvision's segmentation nets; other checkpoints have none."""
    names = {"classifier.0.": "0.", "classifier.1.": "1."}
    given = {
        ours + key.removeprefix(theirs): value
        for key, value in load_tensors(path).items()
        for theirs, ours in names.items()
        if key.startswith(theirs)
    }
    if given:
        head.last.load_state_dict(given, strict=False)
