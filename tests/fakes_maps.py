"""Small nets that tell places apart: one that answers from the statistics of two layers, one that gives maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emolens.models.card import METADATA_KEY, ModelCard
from emolens.models.evidence import add_evidence
from emolens.taxonomy import EMOTION6
from fakes import evoked_card

SIZE, FINE, COARSE, HIDDEN = 16, 3, 5, 6
CLASSES = len(EMOTION6)


def statistics_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """The weights of `statistics_model`. BatchNormalization's scale and shift are not 1 and 0."""
    rng, width = np.random.default_rng(seed), 2 * (FINE + COARSE)
    shapes = {"fine": (FINE, 3, 2, 2), "coarse": (COARSE, FINE, 2, 2), "scale": (width,), "shift": (width,),
              "mean": (width,), "variance": (width,), "first": (HIDDEN, width), "first_bias": (HIDDEN,),
              "last": (CLASSES, HIDDEN), "last_bias": (CLASSES,)}  # fmt: skip
    found = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    found["variance"] = np.abs(found["variance"]) + np.float32(0.5)
    return found


def statistics_model(path: Path, traced: bool = True, card: ModelCard | None = None, middle: bool = False) -> Path:
    """A net built as the shipped one is: two views, two layers, their means and root mean squares, a hidden layer.

    Layers have 8 x 8 and 4 x 4 places. `traced` gives it the output `evidence`; with `middle` the second view is the
    mirrored middle half of the picture.
    """
    card = card or evoked_card(size=SIZE)
    node, constants = helper.make_node, statistics_weights()
    numbers = {"last_axis": 3, "back": -1, "end": -(2**31)}
    near = [
        node("Slice", ["all_turned", "start", "stop", "sides"], ["half_turned"]),
        node("Resize", ["half_turned", "", "double"], ["turned"], mode="linear"),
    ]
    nodes = [
        node("Slice", ["frames", "back", "end", "last_axis", "back"], ["all_turned"]),
        *(near if middle else [node("Identity", ["all_turned"], ["turned"])]),
        node("Concat", ["frames", "turned"], ["views"], axis=0),
        node("Conv", ["views", "fine"], ["fine_raw"], strides=[2, 2]),
        node("Relu", ["fine_raw"], ["fine_layer"]),
        node("Conv", ["fine_layer", "coarse"], ["coarse_raw"], strides=[2, 2]),
        node("Relu", ["coarse_raw"], ["coarse_layer"]),
    ]
    for name in ("coarse", "fine"):
        nodes += [
            node("Mul", [f"{name}_layer", f"{name}_layer"], [f"{name}_square"]),
            node("ReduceMean", [f"{name}_square", "places"], [f"{name}_mean_square"], keepdims=0),
            node("ReduceMean", [f"{name}_layer", "places"], [f"{name}_mean"], keepdims=0),
            node("Add", [f"{name}_mean_square", "tiny"], [f"{name}_above"]),
            node("Sqrt", [f"{name}_above"], [f"{name}_rms"]),
            node("Concat", [f"{name}_mean", f"{name}_rms"], [f"{name}_both"], axis=1),
        ]
    nodes += [
        node("Concat", ["coarse_both", "fine_both"], ["pooled"], axis=1),
        node("BatchNormalization", ["pooled", "scale", "shift", "mean", "variance"], ["normal"]),
        node("Gemm", ["normal", "first", "first_bias"], ["hidden"], transB=1),
        node("Gelu", ["hidden"], ["active"]),
        node("Gemm", ["active", "last", "last_bias"], ["both"], transB=1),
        node("Split", ["both"], ["one", "other"], axis=0, num_outputs=2),
        node("Add", ["one", "other"], ["sum"]),
        node("Mul", ["sum", "half"], ["logits"]),
    ]
    initial = [numpy_helper.from_array(np.array([value], np.int64), name) for name, value in numbers.items()]
    initial += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    pairs = {"places": [2, 3], "sides": [2, 3], "start": [SIZE // 4] * 2, "stop": [SIZE - SIZE // 4] * 2}
    initial += [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in pairs.items()]
    initial.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "double"))
    initial += [numpy_helper.from_array(np.float32(v), name) for name, v in (("tiny", 1e-6), ("half", 0.5))]
    return _written(path, card, nodes, initial, {"logits": ["n", CLASSES]}, traced)


def map_model(path: Path, maps: int = 1, **changes: Any) -> Path:
    """A net whose map is where the picture is bright; of several maps the n-th is that to the power n + 1."""
    card = evoked_card(
        **{"name": "bright", "task": "stimuli", "size": SIZE, "mean": (0.0,), "std": (255.0,), **changes}
    )
    nodes = [helper.make_node("ReduceMean", ["frames", "colours"], ["grey"], keepdims=1)]
    initial = [numpy_helper.from_array(np.array([1], np.int64), "colours")]
    for n in range(maps):
        initial.append(numpy_helper.from_array(np.float32(n + 1), f"power_{n}"))
        nodes.append(helper.make_node("Pow", ["grey", f"power_{n}"], [f"map_{n}"]))
    nodes.append(helper.make_node("Concat", [f"map_{n}" for n in range(maps)], ["map"], axis=1))
    return _written(path, card, nodes, initial, {"map": ["n", maps, SIZE, SIZE]}, False)


def _written(
    path: Path, card: ModelCard, nodes: list[Any], initial: list[Any], outputs: dict[str, list[Any]], traced: bool
) -> Path:
    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["n", 3, card.size, card.size])
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(nodes, "places", [frames], told, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: card.model_dump_json()})
    onnx.save(model, str(path))
    card.write(path.with_suffix(".json"))
    if traced:
        add_evidence(path, path)
    return path
