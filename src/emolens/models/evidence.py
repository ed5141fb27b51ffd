"""Where a model found what it says: an output `evidence` written into its own ONNX graph, beside the answer.

The answer of an evoked model rests on statistics of layers: the mean of each feature over the picture, and its root
mean square. So what one place brought to each logit has a closed form: the logit's derivative by every statistic, which
is a product of matrices through the few layers of the head, times what that place adds to the statistic. That is
Grad-CAM's idea (Selvaraju et al. 2017, arXiv:1610.02391) place by place, as in HiResCAM (Draelos, Carin 2020,
arXiv:2011.08891), for every class at once, with no gradient at run time and no second pass. Nothing else in the file
changes. Layers of different sizes are added at the size of the finest; a second view, mirrored and perhaps of the
middle of the picture alone, is put back where it came from and averaged with the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from emolens.files import replacing
from emolens.models.card import EVIDENCE, ModelCard
from emolens.models.classifier import read_card
from emolens.models.graph_pen import GraphPen, setting
from emolens.places import sha256


def add_evidence(model: Path, out: Path) -> ModelCard:
    """Write `model` with the output `evidence`, and its card, to `out`, which may be the same path.

    Raises `ModelError` where its answer does not rest on statistics of layers, see `insert_evidence`.
    """
    card, whole = read_card(model), onnx.load(str(model))
    insert_evidence(whole, str(model))
    with replacing(out) as draft:
        onnx.save(whole, str(draft))
    card = card.model_copy(update={"sha256": sha256(out)})
    card.write(out.with_suffix(".json"))
    return card


def insert_evidence(whole: onnx.ModelProto, where: str = "the model") -> None:
    """Give a model the output `evidence`, float32 (N, K, h, w); one that has it stays as it is.

    Its mean over the places is what all statistics together bring to each logit, to first order.

    Its `logits` must come through Gemm, BatchNormalization and Gelu from the ReduceMean of layers, alone or each beside
    the root mean square of the same layer. Raises `ModelError` for any other, and leaves it as it was.
    """
    if any(output.name == EVIDENCE for output in whole.graph.output):
        return
    written = onnx.ModelProto()
    written.CopyFrom(whole)
    pen = GraphPen(written, where)
    layers, mirrored = _head(pen)
    middle = _middle(pen) if mirrored else None
    statistics = _statistics(pen, layers[-1].input[0])
    sizes = [pen.shape(each.layer)[2:] for each in statistics]
    if not all(side for size in sizes for side in size):
        raise pen.other("the size of its layers is free")
    slope = _slope(pen, layers)
    parts = [_of_layer(pen, slope, each) for each in statistics]
    total, finest = _added(pen, parts, sizes), max(sizes)
    total = _put_back(pen, total, finest, middle) if middle else total
    pen.output(total, EVIDENCE, [_batch(written), pen.shape("logits")[1], *finest])
    whole.CopyFrom(written)


@dataclass(frozen=True, slots=True)
class _Statistics:
    """Those of a layer (M, C, h, w): where its means begin among all, and its root mean squares (M, C), if any."""

    layer: str
    start: int
    rms: str | None = None


def _head(pen: GraphPen) -> tuple[list[onnx.NodeProto], bool]:
    """The layers from the logits back to the statistics, and whether the second half of the views is mirrored."""
    node, mirrored, layers = pen.maker("logits"), False, list[onnx.NodeProto]()
    while node.op_type in ("Div", "Mul", "Add", "Slice", "Split", "Identity"):
        mirrored = mirrored or node.op_type in ("Slice", "Split")
        node = pen.maker(node.input[0])
    while node.op_type in ("Gemm", "Gelu", "BatchNormalization"):
        layers.append(node)
        node = pen.maker(node.input[0])
    if not layers:
        raise pen.other(f"its logits are made by {node.op_type}")
    return layers, mirrored


def _statistics(pen: GraphPen, pooled: str) -> list[_Statistics]:
    found, start = list[_Statistics](), 0
    for name in _parts(pen, pooled):
        node, width = pen.maker(name), pen.shape(name)[-1]
        if node.op_type == "ReduceMean" and len(pen.shape(node.input[0])) == 4:
            found.append(_Statistics(node.input[0], start))
        elif node.op_type == "Sqrt" and found and found[-1].rms is None:
            found[-1] = _Statistics(found[-1].layer, found[-1].start, name)
        else:
            raise pen.other(f"a statistic is made by {node.op_type}")
        start += width
    return found


def _parts(pen: GraphPen, name: str) -> list[str]:
    """The values that were put side by side to give this one."""
    node = pen.maker(name)
    return [part for each in node.input for part in _parts(pen, each)] if node.op_type == "Concat" else [name]


def _slope(pen: GraphPen, layers: list[onnx.NodeProto]) -> str:
    """The derivative of each logit by each statistic, (M, K, D) or (1, K, D), from the end of the head to its start."""
    slope = pen.constant(np.eye(pen.shape(layers[0].output[0])[1], dtype=np.float32)[None])
    for node in layers:
        if node.op_type == "Gemm":
            weights = node.input[1] if setting(node, "transB", 0) else pen.node("Transpose", node.input[1], perm=[1, 0])
            slope = pen.node("MatMul", slope, weights)
        elif node.op_type == "Gelu":
            slope = pen.node("Mul", slope, pen.node("Unsqueeze", _gelu_slope(pen, node.input[0]), pen.constant([1])))
        else:
            scale, spread = pen.number(node.input[1]), pen.number(node.input[4])
            epsilon = next((each.f for each in node.attribute if each.name == "epsilon"), 1e-5)
            slope = pen.node("Mul", slope, pen.constant((scale / np.sqrt(spread + epsilon)).astype(np.float32)))
    return slope


def _gelu_slope(pen: GraphPen, x: str) -> str:
    """GELU's derivative: Phi(x) + x phi(x), of the normal distribution."""
    erf = pen.node("Erf", pen.node("Mul", x, pen.float(math.sqrt(0.5))))
    below = pen.node("Add", pen.node("Mul", erf, pen.float(0.5)), pen.float(0.5))
    density = pen.node("Exp", pen.node("Mul", pen.node("Mul", x, x), pen.float(-0.5)))
    bell = pen.node("Mul", density, pen.float(1 / math.sqrt(2 * math.pi)))
    return pen.node("Add", below, pen.node("Mul", x, bell))


def _of_layer(pen: GraphPen, slope: str, found: _Statistics) -> str:
    """What each place of a layer brings to each logit, (M, K, h, w); its mean is what the layer's statistics bring."""
    channels, height, width = pen.shape(found.layer)[1:]
    flat = pen.node("Reshape", found.layer, pen.constant([0, channels, height * width]))
    brought = pen.node("MatMul", _columns(pen, slope, found.start, channels), flat)
    if found.rms is not None:  # the root mean square r is the mean of f * f / r
        by_rms = _columns(pen, slope, found.start + channels, channels)
        by_rms = pen.node("Div", by_rms, pen.node("Unsqueeze", found.rms, pen.constant([1])))
        brought = pen.node("Add", brought, pen.node("MatMul", by_rms, pen.node("Mul", flat, flat)))
    return pen.node("Reshape", brought, pen.constant([0, 0, height, width]))


def _columns(pen: GraphPen, slope: str, start: int, count: int) -> str:
    return pen.node("Slice", slope, *(pen.constant([at]) for at in (start, start + count, 2)))


def _added(pen: GraphPen, parts: list[str], sizes: list[list[int]]) -> str:
    """The sum of maps, each resized to the finest."""
    finest, total = max(sizes), ""
    for name, size in zip(parts, sizes, strict=True):
        if size != finest:
            scales = np.array([1, 1, *(large / small for large, small in zip(finest, size, strict=True))], np.float32)
            name = pen.node("Resize", name, "", pen.constant(scales), mode="linear")
        total = pen.node("Add", total, name) if total else name
    return total


def _middle(pen: GraphPen) -> tuple[float, float]:
    """Height and width of the part that the mirrored view shows, in sides of the picture, which it is enlarged to."""
    along = (each for each in pen.graph.node if each.op_type == "Concat" and setting(each, "axis", -1) == 0)
    views = next((each.input for each in along if len(each.input) == 2), None)
    if views is None or pen.made_by(views[1]) != "Resize":
        return 1.0, 1.0
    enlarged = pen.maker(views[1])
    part, whole = pen.shape(enlarged.input[0])[2:], pen.shape(enlarged.output[0])[2:]
    if not all((*part, *whole)):
        raise pen.other("the size of its pictures is free")
    return part[0] / whole[0], part[1] / whole[1]


def _put_back(pen: GraphPen, name: str, size: list[int], middle: tuple[float, float]) -> str:
    """The mean of the first half of maps of this size and of the second, mirrored, each place where it came from."""
    plain, mirrored = pen.nodes("Split", 2, name, axis=0, num_outputs=2)
    rows, columns = (middle_places(count, share) for count, share in zip(size, middle, strict=True))
    turned = pen.node("MatMul", pen.constant(rows), mirrored)
    turned = pen.node("MatMul", turned, pen.constant(np.ascontiguousarray(columns[:, ::-1].T)))
    return pen.node("Mul", pen.node("Add", plain, turned), pen.float(0.5))


def middle_places(count: int, share: float) -> np.ndarray:
    """How much of each of `count` places of the middle part, this `share` of a side, lies in each of all of it: (n, n).

    Columns sum to 1, so that nothing that was brought is lost.
    """
    cell, start = share / count, (1 - share) / 2
    low = np.maximum(np.arange(count)[:, None] / count, start + cell * np.arange(count))
    high = np.minimum(np.arange(1, count + 1)[:, None] / count, start + cell * np.arange(1, count + 1))
    return np.asarray(np.maximum(high - low, 0) / cell, np.float32)


def _batch(whole: onnx.ModelProto) -> int | str:
    first = whole.graph.output[0].type.tensor_type.shape.dim[0]
    return str(first.dim_param) or int(first.dim_value)
