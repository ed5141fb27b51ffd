"""Drawings as lists of shapes, painted alike as SVG text and as pixels.

Lengths are in units of a drawing whose origin is the upper left corner. Later shapes lie on earlier ones; in pixels all
words lie on top.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emolens.drawing.palette import PAPER, Colour

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["start", "middle", "end"]
FONTS = "Aileron, Helvetica, Arial, sans-serif"  # Pillow's own first: what is measured with it fits
MOST_PIXELS = 24_000_000  # of a supersampled drawing


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline; a round one is sampled finely (`ring`)."""

    points: tuple[Point, ...]
    fill: Colour


@dataclass(frozen=True, slots=True)
class Line:
    """A stroke through points."""

    points: tuple[Point, ...]
    colour: Colour
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Words:
    """Text in one line, `size` units high; `at` is the middle of its left end, centre or right end."""

    text: str
    at: Point
    size: float
    colour: Colour
    anchor: Anchor = "start"


Shape: TypeAlias = "Polygon | Line | Words"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on paper of a size."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def box(x1: float, y1: float, x2: float, y2: float) -> tuple[Point, ...]:
    """The corners of a rectangle."""
    return ((x1, y1), (x2, y1), (x2, y2), (x1, y2))


def ring(centre: Point, inner: float, outer: float, start: float = 0, end: float = 360) -> tuple[Point, ...]:
    """The outline of a part of a ring; angles in degrees, clockwise from the top. A disc has no inner radius."""
    steps = max(2, math.ceil(abs(end - start) / 4))
    angles = [math.radians(start + (end - start) * n / steps) for n in range(steps + 1)]
    there = [_on_circle(centre, outer, angle) for angle in angles]
    back = [_on_circle(centre, inner, angle) for angle in reversed(angles)] if inner > 0 or end - start < 360 else []
    return (*there, *back)


def _on_circle(centre: Point, radius: float, angle: float) -> Point:
    return (centre[0] + radius * math.sin(angle), centre[1] - radius * math.cos(angle))


def text_width(text: str, size: float) -> float:
    """Units that a text takes in Pillow's own font."""
    return float(_font(round(size)).getlength(text)) * size / max(1, round(size))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(1, size))


def as_svg(drawing: Drawing, title: str = "") -> str:
    """The drawing as the text of an SVG file that needs nothing else; `title` is for readers of the screen."""
    size = f'width="{drawing.width:g}" height="{drawing.height:g}" viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONTS}">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="{_hex(PAPER)}"/>',
        *(_element(shape) for shape in drawing.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Words):
        x, y = shape.at
        place = f'x="{x:.2f}" y="{y + 0.35 * shape.size:.2f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"'
        return f'<text {place} fill="{_hex(shape.colour)}">{html.escape(shape.text)}</text>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if isinstance(shape, Line):
        stroke = f'stroke="{_hex(shape.colour)}" stroke-width="{shape.width:g}"'
        return f'<polyline points="{points}" fill="none" {stroke}/>'
    return f'<polygon points="{points}" fill="{_hex(shape.fill)}"/>'


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def as_pixels(drawing: Drawing, scale: float = 1.0) -> np.ndarray:
    """The drawing as RGB uint8 (H, W, 3), `scale` pixels a unit, with smooth edges."""
    width, height = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
    finer = max(1, min(3, int(math.sqrt(MOST_PIXELS / (width * height)))))
    large = Image.new("RGB", (width * finer, height * finer), PAPER)
    _paint(ImageDraw.Draw(large), drawing.shapes, scale * finer)
    picture = large.reduce(finer) if finer > 1 else large
    draw = ImageDraw.Draw(picture)
    for words in (shape for shape in drawing.shapes if isinstance(shape, Words)):
        at = (words.at[0] * scale, words.at[1] * scale)
        anchor = {"start": "lm", "middle": "mm", "end": "rm"}[words.anchor]
        draw.text(at, words.text, font=_font(round(words.size * scale)), fill=words.colour, anchor=anchor)
    return np.asarray(picture)


def _extent(points: Sequence[Point]) -> tuple[float, float]:
    xs, ys = zip(*points, strict=True)
    return max(xs) - min(xs), max(ys) - min(ys)


def _paint(draw: ImageDraw.ImageDraw, shapes: Sequence[Shape], scale: float) -> None:
    for shape in shapes:
        if isinstance(shape, Polygon):
            points = [(x * scale, y * scale) for x, y in shape.points]
            if min(_extent(points)) >= 0.5:  # Pillow gives every polygon the width of its edge, one of a share of 0 too
                draw.polygon(points, fill=shape.fill)
        elif isinstance(shape, Line):
            points = [(x * scale, y * scale) for x, y in shape.points]
            draw.line(points, fill=shape.colour, width=max(1, round(shape.width * scale)))
