"""The three nets of MTCNN as ONNX graphs, built from the weights in the wheel of `mtcnn`.

Nets: Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks". The
weights are those of the authors' Caffe release, RGB, (x - 127.5) / 128, kept by the `mtcnn` package (MIT) as TensorFlow
arrays: kernels (height, width, in, out), face as the second of two classes, features flattened with x before y.

Four rewritings make the graphs faster and change the answer by rounding alone. The normalisation is folded into the
first kernel, so pixels go in as they are. Of the two classes only the difference of their logits is kept. PReLU comes
after the pooling, over a quarter of the values: with slope a >= 0 it is monotone, so the two commute; with a < 0 it is
max(x, ax), so both are pooled and the larger is taken, as p + relu(q - p). And PReLU itself is ax + relu((1 - a)x), or
ax - relu((a - 1)x) where a > 1: sums, scales and relu are what ONNX Runtime computes without leaving the blocked layout
of its convolutions, for which channels are filled up with empty ones to whole blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Arrays = list[np.ndarray]
POOLS: dict[str, tuple[tuple[int, int] | None, ...]] = {
    "pnet": ((2, 2), None, None),
    "rnet": ((3, 2), (3, 2), None),
    "onet": ((3, 2), (3, 2), (2, 2), None),
}  # kernel and stride of the pooling behind each convolution
FLOAT, INT64, UINT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8
OPSET, IR_VERSION = 17, 8  # what ONNX Runtime 1.17 reads
BLOCK = 16  # channels of ONNX Runtime's blocked layout with AVX-512; with AVX2 they are 8


def build_graphs(weights: Callable[[str], Arrays]) -> dict[str, bytes]:
    """Every graph of the cascade by name, as ONNX bytes; `weights` gives the arrays of a net in layer order.

    planes     image (1, H, W, 3) uint8 -> planes (1, 3, H, W) float
    halve      planes -> planes of half the size, each pixel the mean of four
    pnet       planes, size (4,) -> cells (1, 5, h, w) at the size asked for: face logit, shifts of x1, y1, x2, y2
    crop24/48  planes, boxes (K, 4) -> crops (K, 3, 24, 24) or (K, 3, 48, 48)
    rnet       crops -> (K, 5): face logit, shifts
    onet       crops -> (K, 15): face logit, shifts, five x, five y; and on request the layer before, features (K, 256)
    nms        boxes (1, N, 4), scores (1, 1, N), overlap (1,) -> rows (M, 3), the index last, by falling score
    """
    return {
        "planes": _planes(),
        "halve": _halve(),
        "pnet": _pnet(weights("pnet")),
        "crop24": _crop(24),
        "rnet": _refiner("rnet", weights("rnet")),
        "crop48": _crop(48),
        "onet": _refiner("onet", weights("onet")),
        "nms": _nms(),
    }


@dataclass
class _Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def scaled(self, value: str, scale: np.ndarray) -> str:
        """Each channel times its own number (C,)."""
        return self.node("Mul", value, self.constant(scale.reshape(-1, 1, 1)))

    def finish(self, inputs: dict[str, tuple[Any, Any]], *outputs: tuple[str, Any, Any]) -> bytes:
        """The graph as bytes; inputs by name and the outputs, each with type and shape."""
        ports = [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()]
        found = [helper.make_tensor_value_info(*output) for output in outputs]
        graph = helper.make_graph(self.nodes, "mtcnn", ports, found, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
        return content


PLANES = (FLOAT, [1, 3, "H", "W"])


def _planes() -> bytes:
    graph = _Graph()
    graph.node("Transpose", graph.node("Cast", "image", to=FLOAT), output="planes", perm=[0, 3, 1, 2])
    return graph.finish({"image": (UINT8, [1, "H", "W", 3])}, ("planes", *PLANES))


def _halve() -> bytes:
    graph = _Graph()
    graph.node("AveragePool", "planes", output="half", kernel_shape=[2, 2], strides=[2, 2])
    return graph.finish({"planes": PLANES}, ("half", FLOAT, [1, 3, "h", "w"]))


def _crop(side: int) -> bytes:
    graph = _Graph()
    graph.node(
        "RoiAlign", "planes", "boxes", "pictures", output="crops", output_height=side, output_width=side,
        sampling_ratio=1, coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    inputs = {"planes": PLANES, "boxes": (FLOAT, ["K", 4]), "pictures": (INT64, ["K"])}
    return graph.finish(inputs, ("crops", FLOAT, ["K", 3, side, side]))


def _nms() -> bytes:
    graph = _Graph()
    most = graph.constant([np.iinfo(np.int32).max], np.int64)
    graph.node("NonMaxSuppression", "boxes", "scores", most, "overlap", output="rows")
    inputs = {"boxes": (FLOAT, [1, "N", 4]), "scores": (FLOAT, [1, 1, "N"]), "overlap": (FLOAT, [1])}
    return graph.finish(inputs, ("rows", INT64, ["M", 3]))


def _pnet(weights: Arrays) -> bytes:
    graph = _Graph()
    level = graph.node(
        "Resize", "planes", "", graph.constant([]), "size", mode="linear", coordinate_transformation_mode="half_pixel"
    )
    trunk = _trunk(graph, level, weights, POOLS["pnet"])
    shift, shift_bias, face, face_bias = weights[9:13]
    kernel = np.concatenate([face[..., 1:] - face[..., :1], shift], axis=3).transpose(3, 2, 0, 1)
    bias = np.concatenate([face_bias[1:] - face_bias[:1], shift_bias])
    graph.node("Conv", trunk, graph.constant(kernel), graph.constant(bias), output="cells")
    return graph.finish({"planes": PLANES, "size": (INT64, [4])}, ("cells", FLOAT, [1, 5, "h", "w"]))


def _refiner(net: str, weights: Arrays) -> bytes:
    """RNet or ONet: a trunk, one dense layer, and the heads side by side with the face logit in front."""
    graph = _Graph()
    trunk = _trunk(graph, "crops", weights, POOLS[net])
    dense, bias, slope, *heads = weights[3 * len(POOLS[net]) :]
    channels = weights[3 * len(POOLS[net]) - 2].size
    side = round((len(dense) / channels) ** 0.5)
    dense = dense.reshape(side, side, channels, -1).transpose(2, 1, 0, 3).reshape(len(dense), -1)  # x, y, c -> c, y, x
    hidden = graph.node("Gemm", graph.node("Flatten", trunk), graph.constant(dense), graph.constant(bias))
    hidden = graph.node("PRelu", hidden, graph.constant(slope), output="features")
    *others, (face, face_bias) = [(heads[i], heads[i + 1]) for i in range(0, len(heads), 2)]
    kernel = np.concatenate([face[:, 1:] - face[:, :1], *(kernel for kernel, _ in others)], axis=1)
    offset = np.concatenate([face_bias[1:] - face_bias[:1], *(bias for _, bias in others)])
    graph.node("Gemm", hidden, graph.constant(kernel), graph.constant(offset), output="answers")
    pixels = {"rnet": 24, "onet": 48}[net]
    outputs = [("answers", FLOAT, ["K", kernel.shape[1]]), ("features", FLOAT, ["K", slope.size])]
    return graph.finish({"crops": (FLOAT, ["K", 3, pixels, pixels])}, *outputs[: 1 if net == "rnet" else 2])


def _trunk(graph: _Graph, value: str, weights: Arrays, pools: tuple[tuple[int, int] | None, ...]) -> str:
    """Convolutions with their activations and poolings; the first takes pixels from 0 to 255."""
    for i, pool in enumerate(pools):
        kernel, bias, slope = weights[3 * i : 3 * i + 3]
        kernel, slope = kernel.transpose(3, 2, 0, 1), slope.ravel()
        if i == 0:
            kernel, bias = kernel / 128, bias - kernel.sum(axis=(1, 2, 3)) * 127.5 / 128
        else:
            kernel = _filled(kernel, axis=1)
        scale = np.concatenate([np.ones(len(slope)), slope[_copied(slope, pool)]])
        rows = np.concatenate([np.arange(len(slope)), _copied(slope, pool)])
        kernel, bias = kernel[rows] * scale.reshape(-1, 1, 1, 1), bias[rows] * scale
        value = graph.node("Conv", value, graph.constant(_filled(kernel)), graph.constant(_filled(bias)))
        value = _activated(graph, value, slope, pool)
    return value


def _filled(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """With zeros up to whole blocks of channels."""
    return np.pad(values, [(0, -size % BLOCK if i == axis else 0) for i, size in enumerate(values.shape)])


def _copied(slope: np.ndarray, pool: tuple[int, int] | None) -> np.ndarray:
    """The channels that leave the convolution a second time, times their slope: those that fall, where the last block
    has room for them, so that they cost nothing."""
    falling = np.flatnonzero(slope < 0)
    return falling if pool and len(falling) <= -len(slope) % BLOCK else falling[:0]


def _activated(graph: _Graph, value: str, slope: np.ndarray, pool: tuple[int, int] | None) -> str:
    """PReLU with slopes a (C,) and then pooling, if there is any; of `_copied` channels `value` holds both."""
    channels, copied = len(slope), _copied(slope, pool)
    slope = _filled(slope)
    falling = (slope < 0) & (pool is not None)
    pooled = _pooled(graph, value, pool) if pool else value
    scale = np.where(falling, -1, abs(1 - slope))
    if len(copied):
        mixed = np.diag(scale)
        mixed[copied, channels + np.arange(len(copied))] = 1
        step = graph.node("Conv", pooled, graph.constant(mixed[..., None, None]))
    else:
        step = graph.scaled(pooled, scale)
        if pool and falling.any():
            below = _pooled(graph, graph.scaled(value, np.where(falling, slope, 0)), pool)
            step = graph.node("Add", step, below)
    step = graph.node("Relu", step)
    if (slope > 1).any():
        step = graph.scaled(step, np.where(slope > 1, -1, 1))
    return graph.node("Add", graph.scaled(pooled, np.where(falling, 1, slope)), step)


def _pooled(graph: _Graph, value: str, pool: tuple[int, int]) -> str:
    return graph.node("MaxPool", value, kernel_shape=[pool[0]] * 2, strides=[pool[1]] * 2, ceil_mode=1)
