"""A photo as it goes over the wire: upright and otherwise as it came, or drawn on."""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from emolens.drawing.photo import annotate
from emolens.pictures.images import open_image
from emolens.pictures.limits import Limits
from emolens.pictures.sources import MARK
from emolens.records import PhotoResult

MOST_OF_JPEG = 65_500  # pixels on a side that the format can hold
Encoded: TypeAlias = "tuple[bytes, str]"
"""The bytes of a picture and their content type."""


def for_the_eye(source: Any, limits: Limits, result: PhotoResult | None = None) -> Encoded:
    """A picture as every browser shows it, upright, with what was said about it drawn on it.

    Without a result nothing is drawn, and it has the size to which boxes refer. Raises `InputError`.
    """
    pixels = open_image(source, limits=limits)
    return _encoded(pixels) if result is None else _encoded(annotate(pixels, result), comment=MARK)


def _encoded(pixels: np.ndarray, **options: str) -> Encoded:
    form = "JPEG" if max(pixels.shape[:2]) <= MOST_OF_JPEG else "PNG"
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form, quality=92, **options)
    return written.getvalue(), f"image/{form.lower()}"
