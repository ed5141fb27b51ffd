"""ONNX Runtime sessions: how they are opened, and a model with its card."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime as ort

from emolens.errors import ModelError


def open_session(model: Path | bytes, threads: int | None = None) -> ort.InferenceSession:
    """Open an ONNX file, or its bytes, on the best provider that is installed.

    `threads` bounds the threads inside one operator; by default `EMOLENS_THREADS`, else what ONNX Runtime finds.
    Raises `ModelError` where the file is no model.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or int(os.environ.get("EMOLENS_THREADS", "0"))
    content = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(content, options, providers=ort.get_available_providers())
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own
        name = "the bytes given" if isinstance(model, bytes) else str(model)
        raise ModelError(f"{name}: not a model that ONNX Runtime {ort.__version__} can open ({error})".splitlines()[0]) from None
