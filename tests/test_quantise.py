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
from emolens.learn.nets.ensemble import Ensemble
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


def on_the_picture(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Convolutions whose input was not turned to bytes."""
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    return [node for node in model.graph.node
            if node.op_type == "Conv" and made.get(node.input[0]) != "DequantizeLinear"]  # fmt: skip


def same_without_the_exchange(folder: Path) -> bool:
    """Whether the file answers what one does whose nodes stayed in their places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emolens.learn.quantise._pool_at_once", lambda _: None)
        quantise(folder / "float.onnx", PICTURES, folder / "as-was.onnx")
    return np.array_equal(answers(folder / "small.onnx"), answers(folder / "as-was.onnx"))


@pytest.mark.parametrize("depths", [(1, 2), (2, 1)])
def test_what_is_pooled_right_behind_the_first_layer_is_pooled_in_floats_before_it_is_rectified(
    depths: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    small = in_eight_bits(build(VggNet(size=24, widths=(8, 16), depths=depths), 5), tmp_path)
    pooled_at_once = behind(small, on_the_picture(small)[0])[:3] == ["MaxPool", "Relu", "QuantizeLinear"]
    assert pooled_at_once is (depths[0] == 1)
    assert same_without_the_exchange(tmp_path)


def test_every_net_of_an_ensemble_does_so_and_later_layers_pool_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Ensemble([build(VggNet(size=24, widths=(8, 16), depths=(1, 1)), 5) for _ in range(2)])
    small = in_eight_bits(net, tmp_path)
    firsts = on_the_picture(small)
    assert [behind(small, each)[:3] for each in firsts] == [["MaxPool", "Relu", "QuantizeLinear"]] * 2
    made = {name: node.op_type for node in small.graph.node for name in node.output}
    pools = [made[node.input[0]] for node in small.graph.node if node.op_type == "MaxPool"]
    assert sorted(pools) == ["Conv", "Conv", "DequantizeLinear", "DequantizeLinear"]
    assert same_without_the_exchange(tmp_path)


def test_what_is_looked_at_unpooled_too_stays_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = in_eight_bits(Both(), tmp_path)
    assert "MaxPool" not in behind(small, on_the_picture(small)[0])[:2]
    assert same_without_the_exchange(tmp_path)


def test_a_rectified_map_that_is_an_answer_itself_stays_one(tmp_path: Path) -> None:
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", *shape])
             for name, shape in (("images", (1, 24, 24)), ("maps", (2, 22, 22)), ("logits", (2, 11, 11)))]  # fmt: skip
    weights = onnx.numpy_helper.from_array(np.random.default_rng(1).normal(size=(2, 1, 3, 3)).astype(np.float32), "w")
    nodes = [
        onnx.helper.make_node("Conv", ["images", "w"], ["seen"], "first"),
        onnx.helper.make_node("Relu", ["seen"], ["maps"], "rectify"),
        onnx.helper.make_node("MaxPool", ["maps"], ["logits"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = onnx.helper.make_graph(nodes, "a net", sides[:1], sides[1:], [weights])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, str(tmp_path / "float.onnx"))
    quantise(tmp_path / "float.onnx", PICTURES, tmp_path / "small.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(["maps"], {"images": PICTURES})[0].shape == (32, 2, 22, 22)
