"""Eight-bit convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

COLOURS = 3


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    def __init__(self, images: np.ndarray, batch: int = 64) -> None:
        planes = images[:, None] if images.ndim == 3 else images
        starts = range(0, len(images), batch)
        self._batches = iter({"images": planes[s : s + batch].astype(np.float32)} for s in starts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def quantise(model: Path, images: np.ndarray, out: Path) -> None:
    """Write `model` (input `images`) with its convolutions in int8, their ranges taken from pictures.

    `images` are what the net is fed: grey uint8 (N, H, W), or float32 (N, C, H, W).
    Weights are scaled per channel, activations are unsigned. Weights use seven bits, so that processors without VNNI,
    whose 16-bit sums would overflow, give the same answer. Convolutions that look at the picture itself stay in
    float32: they cost next to nothing, and leaving them doubled the agreement that eight bits lose.
    """
    folded = out.with_suffix(".folded.onnx")
    quant_pre_process(str(model), str(folded), skip_symbolic_shape=True)
    quantize_static(
        str(folded),
        str(out),
        _Pictures(images),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=_on_the_picture(folded),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    folded.unlink()


def _on_the_picture(model: Path) -> list[str]:
    """Names of the convolutions with so few input channels, three at most, that it must be the picture's."""
    graph = onnx.load(str(model)).graph
    inputs = {weights.name: weights.dims[1] for weights in graph.initializer if len(weights.dims) == 4}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if inputs.get(node.input[1], COLOURS + 1) * _groups(node) <= COLOURS]


def _groups(node: onnx.NodeProto) -> int:
    """In how many groups a convolution's channels are taken: all of them where it works on each by itself."""
    return next((int(each.i) for each in node.attribute if each.name == "group"), 1)


def shrink_matrices(model: Path, least: int = 65536) -> None:
    """Store the large matrices of fully connected layers in int8, a scale a column; they are still multiplied in float.

    A quarter of the bytes at no cost in what the layer is given: statistics with a few far-off values would lose more.
    """
    whole = onnx.load(str(model))
    graph = whole.graph
    used = {name for node in graph.node if node.op_type in ("Gemm", "MatMul") for name in node.input}
    for weights in [each for each in graph.initializer if each.name in used and np.prod(each.dims) >= least]:
        values = onnx.numpy_helper.to_array(weights)
        scale = np.maximum(np.abs(values).max(axis=0), 1e-12) / 127
        parts = {
            "int8": np.round(values / scale).astype(np.int8),
            "scale": scale.astype(np.float32),
        }
        graph.initializer.remove(weights)
        for kind, array in parts.items():
            graph.initializer.append(onnx.numpy_helper.from_array(array, f"{weights.name}.{kind}"))
        names = [f"{weights.name}.{kind}" for kind in parts]
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", names, [weights.name], axis=1))
    onnx.save(whole, str(model))
