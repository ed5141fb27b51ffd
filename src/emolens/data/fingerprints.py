"""What makes two pictures equal: the same bytes, the same pixels, or nearly the same look.

The look is a perceptual hash: the signs about the median of the 16 x 16 lowest frequencies (`imagehash.phash`, 256
bits). Two unrelated pictures differ in about 128 bits.

How far apart near-duplicates may lie was found by looking. On the 34,034 distinct pictures of FER2013, pairs were drawn
at random by distance and looked at: 48 of 48 at 56 to 63 bits are one photo (another crop, another contrast, a
watermark), 47 of 48 at 60 to 62 bits, about 34 of 48 at 64 to 71. Of the 3,084 pairs up to 62 bits the 48 whose pixels
correlate least hold about 7 wrong ones, so up to `NEAR` bits well over 99 in 100 are right; the wrong ones are dark or
low-contrast frontal faces. The usual 64-bit hash was wrong in 4 of 48 pairs at 6 bits and in half of them at 8, and
finds fewer. Among the 1,980 photos of Emotion6 the nearest two lie 80 bits apart and are unrelated. Faces that were
aligned by their eyes may be more alike; it was not tried on them, so look at pairs before rows are dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emolens.data.base import Picture
from emolens.errors import MissingExtra, OptionError, Unreadable
from emolens.pictures.images import open_image
from emolens.pictures.limits import LIMITS

NEAR = 60
"""Pictures whose hashes differ in at most this many of 256 bits are near-duplicates."""

SIDE = 16
BITS = SIDE * SIDE
FEWEST_ONES = 96
"""A hash with fewer ones is of a picture without texture: the median splits true frequencies into 128 and 128."""

ANY_SIZE = replace(LIMITS, min_side=1)
"""A picture too small for a face can still be a copy of another."""
CELLS = 1 << 24
"""Entries of the matrix of distances that are held at once: 64 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """One picture: digests of its file and of its RGB pixels, whether all pixels are alike, its look.

    `file` is empty for a picture that came as an array. `look` is bool (256,); None where it was not asked for or the
    picture has too little texture for one.
    """

    file: str
    pixels: str
    blank: bool
    look: np.ndarray | None


def fingerprint(picture: Picture, looks: bool = True) -> Fingerprint:
    """Read one picture: a path, encoded bytes, or an array. `looks` asks for the perceptual hash too.

    A grey picture and its RGB copy have the same pixels. Raises `InputError` where it cannot be read and
    `MissingExtra` without imagehash.
    """
    source = _read(picture) if isinstance(picture, Path) else picture
    rgb = open_image(source, limits=ANY_SIZE)
    blank = bool(rgb.min() == rgb.max())
    return Fingerprint(
        file="" if isinstance(source, np.ndarray) else _digest(source),
        pixels=_digest(str(rgb.shape).encode(), rgb.tobytes()),
        blank=blank,
        look=look(rgb) if looks and not blank else None,
    )


def look(rgb: np.ndarray) -> np.ndarray | None:
    """The perceptual hash of RGB uint8 (H, W, 3) as bool (256,), or None where it has too little texture."""
    bits = np.asarray(_imagehash().phash(Image.fromarray(rgb), hash_size=SIDE).hash, dtype=bool).ravel()
    return bits if bits.sum() >= FEWEST_ONES else None


def near_pairs(looks: np.ndarray, distance: int = NEAR) -> np.ndarray:
    """All pairs of hashes (N, 256) that differ in at most `distance` bits: int (P, 2), the first index the smaller.

    Exact: every pair is compared, as a product of matrices of +1 and -1. Four seconds of one core for N = 34,034; time
    grows with the square of N. Raises `OptionError` for a distance at which unrelated pictures are "near".
    """
    if not 0 <= distance < BITS // 2:
        raise OptionError(f"distance is {distance}, needs 0 to {BITS // 2 - 1} of {BITS} bits; {NEAR} is well tried")
    signs = np.where(looks, 1, -1).astype(np.float32).reshape(-1, BITS)
    return np.concatenate([np.empty((0, 2), np.int64), *_near_blocks(signs, BITS - 2 * distance)])


def _near_blocks(signs: np.ndarray, least: int) -> Iterator[np.ndarray]:
    rows = max(1, CELLS // max(1, len(signs)))
    for start in range(0, len(signs), rows):
        products = signs[start : start + rows] @ signs[start:].T  # bits alike minus bits that differ
        first, second = np.divmod(np.flatnonzero(products.ravel() >= least), products.shape[1])
        later = second > first
        yield np.stack([first[later], second[later]], axis=1) + start


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}; put the picture there") from None


def _digest(*parts: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _imagehash() -> Any:
    try:
        import imagehash
    except ImportError:
        raise MissingExtra("the search for near-duplicates", "evaluate") from None
    return imagehash
