"""A trunk's file and a head as one model of what pictures evoke: two views of the picture averaged."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from emolens.data.pictures import SCALE
from emolens.learn.export import write_inputs_onnx
from emolens.learn.losses_evoked import unscaled
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.quantise import shrink_weights
from emolens.models.graph_pen import GraphPen


@dataclass(frozen=True, slots=True)
class TrunkFile:
    """A trunk as ONNX, and the mean and the std, in levels 0 to 255, that it wants each colour normalised by.

    `middle` is the side of the middle part, in sides of the picture, whose mirror image is the second view.
    """

    path: Path
    mean: tuple[float, ...]
    std: tuple[float, ...]
    middle: float = 1.0


class _InUnits(nn.Module):
    """A head whose values are valence and arousal from 1 to 9, or a little beyond."""

    def __init__(self, head: WheelHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, pooled: Tensor) -> dict[str, Tensor]:
        found = self.head(pooled)
        return {"logits": found["logits"], "values": unscaled(found["values"])}


def join(trunk: TrunkFile, head: WheelHead, out: Path) -> None:
    """Write the model that shows two views of a picture to `trunk`, and what it tells of both to `head`.

    The views are the picture, and its middle part enlarged and mirrored: seen from nearer it tells more that is new
    than the mirror image of all of it. The trunk takes `images` and gives `pooled` (N, D), which the head sees, and
    `maps` (N, C, h, w). The model gives `logits` (N, K) and `values` (N, 2) of both views averaged, and as `features`
    the maps of the picture. The head's weights take eight bits.
    """
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "head.onnx"
        whole = onnx.load(str(trunk.path))
        width = whole.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        write_inputs_onnx(_InUnits(head).eval(), {"pooled": torch.zeros(2, width)}, part, ("logits", "values"))
        shrink_weights(part)
        answers = onnx.load(str(part))
    whole = compose.merge_models(_views(whole, trunk.middle), whole, io_map=[("both", "images")])
    answers.ir_version = whole.ir_version
    answers = compose.add_prefix(answers, "head.", rename_inputs=False, rename_outputs=True)
    whole = compose.merge_models(whole, answers, io_map=[("pooled", "pooled")])
    onnx.save(_averaged(whole), str(out))


def middle_part(side: int, middle: float) -> tuple[int, int]:
    """Where the middle part of a side of so many pixels begins and ends; `middle` is its share, to whole pixels."""
    start = round(side * (1 - middle) / 2)
    return start, side - start


def _views(trunk: onnx.ModelProto, middle: float) -> onnx.ModelProto:
    """From `images` (N, C, H, W) to `both`: they, and behind them their middle parts, enlarged and mirrored."""
    sizes = [dim.dim_value for dim in trunk.graph.input[0].type.tensor_type.shape.dim][1:]
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, *sizes])
            for name, rows in (("images", "n"), ("both", "views"))]  # fmt: skip
    (top, bottom), (left, right) = (middle_part(side, middle) for side in sizes[1:])
    numbers = {"starts": [top, right - 1], "ends": [bottom, left - 1 if left else -(2**31)], "axes": [2, 3],
               "steps": [1, -1]}  # fmt: skip
    parts = [numpy_helper.from_array(np.array(value, np.int64), f"views.{name}") for name, value in numbers.items()]
    nodes = [helper.make_node("Slice", ["images", *(part.name for part in parts)], ["part"])]
    if (bottom - top, right - left) != tuple(sizes[1:]):
        parts.append(numpy_helper.from_array(np.array(sizes[1:], np.int64), "views.sizes"))
        nodes.append(
            helper.make_node("Resize", ["part", "", "", "views.sizes"], ["enlarged"], mode="linear", axes=[2, 3])
        )
    nodes.append(helper.make_node("Concat", ["images", nodes[-1].output[0]], ["both"], axis=0))
    graph = helper.make_graph(nodes, "views", [told[0]], [told[1]], parts)
    return helper.make_model(graph, opset_imports=trunk.opset_import, ir_version=trunk.ir_version)


def _averaged(whole: onnx.ModelProto) -> onnx.ModelProto:
    pen = GraphPen(whole, "the joined model")
    del whole.graph.output[:]
    pen.output(_mean(pen, "head.logits"), "logits", ["n", *pen.shape("head.logits")[1:]])
    values = pen.node("Clip", _mean(pen, "head.values"), *(pen.float(bound) for bound in SCALE))
    pen.output(values, "values", ["n", *pen.shape("head.values")[1:]])
    pen.output(_halves(pen, "maps")[0], "features", ["n", *pen.shape("maps")[1:]])
    version = max(each.version for each in whole.opset_import if each.domain == "")
    del whole.opset_import[:]  # the quantiser names domains that nothing uses, and merging names them again
    whole.opset_import.append(helper.make_opsetid("", version))
    return whole


def _mean(pen: GraphPen, name: str) -> str:
    return pen.node("Mul", pen.node("Add", *_halves(pen, name)), pen.float(0.5))


def _halves(pen: GraphPen, name: str) -> list[str]:
    return pen.nodes("Split", 2, name, axis=0, num_outputs=2)
