"""What a frozen trunk sees in every picture, in several random views, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emolens.data.pictures import LabelledPictures
from emolens.files import replacing
from emolens.learn.join import middle_part
from emolens.learn.studies.folds import fingerprint
from emolens.places import home

PLAIN = 2
"""The first views: the picture, and the mirror image of its middle or of all of it. Figures are read off these,
training draws from all."""
BATCH = 8

Look = Callable[[np.ndarray], np.ndarray]
"""From pictures, RGB uint8 (n, S, S, 3), to what a trunk tells of each, (n, D)."""


@dataclass(frozen=True, slots=True)
class Views:
    """How a picture is varied: the least share of it that a random view shows, and how far its ratio may bend.

    `middle` is the side of the part that the mirrored view shows, in sides of the picture; 1 is all of it.
    """

    middle: float = 1.0
    random: int = 4
    least: float = 0.45
    bend: float = 0.25
    light: float = 0.15

    def __len__(self) -> int:
        return PLAIN + self.random


def frozen_features(
    pictures: LabelledPictures, look: Look, name: str, say: Callable[[str], None], middle: float = 1.0
) -> np.ndarray:
    """What `look` tells of every picture in every view, float16 (views, N, D).

    View 0 is the picture, view 1 the mirror image of its middle part, see `Views`, the others are random. They are kept
    in the cache under the `name` of the trunk, and read from there.
    """
    views = Views(middle)
    kept = home() / "features" / f"{name}-{fingerprint(pictures)}"
    found = []
    for view in range(len(views)):
        part = f"-{middle:g}" if view == 1 and middle < 1 else ""
        path = kept / f"view-{view}{part}.npy"
        if not path.is_file():
            say(f"features of {len(pictures)} pictures, view {view + 1} of {len(views)}")
            kept.mkdir(parents=True, exist_ok=True)
            features = _features(look, pictures.images, view, views)
            with replacing(path) as draft, draft.open("wb") as file:
                np.save(file, features)
        found.append(np.load(path))
    return np.stack(found)


def _features(look: Look, images: np.ndarray, view: int, views: Views) -> np.ndarray:
    chance, rows = np.random.default_rng(view), []
    for at in range(0, len(images), BATCH):
        seen = np.stack([varied(image, view, views, chance) for image in images[at : at + BATCH]])
        rows.append(look(seen).astype(np.float16))
    return np.concatenate(rows)


def varied(image: np.ndarray, view: int, views: Views, chance: np.random.Generator) -> np.ndarray:
    """One view of a picture, uint8 (S, S, 3): all of it, its mirrored middle, or a random part of it in other light."""
    if view >= PLAIN:
        image = _relit(_part(image, views, chance), views.light, chance)
    elif view:
        image = _middle(image, views.middle)
    return np.ascontiguousarray(image[:, ::-1]) if view % 2 else image


def _middle(image: np.ndarray, middle: float) -> np.ndarray:
    """The middle part, enlarged linearly, as the file of a joined model does it, but in whole levels."""
    side = image.shape[0]
    start, end = middle_part(side, middle)
    part = Image.fromarray(image[start:end, start:end])
    return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR))


def _part(image: np.ndarray, views: Views, chance: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    area, ratio = chance.uniform(views.least, 1), np.exp(chance.uniform(-views.bend, views.bend))
    width, height = min(1, np.sqrt(area * ratio)) * side, min(1, np.sqrt(area / ratio)) * side
    left, top = chance.uniform(0, side - width), chance.uniform(0, side - height)
    box = (left, top, left + width, top + height)
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, box=box))


def _relit(image: np.ndarray, by: float, chance: np.random.Generator) -> np.ndarray:
    """Contrast, brightness and saturation each changed by up to about this share."""
    levels = image.astype(np.float32)
    mean = levels.mean()
    levels = (levels - mean) * chance.uniform(1 - by, 1 + by) + mean * chance.uniform(1 - by, 1 + by)
    grey = levels.mean(axis=2, keepdims=True)
    levels = grey + (levels - grey) * chance.uniform(1 - 2 * by, 1 + 2 * by)
    return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)
