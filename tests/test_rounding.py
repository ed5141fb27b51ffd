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
    steps, scales = rounded(weights, inputs.T @ inputs / len(inputs), np.zeros(30))
    assert np.array_equal(steps, np.round(steps))
    assert np.abs(steps).max() <= TOP
    nearest = np.clip(np.round(weights / scales), -TOP, TOP)
    ours, plain = (np.square(inputs @ (each * scales - weights).T).mean() for each in (steps, nearest))
    assert ours < plain / 2


def test_rows_and_inputs_that_say_nothing_are_rounded_too() -> None:
    weights = np.zeros((3, 5))
    weights[0] = np.arange(5)
    for products in (np.diag([1.0, 1, 1, 0, 0]), np.zeros((5, 5))):
        steps, scales = rounded(weights, products, np.full(3, 0.01))
        assert not steps[1:].any()
        assert np.isfinite(steps).all()
        assert (scales >= 0.01).all()


def test_four_bits_answer_much_as_floats_do_in_half_the_bytes_of_eight(
    net: Small, images: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "eight").mkdir()
    (tmp_path / "four").mkdir()
    eight, four = (written(net, images, tmp_path / name, name == "four") for name in ("eight", "four"))
    wanted = net(torch.from_numpy(images))["pooled"].detach().numpy()
    spread = (wanted - wanted.mean(axis=0)).std()  # what the pictures differ by
    for path, gap in ((eight, 0.1), (four, 0.2)):
        found = open_session(path).run(["pooled"], {"images": images})[0]
        assert np.abs(found - wanted).mean() < gap * spread
    bytes_of = [sum(each.ByteSize() for each in onnx.load(str(path)).graph.initializer) for path in (eight, four)]
    assert bytes_of[0] - bytes_of[1] > 64 * 96  # two layers of 6,144 weights, half a byte less each


def test_packing_changes_no_answer_and_packs_once(
    net: Small, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("emolens.learn.quantise.pack", lambda _: None)
        path = written(net, images, tmp_path, four_bits=True)
    wide = open_session(path).run(["pooled"], {"images": images})[0]
    size = path.stat().st_size
    pack(path)
    assert path.stat().st_size < size - 64 * 96
    assert np.array_equal(open_session(path).run(["pooled"], {"images": images})[0], wide)
    again = onnx.load(str(path)).SerializeToString()
    pack(path)
    assert onnx.load(str(path)).SerializeToString() == again


def test_small_weights_beside_a_large_bias_keep_it(images: np.ndarray, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Small().eval()
    with torch.no_grad():
        net.back.weight[0] *= 1e-7
        net.back.bias[0] = 50
    found = open_session(written(net, images, tmp_path, four_bits=True)).run(["pooled"], {"images": images})[0]
    assert found[:, 0] == pytest.approx(net(torch.from_numpy(images))["pooled"].detach().numpy()[:, 0], rel=0.02)


class Odd(Small):
    """Layers that four bits leave as they are: one in groups, one used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped, self.twice = nn.Conv2d(64, 128, 1, groups=2), nn.Conv2d(64, 64, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self.stem(images).clamp(0, 6)
        last = self.twice(self.twice(first).clamp(0, 6)) + self.grouped(first)[:, :64]
        return {"pooled": last.mean(dim=(2, 3)) + 1}


def test_layers_that_cannot_be_rounded_stay_in_eight_bits(images: np.ndarray, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Odd().eval()
    path = written(net, images, tmp_path, four_bits=True)
    assert not any(each.name.endswith(".packed") for each in onnx.load(str(path)).graph.initializer)
    wanted = net(torch.from_numpy(images))["pooled"].detach().numpy()
    found = open_session(path).run(["pooled"], {"images": images})[0]
    assert np.abs(found - wanted).mean() < 0.1 * (wanted - wanted.mean(axis=0)).std()


def test_two_steps_lie_in_a_byte() -> None:
    assert packed(np.array([[-7, 7], [0, 1]], np.int8)).tolist() == [0xF1, 0x98]


def test_constants_in_formulas_stay_floats(net: Small, images: np.ndarray, tmp_path: Path) -> None:
    graph = onnx.load(str(written(net, images, tmp_path, four_bits=False))).graph
    numbers = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    formula = [node for node in graph.node if node.op_type == "Add" and set(node.input) & set(numbers)]
    assert len(formula) == 1  # the + 1; that of two layers has its inputs from eight bits
