"""Eight-bit convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    def __init__(self, images: np.ndarray, batch: int = 64) -> None:
        planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        starts = range(0, len(images), batch)
        self._batches = iter([{"images": planes[s : s + batch].astype(np.float32)} for s in starts])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def quantise(model: Path, images: np.ndarray, out: Path) -> None:
    """Write `model` (input `images`) with its convolutions in int8.

    Ranges are taken from pictures, uint8 (N, H, W) grey or (N, H, W, 3) RGB. Weights are scaled per channel,
    activations are unsigned. Weights use seven bits, so that processors without VNNI, whose 16-bit sums would overflow,
    give the same answer. Convolutions that look at a grey picture itself stay in float32: they cost next to nothing,
    and leaving them doubled the agreement that eight bits lose.
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
    """Names of the convolutions with a single input channel."""
    graph = onnx.load(str(model)).graph
    single = {weights.name for weights in graph.initializer if len(weights.dims) == 4 and weights.dims[1] == 1}
    return [node.name for node in graph.node if node.op_type == "Conv" and node.input[1] in single]
