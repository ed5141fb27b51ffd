"""A photo as it goes over the wire: upright and otherwise as it came, or drawn on."""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from emolens.drawing.photo import annotate
from emolens.pictures.images import open_image
from emolens.pictures.limits import Limits
from emolens.pictures.sources import MARK, read_source
from emolens.records import PhotoResult

MOST_OF_JPEG = 65_500  # pixels on a side that the format can hold
SHOWN = ("JPEG", "PNG", "WEBP")  # formats that every browser shows
ORIENTATION, UPRIGHT = 0x0112, 1  # TIFF 6.0; EXIF has it too
Encoded: TypeAlias = "tuple[bytes, str]"
"""The bytes of a picture and their content type."""


def for_the_eye(source: Any, limits: Limits, result: PhotoResult | None = None) -> Encoded:
    """A picture as every browser shows it, upright, with what was said about it drawn on it.

    Without a result nothing is drawn, and it has the size to which boxes refer. Raises `InputError`.
    """
    pixels = open_image(source, limits=limits)
    if result is not None:
        return _encoded(annotate(pixels, result), comment=MARK)
    data = read_source(source, limits)
    form = _shown_as_it_is(data)
    # To the byte where that can be: the page has a linked picture judged by what it was given here.
    return (data, f"image/{form.lower()}") if form else _encoded(pixels)


def _shown_as_it_is(data: bytes) -> str:
    """The format of a picture that a browser shows as it was judged, else nothing."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            form = str(picture.format)
            return form if form in SHOWN and picture.getexif().get(ORIENTATION, UPRIGHT) == UPRIGHT else ""
    except (OSError, Image.DecompressionBombError):  # Pillow alone knows no HEIC, and has a limit of its own
        return ""


def _encoded(pixels: np.ndarray, **options: str) -> Encoded:
    form = "JPEG" if max(pixels.shape[:2]) <= MOST_OF_JPEG else "PNG"
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form, quality=92, **options)
    return written.getvalue(), f"image/{form.lower()}"
