"""Every kind of pixel to RGB uint8 (H, W, 3): palettes, alpha, 16 bits, floats, inks, colour profiles."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from PIL import Image

from emolens.errors import Unreadable

ALLOWED = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16, bool or float in [0, 1]"
ORIENTATION = 274
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture with this EXIF orientation (TIFF 6.0, tag 274) upright."""
VISIBLE = 6
"""Steps of 255 by which a colour profile must move some colour before it is applied."""


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned by its EXIF orientation; unreadable EXIF data counts as none."""
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF blocks are broken in many ways; the pixels are good all the same
        return picture
    return picture if turn is None else picture.transpose(turn)


def from_pil(picture: Image.Image) -> np.ndarray:
    """Loaded Pillow pixels of any mode as RGB uint8 (H, W, 3). Transparent parts lie on white."""
    mode = picture.mode
    if mode.startswith(("I", "F")):
        return _grey(_to_uint8(np.asarray(picture)))
    if mode in ("La", "RGBa"):  # premultiplied, from TIFF
        picture = picture.convert("LA" if mode == "La" else "RGBA")
    if mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in picture.info:
        return _on_white(np.asarray(picture.convert("RGBA")))
    if mode in ("RGB", "CMYK") and (profile := picture.info.get("icc_profile")):
        picture = _to_srgb(picture, profile)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def from_array(array: np.ndarray, channel_order: str, name: str) -> np.ndarray:
    """An array as RGB uint8 (H, W, 3), C-contiguous; the array itself where it is that already.

    Raises `Unreadable` for a shape or a type that is not allowed, and for floats outside [0, 1].
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = " has its channels first, use transpose(1, 2, 0)" if first else ""
        raise Unreadable(f"{name}: shape {array.shape}{hint}; allowed: {ALLOWED}")
    if array.size == 0:
        raise Unreadable(f"{name}: shape {array.shape} holds no pixel; give a picture")
    array = _array_to_uint8(array, name)
    if array.ndim == 2 or array.shape[2] == 1:
        return _grey(array.reshape(array.shape[:2]))
    if channel_order == "bgr":
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    return np.ascontiguousarray(array) if array.shape[2] == 3 else _on_white(array)


def _array_to_uint8(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        levels: np.ndarray = array.view(np.uint8) * np.uint8(255)
        return levels
    if array.dtype == np.uint16:
        return _scaled(array, 65535)
    if array.dtype.kind != "f":
        raise Unreadable(f"{name}: dtype {array.dtype}; allowed: {ALLOWED}; try .astype('uint8')")
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails too; resizing overshoots by a little
        raise Unreadable(f"{name}: floats from {low:.4g} to {high:.4g}; allowed: [0, 1]; divide by 255 if that fits")
    return _scaled(array, 1)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    """Grey levels (H, W) of 16 or 32 bits or floats, by the smallest usual range that holds them."""
    values = np.nan_to_num(values, posinf=0, neginf=0) if values.dtype.kind == "f" else values
    ranges = (1, 255, 65535) if values.dtype.kind == "f" else (65535,)
    top = max(float(values.max()), 0.0)
    return _scaled(values, next((r for r in ranges if top <= r), top))


def _scaled(values: np.ndarray, top: float) -> np.ndarray:
    scaled = values.astype(np.float32) * np.float32(255 / top)
    rounded: np.ndarray = (np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)
    return rounded


def _grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[:, :, None], 3, axis=2)


def _on_white(rgba: np.ndarray) -> np.ndarray:
    """What a viewer shows: RGBA uint8 (H, W, 4) over a white page, rounded."""
    alpha = rgba[..., 3:]
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3].astype(np.uint16) * alpha + np.uint16(255) * (255 - alpha.astype(np.uint16))
    white: np.ndarray = ((mixed + 127) // 255).astype(np.uint8)
    return white


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    try:
        transform = _transform(profile, picture.mode)
        return picture if transform is None else ImageCms.applyTransform(picture, transform) or picture
    except (ImageCms.PyCMSError, ValueError, OSError):  # a damaged profile says nothing about the pixels
        return picture


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> Any:
    """The way from a profile to sRGB, or None where no colour moves by as much as anybody would see."""
    from PIL import ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
    )
    if mode != "RGB":
        return transform
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(36, 6, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    return transform if int(np.abs(moved.astype(int) - cube).max()) >= VISIBLE else None
