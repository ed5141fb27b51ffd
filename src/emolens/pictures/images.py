"""Any picture in, RGB uint8 (H, W, 3) out, upright. Nothing inside emolens knows another colour order.

Pillow decodes. Its format classes are called by us, after a look at the first bytes, and not through `Image.open`:
so only the formats listed here are ever tried, the size is checked against our own limit before a pixel is decoded,
and no setting that the whole process shares is read or changed for it.
"""

from __future__ import annotations

import importlib
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from emolens.errors import InputError, OptionError, TooLarge, TooSmall, Unreadable, Unsupported
from emolens.pictures.limits import LIMITS, Limits, as_shown
from emolens.pictures.pixels import from_array, from_pil, upright
from emolens.pictures.sources import read_source, source_name

Source: TypeAlias = "str | Path | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray"

FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC"
HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
"""Brands of pictures in a file of ISO base media (ISO/IEC 23008-12)."""
VIDEO = re.compile(rb"....(ftyp(?!crx )|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL)
"""The first bytes of MP4 and MOV, but not of a raw photo of Canon's; of Matroska and WebM; of AVI."""
A_VIDEO = "a video, not a picture; run 'emolens video'"
"""What a video is told, for whoever is at the command line; the service names its own way."""


def open_image(source: Source, *, channel_order: Literal["rgb", "bgr"] = "rgb", limits: Limits = LIMITS) -> np.ndarray:
    """The picture behind a source as RGB uint8 (H, W, 3), C-contiguous, turned upright by its EXIF orientation.

    `source` is a path, an http(s) URL, a data URI, `-` (standard input), encoded bytes, a binary file object, a PIL
    image, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16, bool or float in [0, 1].
    `channel_order` says how arrays are ordered ("bgr" for OpenCV's); files know their own order. An RGB uint8 array
    is returned as it is, not copied. Transparent parts lie on white; 16 bits are scaled by their range, not clipped;
    of an animation the first frame is taken; an embedded colour profile that differs visibly from sRGB is applied.

    Raises `NotFound`, `Unreadable`, `TooSmall`, `TooLarge` or `FetchError`, all `InputError`; `OptionError` for an
    unknown channel order.
    """
    if channel_order not in ("rgb", "bgr"):
        raise OptionError(f"channel_order={channel_order!r}; allowed: 'rgb', 'bgr'")
    name = as_shown(source_name(source))
    if isinstance(source, np.ndarray):
        pixels = from_array(source, channel_order, name)
        _check_size((pixels.shape[1], pixels.shape[0]), name, limits)
        return pixels
    if isinstance(source, Image.Image):
        _check_size(source.size, name, limits)
        return _pixels(source, name)
    if not isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)) and not hasattr(source, "read"):
        raise Unreadable(f"{name}: not a picture; give a path, URL, bytes, file object, PIL image or NumPy array")
    picture = _open(read_source(source, limits), name)
    _check_size(picture.size, name, limits)
    return _pixels(picture, name)


def stretched(image: np.ndarray, size: int, grey: bool = False) -> np.ndarray:
    """A whole picture, RGB uint8 (H, W, 3), as a square: uint8 (size, size, 3), or (size, size) where `grey`.

    Pillow's bicubic filter, which averages over what it shrinks; a picture of six times the size or more on a side
    is first averaged down by a whole factor: no difference to be seen, and a quarter of the time at 12 megapixels.
    """
    picture = Image.fromarray(image).convert("L") if grey else Image.fromarray(image)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0))


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size
    if min(size) < limits.min_side:
        raise TooSmall(f"{name}: {width} x {height} pixels; {limits.min_side} or more are needed on each side")
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"{name}: {width} x {height} pixels; at most {limits.max_pixels / 1e6:g} million are decoded; "
            "give a smaller picture, or in Python: Limits(max_pixels=...)"
        )


def _open(data: bytes, name: str) -> Image.Image:
    """A Pillow image whose header is read and whose pixels are not."""
    factory = _factory(data, name)
    try:
        picture: Image.Image = factory(io.BytesIO(data))
        return picture
    except Exception as error:  # hostile bytes raise anything from struct.error to KeyError inside the format classes
        raise _broken(error, name) from error


def _pixels(picture: Image.Image, name: str) -> np.ndarray:
    try:
        picture.load()
        return from_pil(upright(picture))
    except Exception as error:  # as above; a truncated file is an OSError
        raise _broken(error, name) from error


def _broken(error: Exception, name: str) -> InputError:
    reason = as_shown(str(error).rstrip(".") or type(error).__name__)
    return Unreadable(f"{name}: cannot be decoded ({reason}); get the picture again, or save it as JPEG or PNG")


def _factory(data: bytes, name: str) -> Any:
    """The Pillow class for what the first bytes say; the suffix and the server's content type are not asked."""
    for plugin, known in _SIGNATURES.items():
        if known(data[:16]):
            return _plugin(plugin)
    if data[4:8] == b"ftyp" and _brands(data) & HEIF:
        return _heif(data[8:12], name)
    if VIDEO.match(data):
        raise Unsupported(f"{name}: {A_VIDEO}")
    raise Unsupported(f"{name}: not a picture that can be read; allowed: {FORMATS}")


_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "Jpeg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "Png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "WebP": lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP",
    "Gif": lambda head: head.startswith((b"GIF87a", b"GIF89a")),
    "Tiff": lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    "Bmp": lambda head: head.startswith(b"BM"),
    "Avif": lambda head: head[4:12] in (b"ftypavif", b"ftypavis"),
}


def _brands(data: bytes) -> set[bytes]:
    """What a file of ISO base media, such as HEIC or MP4, says to be (ISO/IEC 14496-12, 4.3)."""
    end = max(12, min(int.from_bytes(data[:4], "big"), 256))
    return {data[at : at + 4] for at in range(8, end, 4)}


def _plugin(format_name: str) -> Any:
    # JpegImageFile itself, not Pillow's factory for it: of a multi-picture phone photo the first picture is wanted.
    return getattr(importlib.import_module(f"PIL.{format_name}ImagePlugin"), f"{format_name}ImageFile")


def _heif(brand: bytes, name: str) -> Any:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        kind = f"HEIC ({as_shown(brand.decode('latin-1'))})"
        raise Unsupported(f"{name}: {kind} needs a plug-in: pip install 'emolens[heic]', or save it as JPEG") from None
    return HeifImageFile
