"""Nets in eight bits, and weights in fewer bits than a float has."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from emolens.learn.rounding import pack, round_pointwise

COLOURS = 3
BATCH_VALUES = 2**19
PLAIN_NET = ("Conv", "Relu", "MaxPool")
MOBILE_NET = ("Conv", "Clip", "Add")
"""What stands between convolutions in a VGG, and in an EfficientNet-Lite; all of it is turned to eight bits."""


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    def __init__(self, images: np.ndarray) -> None:
        # Every activation of a batch is kept at once: 64 colour pictures of 256 px would take 17 GB.
        batch = max(1, min(64, BATCH_VALUES // images[0].size))
        starts = range(0, len(images), batch)
        self._batches = iter({"images": images[s : s + batch]} for s in starts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def quantise(
    model: Path, images: np.ndarray, out: Path, kinds: Sequence[str] = PLAIN_NET, four_bits: bool = False
) -> None:
    """Write `model` (input `images`) with its convolutions in int8, and what stands between them: nodes of `kinds`.

    Ranges are taken from `images`, what the net is fed: float32 (N, C, H, W). Weights are scaled per channel,
    activations are unsigned. Weights use seven bits, so that processors without VNNI, whose 16-bit sums would overflow,
    give the same answer. Convolutions that look at the picture itself stay in float32: they cost next to nothing, and
    leaving them doubled the agreement that eight bits lose. Rectifying and pooling in eight bits keep a sum from being
    turned to floats and back between two convolutions, and spend no step of its range on what is cut off: on a VGG at
    48 px a sixth less time, and half as many answers other than the net's. With `four_bits` the weights of pointwise
    convolutions take four bits, see `rounding`.
    """
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(str(model), str(folded), skip_symbolic_shape=True)
        _pool_at_once(folded)
        quantize_static(
            str(folded),
            str(out),
            _Pictures(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(kinds),
            nodes_to_exclude=[*_on_the_picture(folded), *_with_a_constant(folded)],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        if four_bits:
            round_pointwise(out, folded, images)
            pack(out)


def _on_the_picture(model: Path) -> list[str]:
    """Names of the convolutions with so few input channels, three at most, that it must be the picture's."""
    graph = onnx.load(str(model)).graph
    inputs = {weights.name: weights.dims[1] for weights in graph.initializer if len(weights.dims) == 4}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if inputs.get(node.input[1], COLOURS + 1) * _groups(node) <= COLOURS]


def _pool_at_once(model: Path) -> None:
    """Let what rectifies and then pools behind a convolution on the picture pool first.

    The numbers stay the same, and both stay in floats, as what goes in does: three quarters of what that convolution
    gives need not be turned to bytes then. Rectified first, ONNX Runtime 1.31 would turn all of it before the pooling,
    which takes it as long for bytes behind floats as half of a VGG.
    """
    whole = onnx.load(str(model))
    graph, first = whole.graph, set(_on_the_picture(model))
    users: dict[str, list[onnx.NodeProto]] = {each.name: [onnx.NodeProto()] for each in graph.output}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in [each for each in graph.node if each.name in first]:
        rectifying = _only(users, node, "Relu")
        pooling = rectifying and _only(users, rectifying, "MaxPool")
        if rectifying and pooling and len(pooling.output) == 1:
            between, end = rectifying.output[0], pooling.output[0]
            pooling.input[0], pooling.output[0] = node.output[0], between
            rectifying.input[0], rectifying.output[0] = between, end
            graph.node.remove(rectifying)
            graph.node.insert([each.name for each in graph.node].index(pooling.name) + 1, rectifying)
    del graph.value_info[:]  # the sides of maps whose names have changed
    onnx.save(whole, str(model))


def _only(users: Mapping[str, Sequence[onnx.NodeProto]], node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
    """What alone takes the output of a node, where it is of that kind."""
    after = users.get(node.output[0], ())
    return after[0] if len(after) == 1 and after[0].op_type == kind else None


def _with_a_constant(model: Path) -> list[str]:
    """Names of the additions of a constant: they are part of a formula, and no sum of what two layers give."""
    graph = onnx.load(str(model)).graph
    constants = {weights.name for weights in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "Add" and constants.intersection(node.input)]


def _groups(node: onnx.NodeProto) -> int:
    """In how many groups a convolution's channels are taken: all of them where it works on each by itself."""
    return next((int(each.i) for each in node.attribute if each.name == "group"), 1)


def shrink_weights(model: Path, least: int = 1024) -> None:
    """Store weights of `least` numbers and more in int8, a scale for each output; they are multiplied in float.

    A quarter of the bytes, and none of what eight-bit activations lose. Weights that look at the picture itself stay as
    they are. They are made floats by a cast and a product, which runtimes work out once, when a file is opened:
    DequantizeLinear is left in place for layers in eight bits, and ONNX Runtime 1.31 would do its work in every run.
    """
    whole = onnx.load(str(model))
    graph = whole.graph
    left = set(_on_the_picture(model))
    axes = {node.input[1]: _output_axis(node) for node in graph.node
            if node.op_type in ("Conv", "Gemm", "MatMul") and node.name not in left}  # fmt: skip
    for weights in [each for each in graph.initializer if each.name in axes and np.prod(each.dims) >= least]:
        parts = _in_eight_bits(onnx.numpy_helper.to_array(weights), axes[weights.name])
        names = [f"{weights.name}.{kind}" for kind in ("int8", "scale", "float")]
        graph.initializer.extend(map(onnx.numpy_helper.from_array, parts, names[:2]))
        graph.initializer.remove(weights)
        made = [
            onnx.helper.make_node("Cast", names[:1], names[2:], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Mul", [names[2], names[1]], [weights.name]),
        ]
        for node in reversed(made):
            graph.node.insert(0, node)
    onnx.save(whole, str(model))


def _output_axis(node: onnx.NodeProto) -> int:
    """Along which axis of its weights the outputs of a layer lie."""
    turned = any(each.name == "transB" and each.i for each in node.attribute)
    return 0 if node.op_type == "Conv" or turned else 1


def _in_eight_bits(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights as int8, and the scale of each output along `axis`, with the axes of the weights."""
    others = tuple(at for at in range(values.ndim) if at != axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
    return np.round(values / scale).astype(np.int8), scale.astype(np.float32)
