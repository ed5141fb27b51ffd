from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from emolens.learn.export import write_onnx
from emolens.learn.quantise import MOBILE_NET, quantise
from emolens.learn.rounding import TOP, pack, packed, rounded
from emolens.models.session import open_session


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (6, 3, 16, 16)).astype(np.float32)


class Small(nn.Module):
    """Two pointwise convolutions large enough to be rounded, behind one that looks at the picture, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, stride=2)
        self.wide, self.back = nn.Conv2d(64, 96, 1), nn.Conv2d(96, 64, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self.stem(images).clamp(0, 6)
        last = first + self.back(self.wide(first).clamp(0, 6))
        return {"pooled": last.mean(dim=(2, 3)) + 1}


@pytest.fixture(scope="module")
def net() -> Small:
    torch.manual_seed(0)
    return Small().eval()


def written(net: Small, images: np.ndarray, folder: Path, four_bits: bool) -> Path:
    write_onnx(net, 16, folder / "float.onnx", 3, ("pooled",))
    quantise(folder / "float.onnx", images, folder / "small.onnx", MOBILE_NET, four_bits)
    return folder / "small.onnx"


def test_rounding_in_turn_changes_outputs_less_than_rounding_to_the_nearest() -> None:
    chance = np.random.default_rng(1)
    inputs = chance.normal(size=(500, 8)) @ chance.normal(size=(8, 40)) + 0.1 * chance.normal(size=(500, 40))
    weights = chance.normal(size=(30, 40))
    steps, scales = rounded(weights, inputs.T @ inputs / len(inputs))
    assert np.array_equal(steps, np.round(steps))
    assert np.abs(steps).max() <= TOP
    nearest = np.clip(np.round(weights / scales), -TOP, TOP)
    ours, plain = (np.square(inputs @ (each * scales - weights).T).mean() for each in (steps, nearest))
    assert ours < plain / 2


def test_dead_outputs_and_inputs_are_rounded_too() -> None:
    weights = np.zeros((3, 5))
    weights[0] = np.arange(5)
    steps, scales = rounded(weights, np.diag([1.0, 1, 1, 0, 0]))
    assert not steps[1:].any()
    assert np.isfinite(scales).all()
    assert (scales > 0).all()


def test_four_bits_answer_much_as_floats_do_in_half_the_bytes_of_eight(
    net: Small, images: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "eight").mkdir()
    (tmp_path / "four").mkdir()
    eight, four = (written(net, images, tmp_path / name, name == "four") for name in ("eight", "four"))
    wanted = net(torch.from_numpy(images))["pooled"].detach().numpy()
    spread = wanted.std()
    for path, gap in ((eight, 0.05), (four, 0.3)):
        found = open_session(path).run(["pooled"], {"images": images})[0]
        assert np.abs(found - wanted).mean() < gap * spread
    bytes_of = [sum(each.ByteSize() for each in onnx.load(str(path)).graph.initializer) for path in (eight, four)]
    assert bytes_of[0] - bytes_of[1] > 64 * 96  # two layers of 6,144 weights, half a byte less each


def test_packing_changes_no_answer(net: Small, images: np.ndarray, tmp_path: Path) -> None:
    path = written(net, images, tmp_path, four_bits=True)
    found = open_session(path).run(["pooled"], {"images": images})[0]
    again = onnx.load(str(path))
    assert any(each.name.endswith(".packed") for each in again.graph.initializer)
    pack(path)  # nothing is left to pack
    assert onnx.load(str(path)).SerializeToString() == again.SerializeToString()
    assert np.array_equal(open_session(path).run(["pooled"], {"images": images})[0], found)


def test_two_steps_lie_in_a_byte() -> None:
    assert packed(np.array([[-7, 7], [0, 1]], np.int8)).tolist() == [0x81, 0x9F]


def test_constants_in_formulas_stay_floats(net: Small, images: np.ndarray, tmp_path: Path) -> None:
    graph = onnx.load(str(written(net, images, tmp_path, four_bits=False))).graph
    numbers = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    formula = [node for node in graph.node if node.op_type == "Add" and set(node.input) & set(numbers)]
    assert len(formula) == 1  # the + 1; that of two layers has its inputs from eight bits
