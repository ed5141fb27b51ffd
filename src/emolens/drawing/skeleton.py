"""People as skeletons on black, as OpenPose draws them without the picture behind.

Points, limbs, colours and sizes are those of OpenPose 1.7 (`poseParametersRender.hpp` and its renderer for CPUs): a
limb has the colour of its second point; a circle is 1 / 75 of the side of a square as large as the picture, and smaller
for a person who fills less of it; a limb is three quarters as wide; points of a score up to .05 are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from emolens.drawing.palette import Colour
from emolens.errors import LabelError

THRESHOLD, CIRCLE, LIMB, LEAST = 0.05, 1 / 75, 0.75, 2.0
SMOOTH = 2
"""Painted so many times as large and averaged: Pillow's own edges are stairs."""
MOST_SMOOTHED = 4_000_000
"""Pixels of a picture up to which that is done."""

_HEAD_AND_ARMS: tuple[Colour, ...] = (
    (255, 0, 85), (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
)  # fmt: skip
_LEGS: tuple[Colour, ...] = (
    (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255),
)  # fmt: skip
_FACE: tuple[Colour, ...] = ((255, 0, 170), (170, 0, 255), (255, 0, 255), (85, 0, 255))
_ARMS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7))


@dataclass(frozen=True, slots=True)
class Layout:
    """Which points a skeleton has: a colour for each, and limbs as pairs of them."""

    name: str
    colours: tuple[Colour, ...]
    limbs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.colours)


COCO18 = Layout(
    "COCO-18",
    (*_HEAD_AND_ARMS, *_LEGS, *_FACE),
    (*_ARMS, (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
BODY25 = Layout(
    "BODY_25",
    (*_HEAD_AND_ARMS, (255, 0, 0), *_LEGS, *_FACE, *((0, 0, 255),) * 3, *((0, 255, 255),) * 3),
    (
        (1, 8), *_ARMS, (8, 9), (9, 10), (10, 11), (8, 12), (12, 13), (13, 14), (1, 0), (0, 15), (15, 17), (0, 16),
        (16, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
    ),
)  # fmt: skip
LAYOUTS = {len(layout): layout for layout in (COCO18, BODY25)}
"""By the number of points of a person."""
_FROM_COCO17 = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""Which of COCO's 17 points each of OpenPose's 18 is; the neck is none of them."""


def with_necks(points: np.ndarray) -> np.ndarray:
    """People with COCO's 17 points (P, 17, 3) as OpenPose's 18 (P, 18, 3): x, y, score.

    A neck is the middle between the shoulders, and as sure as the less sure of them.
    """
    if points.ndim != 3 or points.shape[1:] != (17, 3):
        raise LabelError(f"people with points of shape {points.shape}; COCO has (P, 17, 3): x, y, score")
    people = np.empty((len(points), 18, 3), points.dtype)
    for at, source in enumerate(_FROM_COCO17):
        if source is not None:
            people[:, at] = points[:, source]
    shoulders = points[:, 5:7]
    people[:, 1, :2] = shoulders[:, :, :2].mean(axis=1)
    people[:, 1, 2] = shoulders[:, :, 2].min(axis=1)
    return people


def draw_skeletons(people: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """People (P, 18, 3) or (P, 25, 3), x and y in pixels and a score, on black: RGB uint8 (H, W, 3).

    `size` is (width, height). Raises `LabelError` for another number of points.
    """
    if people.ndim != 3 or people.shape[1] not in LAYOUTS or people.shape[2] != 3:
        known = ", ".join(f"(P, {count}, 3) {layout.name}" for count, layout in LAYOUTS.items())
        raise LabelError(f"people of shape {people.shape}; allowed: {known}")
    scale = SMOOTH if size[0] * size[1] <= MOST_SMOOTHED else 1
    canvas = Image.new("RGB", (size[0] * scale, size[1] * scale))
    draw = ImageDraw.Draw(canvas)
    for person in people:
        _draw_person(draw, LAYOUTS[people.shape[1]], person, size, scale)
    return np.asarray(canvas.reduce(scale) if scale > 1 else canvas)


def _draw_person(
    draw: ImageDraw.ImageDraw, layout: Layout, person: np.ndarray, size: tuple[int, int], scale: int
) -> None:
    seen = (person[:, 2] > THRESHOLD) & np.isfinite(person).all(axis=1)
    if not seen.any():
        return
    thickness = _thickness(person[seen, :2], size) * scale
    points = (np.where(seen[:, None], person[:, :2], 0) + 0.5) * scale
    for first, second in layout.limbs:
        if seen[first] and seen[second]:
            _stroke(draw, points[first], points[second], max(1.0, thickness * LIMB), layout.colours[second])
    for point, colour, there in zip(points, layout.colours, seen, strict=True):
        if there:
            _disc(draw, point, thickness / 2, colour)


def _thickness(points: np.ndarray, size: tuple[int, int]) -> float:
    """The width of a circle in pixels."""
    extent = points.max(axis=0) - points.min(axis=0)
    share = min(1.0, float((extent / size).max()))
    return max(math.sqrt(size[0] * size[1]) * CIRCLE * share, LEAST)


def _stroke(draw: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, width: float, colour: Colour) -> None:
    """A line with round ends, as OpenCV draws it."""
    draw.line([*start.tolist(), *end.tolist()], fill=colour, width=max(1, round(width)))
    for point in (start, end):
        _disc(draw, point, width / 2, colour)


def _disc(draw: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, colour: Colour) -> None:
    draw.ellipse([*(centre - radius).tolist(), *(centre + radius).tolist()], fill=colour)
