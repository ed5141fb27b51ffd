"""Stand-ins that tests share: small, real, and made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emolens.models.card import METADATA_KEY, Framing, Licences, ModelCard
from emolens.taxonomy import EMOTION6, FERPLUS

Values = tuple[np.ndarray, np.ndarray]

POINTS = ((0.33, 0.38), (0.69, 0.38), (0.51, 0.60), (0.36, 0.80), (0.66, 0.80))


def noise(count: int, size: int = 16, colours: int = 0) -> np.ndarray:
    """Frames of random pixels, uint8 (count, size, size) or with `colours` (count, size, size, colours)."""
    shape = (count, size, size, *([colours] if colours else []))
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def linear_card(**changes: Any) -> ModelCard:
    """The card of `linear_model`: a grey net over FER+ at 16 px, unless changed."""
    fields: dict[str, Any] = {
        "name": "linear",
        "version": "1",
        "task": "expression",
        "summary": "A linear net for tests.",
        "labels": FERPLUS.classes,
        "taxonomy": "ferplus",
        "size": 16,
        "colour": "grey",
        "mean": (127.5,),
        "std": (64.0,),
        "framing": Framing(source="test", points={"default": POINTS}, box={"default": (0.1, 0.0, 0.8, 1.0)}, n=1),
        "temperature": 0.5,
        "confidence_temperature": 2.0,
        "training_data": "none",
        "training": "none: random weights",
        "licences": Licences(code="MIT", data="none", weights="MIT", commercial=True),
    }
    return ModelCard(**{**fields, **changes})


def linear_weights(card: ModelCard, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Weight (C * size * size, K) and bias (K,) of `linear_model`."""
    rng = np.random.default_rng(seed)
    inputs = (1 if card.colour == "grey" else 3) * card.size**2
    weight = rng.normal(size=(inputs, len(card.labels))) / np.sqrt(inputs)
    return weight.astype(np.float32), rng.normal(size=len(card.labels)).astype(np.float32)


def evoked_card(**changes: Any) -> ModelCard:
    """The card of `evoked_model`: an RGB net over Emotion6 at 16 px, unless changed."""
    licences = Licences(code="MIT", data="Six Tests: academic research only", weights="MIT", commercial=False)
    fields = {"name": "linear_evoked", "task": "evoked", "labels": EMOTION6.classes, "taxonomy": "emotion6", "size": 16,
              "colour": "rgb", "framing": None, "picture": "stretched", "licences": licences}  # fmt: skip
    return linear_card(**{**fields, **changes})


def evoked_values(card: ModelCard) -> Values:
    """What makes `values` of `evoked_model`: valence 5 + red, arousal 5 - blue, the means as the net sees them."""
    weight = np.zeros((3, card.size**2, 2), np.float32)
    weight[0, :, 0], weight[2, :, 1] = 1 / card.size**2, -1 / card.size**2
    return weight.reshape(-1, 2), np.full(2, 5, np.float32)


def evoked_model(path: Path, card: ModelCard | None = None) -> Path:
    """Write a linear net that gives `logits` and `values` for whole pictures."""
    card = card or evoked_card()
    return linear_model(path, card, values=evoked_values(card))


def linear_model(
    path: Path,
    card: ModelCard | None = None,
    *,
    inside: bool = False,
    batch: int | str = "n",
    values: Values | None = None,
) -> Path:
    """Write a linear net, logits = flat @ weight + bias, with its card beside it or `inside` the ONNX file.

    With `values`, a weight (C * size * size, V) and a bias (V,), it has a second output of that name.
    """
    card = card or linear_card()
    weight, bias = linear_weights(card)
    channels = 1 if card.colour == "grey" else 3
    nodes = [
        helper.make_node("Flatten", ["frames"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, weight.shape[1]])]
    constants = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    if values is not None:
        nodes.append(helper.make_node("Gemm", ["flat", "values_weight", "values_bias"], ["values"]))
        outputs.append(helper.make_tensor_value_info("values", TensorProto.FLOAT, [batch, values[1].size]))
        constants += [
            numpy_helper.from_array(part, f"values_{n}") for n, part in zip(("weight", "bias"), values, strict=True)
        ]
    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, [batch, channels, card.size, card.size])
    graph = helper.make_graph(nodes, "linear", [frames], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if inside:
        helper.set_model_props(model, {METADATA_KEY: card.model_dump_json()})
    onnx.save(model, str(path))
    if not inside:
        card.write(path.with_suffix(".json"))
    return path
