"""Stimuli maps from files and to files: float32 (H, W) in [0, 1], never a colour picture taken for one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from emolens.errors import DataError, NotFound, TooLarge, Unreadable
from emolens.files import replacing
from emolens.pictures.limits import LIMITS, Limits
from emolens.pictures.sources import MARK

RANGES = {np.dtype(np.bool_): 1, np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""What full weight is in the whole numbers that maps are stored in."""
SUFFIXES = (".png", ".npy", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Files that may hold a map."""
WRITTEN = "_map"
"""What `emolens analyze --out` adds to a picture's name for its map."""
CENTRE_SPREAD = 0.25
"""Standard deviation of the centre prior in sides of the picture."""


def read_map(source: Path | bytes | np.ndarray, name: str = "map", limits: Limits = LIMITS) -> np.ndarray:
    """The map in a grey picture of 1, 8 or 16 bits, in an .npy file, in encoded bytes or in an array.

    Whole numbers are divided by their range, floats must lie in [0, 1]. A picture in RGB passes where all of it is
    grey. `name` is what errors call a source that is not a path. Raises `NotFound`, `TooLarge`, and `Unreadable` for
    colours, other shapes and other values.
    """
    if isinstance(source, np.ndarray):
        return _weights(source, name)
    if isinstance(source, Path):
        name = str(source)
        try:
            source = source.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"{name}: no such map; name a file that is there") from None
        except OSError as error:
            raise Unreadable(
                f"{name}: cannot be read ({error.strerror}); name a grey picture or an .npy file"
            ) from None
    return _weights(_stored(source, name, limits), name)


def write_map(weights: np.ndarray, path: Path, bits: int = 8) -> None:
    """Write a map, float32 (H, W) in [0, 1], as .npy or as a grey PNG of 8 or 16 bits, whole or not at all.

    A PNG is marked as made by emolens, so that `expand` does not take it for a photo. Raises `OutputError`.
    """
    with replacing(path) as draft, draft.open("wb") as file:
        if path.suffix == ".npy":
            np.save(file, weights, allow_pickle=False)
            return
        kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
        mark = PngInfo()
        mark.add_text("Comment", MARK)
        levels = np.rint(weights * np.float32(RANGES[kind])).astype(kind)
        Image.fromarray(levels).save(file, "PNG", pnginfo=mark)


def resized(weights: np.ndarray, width: int, height: int, smooth: bool = False) -> np.ndarray:
    """A map (h, w) as float32 (height, width), bilinear: weights stay in range, and are averaged where it shrinks.

    `smooth` is for evidence on a coarse grid: bicubic, which runs smoothly between the places and may overshoot.
    """
    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(weights.astype(np.float32)).resize((width, height), way))


def maps_below(folder: Path) -> dict[tuple[str, ...], Path]:
    """The maps below a folder by the parts of their relative names without suffix.

    Raises `DataError` where two share a name, but for `<picture>_map.npy` and its copy in grey, which
    `emolens analyze --out` writes: the exact one is taken.
    """
    found: dict[tuple[str, ...], Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()):
        name = path.relative_to(folder).with_suffix("").parts
        if name in found and not (found[name].suffix == ".npy" and path.name.endswith(f"{WRITTEN}.png")):
            raise DataError(f"{found[name]} and {path.name}: two maps of one name; keep one")
        found.setdefault(name, path)
    return found


def _stored(data: bytes, name: str, limits: Limits) -> np.ndarray:
    """The array in an .npy file or a picture, as it is stored."""
    try:
        if data.startswith(b"\x93NUMPY"):
            stored: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
            return stored
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > limits.max_pixels:
                raise TooLarge(f"{name}: {picture.width} x {picture.height} pixels; at most {limits.max_pixels:,}")
            picture.load()
            return _grey(picture, name)
    except (TooLarge, Unreadable):
        raise
    except UnidentifiedImageError:  # its text names an object in memory
        raise Unreadable(f"{name}: not a map (no known format); give a grey picture or an .npy file") from None
    except Exception as error:  # hostile bytes raise anything inside the format classes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(f"{name}: not a map ({reason}); give a grey picture or an .npy file") from None


def _grey(picture: Image.Image, name: str) -> np.ndarray:
    if picture.mode in ("L", "1", "F") or picture.mode.startswith("I;16"):
        return np.asarray(picture)
    if picture.mode == "I":  # how Pillow opens some 16-bit files
        return np.asarray(picture).astype(np.uint16)
    rgb = np.asarray(picture.convert("RGB"))
    if np.any(rgb != rgb[..., :1]):
        raise Unreadable(f"{name}: a map in colour ({picture.mode}); needs a grey picture, one weight a pixel")
    grey: np.ndarray = rgb[..., 0]
    return grey


def _weights(stored: np.ndarray, name: str) -> np.ndarray:
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[..., 0]
    if stored.ndim != 2 or stored.size == 0:
        raise Unreadable(f"{name}: a map of shape {stored.shape}; needs (H, W), one weight a pixel")
    if stored.dtype in RANGES:
        shares: np.ndarray = stored.astype(np.float32) / np.float32(RANGES[stored.dtype])
        return shares
    if stored.dtype.kind != "f":
        raise Unreadable(f"{name}: a map of {stored.dtype}; needs 8 or 16 bits without sign, or floats in [0, 1]")
    low, high = float(stored.min()), float(stored.max())
    if not (low >= 0 and high <= 1):  # NaN fails too
        raise Unreadable(f"{name}: weights from {low:.4g} to {high:.4g}; needs [0, 1]")
    return stored.astype(np.float32)


def centre_prior(height: int, width: int, spread: float = CENTRE_SPREAD) -> np.ndarray:
    """A round hill in the middle, 1 at its top, float32 (height, width); `spread` is in sides of the picture."""
    rows = (np.arange(height) + 0.5) / height - 0.5
    columns = (np.arange(width) + 0.5) / width - 0.5
    hill: np.ndarray = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * spread**2))
    return hill.astype(np.float32)
