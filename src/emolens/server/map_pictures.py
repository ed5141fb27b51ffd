"""Stimuli maps as they go over the wire: small grey pictures in data URIs."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from emolens.records import PhotoResult

SIDE = 160
"""Pixels of the longer side: the evidence under a map is coarser, and whoever shows it enlarges it as needed."""


def with_pictures(told: dict[str, Any], result: PhotoResult) -> dict[str, Any]:
    """The nested record of a result, with `map` and, by emotion, `maps` in `stimuli` where it has a stimuli map."""
    found = result.stimuli
    if found is None:
        return told
    width, height = (max(1, round(side * SIDE / max(found.size))) for side in found.size)
    classes = found.taxonomy.classes if found.taxonomy is not None else ()
    parts = () if found.emotions is None else found.emotions
    maps = {name: _data_uri(part, width, height) for name, part in zip(classes, parts, strict=False)}
    return {**told, "stimuli": {**told["stimuli"], "map": _data_uri(found.seen, width, height), "maps": maps}}


def _data_uri(weights: np.ndarray, width: int, height: int) -> str:
    levels = Image.fromarray(np.rint(weights * np.float32(255)).astype(np.uint8))
    written = io.BytesIO()
    levels.resize((width, height), Image.Resampling.BILINEAR).save(written, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"
