"""Weights of four bits, rounded so that their errors make up for each other, and packed two to a byte.

Which way a weight is rounded is chosen one input after the other: what rounding one changes in a layer's outputs, over
pictures, is taken out by the weights that are still free (GPTQ, Frantar et al. 2023, arXiv 2210.17323, in the form of
Cholesky factors). What is left of it on average goes into the bias.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from emolens.models.graph_pen import setting
from emolens.models.session import open_session

BITS = 4
LOW = 2**BITS - 1
TOP = 2 ** (BITS - 1) - 1
"""The largest weight, in steps; the smallest is -TOP."""
LEAST = 4096
"""Weights of a layer from which on it is worth it."""
PLACES = 256
"""Of a picture, in which a layer's inputs are looked at."""
DAMPING = 0.01
"""Added to the inputs' mean squares, as a share of their mean, so that inputs that hardly vary do no harm."""
BLOCK = 64
SMALLEST = 1e-12
"""Of a row's largest weight: the size of a step must be a number that can be divided by."""
FITS = 2**30
"""The largest bias in its steps, half of what 32 bits hold: sums are added to it."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A pointwise convolution in eight bits, by the names of what it takes."""

    inputs: str
    weights: str
    scales: str
    bias: str
    bias_scales: str
    input_scale: str

    @property
    def original(self) -> tuple[str, str]:
        """The names of weights and bias in the net of floats."""
        return self.weights.removesuffix("_quantized"), self.bias.removesuffix("_quantized")


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Of a layer's inputs over places of pictures: their mean products (K, K) and means (K,)."""

    products: np.ndarray
    means: np.ndarray


def round_pointwise(model: Path, original: Path, images: np.ndarray) -> None:
    """Round the weights of the pointwise convolutions of `model` to four bits, from those of the float `original`.

    `model` is what `quantise` made of `original`, and is written over; `images`, float32 (N, C, H, W), are what it is
    fed. Its weights still take a byte each; see `pack`. Layers that share a constant with another, are grouped or have
    no bias stay as they are.
    """
    whole = onnx.load(str(model))
    floats = {each.name: each for each in onnx.load(str(original)).graph.initializer}
    given = {each.name: each for each in whole.graph.initializer}
    layers = [each for each in _pointwise(whole.graph, given) if all(name in floats for name in each.original)]
    if not layers:
        return
    moments = _moments(whole, sorted({layer.inputs for layer in layers}), images)
    for layer in layers:
        values, bias = (numpy_helper.to_array(floats[name]).astype(np.float64) for name in layer.original)
        values, seen = values[:, :, 0, 0], moments[layer.inputs]
        input_scale = numpy_helper.to_array(given[layer.input_scale])
        steps, scales = rounded(values, seen.products, np.abs(bias) / (input_scale * FITS))
        _put(given[layer.weights], steps[:, :, None, None].astype(np.int8))
        _put(given[layer.scales], scales[:, 0].astype(np.float32))
        bias = bias - (steps * scales - values) @ seen.means
        bias_scales = (scales[:, 0] * input_scale).astype(np.float32)
        _put(given[layer.bias], np.round(bias / bias_scales).astype(np.int32))
        _put(given[layer.bias_scales], bias_scales)
    onnx.save(whole, str(model))


def rounded(weights: np.ndarray, products: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps (O, K) from -TOP to TOP, and their sizes (O, 1), whose product stands for `weights` (O, K).

    `products` (K, K) are the mean products of the inputs: what is kept small is the change of the outputs. Sizes are
    `least` (O,) and more.
    """
    own = np.diag(products)
    scales = np.maximum(_scales(weights, own), least[:, None])
    order = np.argsort(-own)  # those that weigh most while all others can still make up for them
    damped = products[np.ix_(order, order)] + DAMPING * (own.mean() or 1.0) * np.eye(len(own))
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, steps = weights[:, order], np.empty_like(weights)
    for start in range(0, len(own), BLOCK):
        stop = min(len(own), start + BLOCK)
        errors = np.empty((len(weights), stop - start))
        for at in range(start, stop):
            steps[:, at] = np.clip(np.round(left[:, at] / scales[:, 0]), -TOP, TOP)
            errors[:, at - start] = (left[:, at] - steps[:, at] * scales[:, 0]) / upper[at, at]
            left[:, at + 1 : stop] -= errors[:, at - start, None] * upper[at, at + 1 : stop]
        left[:, stop:] -= errors @ upper[start:stop, stop:]
    return steps[:, np.argsort(order)], scales


def _scales(weights: np.ndarray, weighing: np.ndarray) -> np.ndarray:
    """The size of a step for each output (O, 1), which may cut off the largest weights, by the least squared error."""
    largest = np.abs(weights).max(axis=1, keepdims=True)
    sizes = (
        np.linspace(0.5, 1, 26)[:, None, None] * np.maximum(largest, np.finfo(np.float32).tiny) / TOP
    )  # (tries, O, 1)
    errors = [
        (np.square(np.clip(np.round(weights / s), -TOP, TOP) * s - weights) * weighing).sum(axis=1) for s in sizes
    ]
    best = np.take_along_axis(sizes[:, :, 0], np.argmin(errors, axis=0)[None], axis=0)
    return np.asarray(best.reshape(-1, 1))


def _pointwise(graph: onnx.GraphProto, given: dict[str, onnx.TensorProto]) -> Iterator[_Layer]:
    turned = {node.output[0]: node.input for node in graph.node if node.op_type == "DequantizeLinear"}
    uses = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) < 3 or not all(name in turned for name in node.input):
            continue
        inputs, weights, bias = (turned[name] for name in node.input)
        own = [*weights[:2], *bias[:2], node.input[1], node.input[2]]
        if weights[0] not in given or any(uses[name] > 1 for name in own) or setting(node, "group", 1) > 1:
            continue
        dims = given[weights[0]].dims
        if tuple(dims[2:]) == (1, 1) and np.prod(dims) >= LEAST:
            yield _Layer(node.input[0], weights[0], weights[1], bias[0], bias[1], inputs[1])


def _moments(whole: onnx.ModelProto, names: list[str], images: np.ndarray) -> dict[str, _Moments]:
    watched = onnx.ModelProto()
    watched.CopyFrom(whole)
    watched.graph.output.extend(helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    session, chance = open_session(watched.SerializeToString()), np.random.default_rng(0)
    products, sums, count = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for image in images:
        for name, found in zip(names, session.run(names, {"images": image[None]}), strict=True):
            seen = found[0].reshape(found.shape[1], -1).astype(np.float64)
            if seen.shape[1] > PLACES:
                seen = seen[:, chance.choice(seen.shape[1], PLACES, replace=False)]
            products[name] = products[name] + seen @ seen.T
            sums[name] = sums[name] + seen.sum(axis=1)
            count[name] += seen.shape[1]
    return {
        name: _Moments(np.asarray(products[name] / count[name]), np.asarray(sums[name] / count[name])) for name in names
    }


def pack(model: Path) -> None:
    """Store weights that four bits are enough for as two to a byte, and nothing that follows from other numbers.

    Each byte stands for two neighbours, found in a table. Runtimes work out what depends on constants alone once, when
    a file is opened, so the net runs as with a byte a weight.
    """
    whole = onnx.load(str(model))
    graph = whole.graph
    nodes: list[onnx.NodeProto] = []
    for weights in [each for each in graph.initializer if each.data_type == onnx.TensorProto.INT8]:
        steps = numpy_helper.to_array(weights)
        if steps.size >= LEAST and steps.size % 2 == 0 and steps.min() >= -TOP and steps.max() <= TOP:
            graph.initializer.remove(weights)
            graph.initializer.extend(
                [
                    numpy_helper.from_array(packed(steps), f"{weights.name}.packed"),
                    numpy_helper.from_array(np.array(steps.shape, np.int64), f"{weights.name}.shape"),
                ]
            )
            nodes += _unpacking(weights.name)
    if nodes:
        codes = np.arange(256, dtype=np.uint8)
        table = np.stack([codes & LOW, codes >> BITS], axis=1).astype(np.int8) - (TOP + 1)
        graph.initializer.append(numpy_helper.from_array(table.astype(np.int8), "packed.table"))
    _drop_zero_points(graph)
    nodes += _derive_bias_scales(graph)
    del graph.value_info[:]  # runtimes infer them
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    onnx.save(whole, str(model))


def _drop_zero_points(graph: onnx.GraphProto) -> None:
    """Leave out the zero points of constants where each is 0, which is what their absence means."""
    given = {each.name: each for each in graph.initializer}
    empty = {name for name, each in given.items() if not numpy_helper.to_array(each).any()}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in given and set(node.input[2:]) & empty:
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    for name in empty - used:
        graph.initializer.remove(given[name])


def _derive_bias_scales(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Leave out the scales of biases, which are products of two others; returns the nodes that work them out."""
    given = {each.name: each for each in graph.initializer}
    turned = {node.output[0]: node.input for node in graph.node if node.op_type == "DequantizeLinear"}
    nodes = []
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) < 3 or not all(name in turned for name in node.input):
            continue
        inputs, weights, bias = (turned[name][1] for name in node.input)
        if bias in given:
            graph.initializer.remove(given.pop(bias))
            nodes.append(helper.make_node("Mul", [weights, inputs], [bias]))
    return nodes


def packed(steps: np.ndarray) -> np.ndarray:
    """Steps of any even number as bytes, uint8: of two neighbours the first in the low bits, the second in the high."""
    low, high = (steps.reshape(-1, 2).astype(np.int16) + TOP + 1).astype(np.uint8).T
    return np.asarray(low | (high << BITS))


def _unpacking(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [f"{name}.packed"], [f"{name}.codes"], to=onnx.TensorProto.INT32),
        helper.make_node("Gather", ["packed.table", f"{name}.codes"], [f"{name}.pairs"]),
        helper.make_node("Reshape", [f"{name}.pairs", f"{name}.shape"], [name]),
    ]


def _put(tensor: onnx.TensorProto, values: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
