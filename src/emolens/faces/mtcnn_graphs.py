"""The three nets of MTCNN as ONNX graphs, built from the weights in the wheel of `mtcnn`.

Nets: Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks". The
weights are those of the authors' Caffe release, RGB, (x - 127.5) / 128, kept by the `mtcnn` package (MIT) as TensorFlow
arrays: kernels (height, width, in, out), face as the second of two classes, features flattened with x before y.

Three rewritings make the graphs faster and change the answer by rounding alone. The normalisation is folded into the
first kernel, so pixels go in as they are. Of the two classes only the difference of their logits is kept. PReLU comes
after the pooling: with slope a >= 0 it is monotone, so the two commute; with a < 0 it is max(x, ax), so the kernel
emits both and the maximum is taken after the pooling, over a quarter of the values.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from emolens.errors import ChecksumError, ModelError
from emolens.faces.joblib_arrays import read_arrays

WEIGHTS = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
POOLS: dict[str, tuple[tuple[int, int] | None, ...]] = {
    "pnet": ((2, 2), None, None),
    "rnet": ((3, 2), (3, 2), None),
    "onet": ((3, 2), (3, 2), (2, 2), None),
}  # kernel and stride of the pooling behind each convolution
FLOAT, INT64, UINT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8
OPSET, IR_VERSION = 17, 8  # what ONNX Runtime 1.17 reads


def weight_file(net: str) -> Path:
    """Where the wheel of `mtcnn` keeps the weights of a net. The package is looked up, never imported."""
    try:
        wheel = importlib.metadata.distribution("mtcnn")
    except importlib.metadata.PackageNotFoundError:
        raise ModelError("the weights of MTCNN come with the package mtcnn, which is missing: pip install mtcnn") from None
    return Path(str(wheel.locate_file(f"mtcnn/assets/weights/{net}.lz4")))


def read_weights(path: Path, digest: str) -> list[np.ndarray]:
    """The arrays of a weight file in the order of the layers, if its sha256 is `digest`.

    Raises `ChecksumError` for other bytes, `ModelError` where there is no file or no list of arrays in it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; reinstall the package mtcnn, 1.0.0 is known to work") from None
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise ChecksumError(f"{path}: sha256 {found[:12]}... is not the pinned {digest[:12]}...; pip install mtcnn==1.0.0")
    return read_arrays(content, str(path))


def build_graphs() -> dict[str, bytes]:
    """Every graph of the cascade by name, as ONNX bytes.

    planes     image (1, H, W, 3) uint8 -> planes (1, 3, H, W) float
    halve      planes -> planes of half the size, each pixel the mean of four
    pnet       planes, size (4,) -> cells (1, 5, h, w) at the size asked for: face logit, shifts of x1, y1, x2, y2
    crop24/48  planes, boxes (K, 4) -> crops (K, 3, 24, 24) or (K, 3, 48, 48)
    rnet       crops -> (K, 5): face logit, shifts
    onet       crops -> (K, 15): face logit, shifts, five x, five y
    nms        boxes (1, N, 4), scores (1, 1, N), overlap (1,) -> rows (M, 3), the index last, by falling score
    """
    weights = {net: read_weights(weight_file(net), digest) for net, digest in WEIGHTS.items()}
    return {
        "planes": _planes(), "halve": _halve(), "crop24": _crop(24), "crop48": _crop(48), "nms": _nms(),
        "pnet": _pnet(weights["pnet"]), "rnet": _refiner("rnet", weights["rnet"]), "onet": _refiner("onet", weights["onet"]),
    }  # fmt: skip


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

    def slice(self, value: str, start: int, stop: int) -> str:
        """Channels `start` to `stop`."""
        return self.node("Slice", value, *(self.constant([i], np.int64) for i in (start, stop, 1)))

    def finish(self, inputs: dict[str, tuple[int, list[Any]]], output: tuple[str, int, list[Any]]) -> bytes:
        """The graph as bytes; inputs by name and the output, each with type and shape."""
        ports = [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()]
        graph = helper.make_graph(self.nodes, "mtcnn", ports, [helper.make_tensor_value_info(*output)], self.constants)
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


def _pnet(weights: list[np.ndarray]) -> bytes:
    graph = _Graph()
    empty = graph.constant([])
    level = graph.node("Resize", "planes", "", empty, "size", mode="linear", coordinate_transformation_mode="half_pixel")
    trunk = _trunk(graph, level, weights, POOLS["pnet"])
    shift, shift_bias, face, face_bias = weights[9:13]
    kernel = np.concatenate([face[..., 1:] - face[..., :1], shift], axis=3).transpose(3, 2, 0, 1)
    bias = np.concatenate([face_bias[1:] - face_bias[:1], shift_bias])
    graph.node("Conv", trunk, graph.constant(kernel), graph.constant(bias), output="cells")
    return graph.finish({"planes": PLANES, "size": (INT64, [4])}, ("cells", FLOAT, [1, 5, "h", "w"]))


def _refiner(net: str, weights: list[np.ndarray]) -> bytes:
    """RNet or ONet: a trunk, one dense layer, and the heads side by side with the face logit in front."""
    graph = _Graph()
    trunk = _trunk(graph, "crops", weights, POOLS[net])
    dense, bias, slope, *heads = weights[3 * len(POOLS[net]) :]
    channels = weights[3 * len(POOLS[net]) - 2].size
    side = round((len(dense) / channels) ** 0.5)
    dense = dense.reshape(side, side, channels, -1).transpose(2, 1, 0, 3).reshape(len(dense), -1)  # (x, y, c) -> (c, y, x)
    hidden = graph.node("Gemm", graph.node("Flatten", trunk), graph.constant(dense), graph.constant(bias))
    hidden = graph.node("PRelu", hidden, graph.constant(slope))
    *others, (face, face_bias) = [(heads[i], heads[i + 1]) for i in range(0, len(heads), 2)]
    kernel = np.concatenate([face[:, 1:] - face[:, :1], *(kernel for kernel, _ in others)], axis=1)
    offset = np.concatenate([face_bias[1:] - face_bias[:1], *(bias for _, bias in others)])
    graph.node("Gemm", hidden, graph.constant(kernel), graph.constant(offset), output="answers")
    pixels = {"rnet": 24, "onet": 48}[net]
    return graph.finish({"crops": (FLOAT, ["K", 3, pixels, pixels])}, ("answers", FLOAT, ["K", kernel.shape[1]]))


def _trunk(graph: _Graph, value: str, weights: list[np.ndarray], pools: tuple[tuple[int, int] | None, ...]) -> str:
    """Convolutions with their activations and poolings; the first takes pixels from 0 to 255."""
    order = np.arange(3)
    for i, pool in enumerate(pools):
        kernel, bias, slope = weights[3 * i].transpose(3, 2, 0, 1)[:, order], weights[3 * i + 1], weights[3 * i + 2].ravel()
        if i == 0:
            kernel, bias = kernel / 128, bias - kernel.sum(axis=(1, 2, 3)) * 127.5 / 128
        if pool is None:
            value = graph.node("Conv", value, graph.constant(kernel), graph.constant(bias))
            value, order = _prelu(graph, value, slope), np.arange(len(slope))
        else:
            value, order = _pooled(graph, value, kernel, bias, slope, pool)
    return value


def _prelu(graph: _Graph, value: str, slope: np.ndarray) -> str:
    return graph.node("PRelu", value, graph.constant(slope.reshape(-1, 1, 1)))


def _pooled(
    graph: _Graph, value: str, kernel: np.ndarray, bias: np.ndarray, slope: np.ndarray, pool: tuple[int, int]
) -> tuple[str, np.ndarray]:
    """Convolution, pooling, PReLU, in this order. Also returns which channel of the original each output is."""
    falling, rising = np.flatnonzero(slope < 0), np.flatnonzero(slope >= 0)
    order, n = np.concatenate([falling, rising]), len(falling)
    scale = slope[falling]
    kernel = np.concatenate([kernel[order], kernel[falling] * scale[:, None, None, None]])
    bias = np.concatenate([bias[order], bias[falling] * scale])
    value = graph.node("Conv", value, graph.constant(kernel), graph.constant(bias))
    value = graph.node("MaxPool", value, kernel_shape=[pool[0]] * 2, strides=[pool[1]] * 2, ceil_mode=1)
    either = graph.node("Max", graph.slice(value, 0, n), graph.slice(value, len(order), len(order) + n))
    straight = _prelu(graph, graph.slice(value, n, len(order)), slope[rising])
    return graph.node("Concat", either, straight, axis=1), order
