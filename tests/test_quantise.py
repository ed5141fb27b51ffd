"""Nets in eight bits: what stays in floats, and that the numbers do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.learn.config import VggNet
from emolens.learn.export import write_onnx
from emolens.learn.nets import build
from emolens.learn.quantise import quantise

PICTURES = np.random.default_rng(0).uniform(0, 255, (32, 1, 24, 24)).astype(np.float32)


class Both(nn.Module):
    """What it rectifies is pooled, and looked at as it is too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = functional.relu(self.first(images / 255))
        pooled = functional.relu(self.second(functional.max_pool2d(maps, 2)))
        return {"logits": self.head(torch.cat([maps.mean(dim=(2, 3)), pooled.mean(dim=(2, 3))], dim=1))}


def in_eight_bits(net: nn.Module, folder: Path) -> onnx.ModelProto:
    write_onnx(net.eval(), 24, folder / "float.onnx")
    quantise(folder / "float.onnx", PICTURES, folder / "small.onnx")
    onnx.checker.check_model(onnx.load(str(folder / "small.onnx")), full_check=True)
    return onnx.load(str(folder / "small.onnx"))


def answers(model: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"images": PICTURES})[0])


def behind(model: onnx.ModelProto, node: onnx.NodeProto) -> list[str]:
    """Kinds of what takes the output of a node, then of what takes that, as long as it is one."""
    kinds = []
    while len(after := [each for each in model.graph.node if node.output[0] in each.input]) == 1:
        node = after[0]
        kinds.append(node.op_type)
    return kinds


def on_the_picture(model: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == "Conv")


@pytest.mark.parametrize("depths", [(1, 2), (2, 1)])
def test_what_is_pooled_right_behind_the_first_layer_is_pooled_in_floats_before_it_is_rectified(
    depths: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = build(VggNet(size=24, widths=(8, 16), depths=depths), 5)
    small = in_eight_bits(net, tmp_path)
    pooled_at_once = behind(small, on_the_picture(small))[:3] == ["MaxPool", "Relu", "QuantizeLinear"]
    assert pooled_at_once is (depths[0] == 1)
    small_answers, wanted = answers(tmp_path / "small.onnx"), answers(tmp_path / "float.onnx")
    assert np.abs(small_answers - wanted).max() < 0.1 * wanted.std(axis=0).max() + 0.02
    assert small_answers.std(axis=0).min() > 0  # and they follow the picture


def test_what_is_looked_at_unpooled_too_stays_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = in_eight_bits(Both(), tmp_path)
    assert "MaxPool" not in behind(small, on_the_picture(small))[:2]
    assert np.abs(answers(tmp_path / "small.onnx") - answers(tmp_path / "float.onnx")).max() < 0.02
