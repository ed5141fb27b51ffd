"""Shapes are painted where they lie, in pixels and in SVG alike."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest

from emolens.drawing.palette import PAPER
from emolens.drawing.shapes import Drawing, Line, Point, Polygon, Words, as_pixels, as_svg, box, ring, text_width

RED, BLUE = (200, 30, 30), (30, 30, 200)
SVG = "{http://www.w3.org/2000/svg}"


def area(points: tuple[Point, ...]) -> float:
    """The shoelace formula."""
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise((*points, points[0])))) / 2


@pytest.mark.parametrize(("inner", "outer", "start", "end"), [(0, 10, 0, 360), (5, 10, 30, 120), (0, 8, -20, 20)])
def test_the_area_of_a_part_of_a_ring(inner: float, outer: float, start: float, end: float) -> None:
    exact = math.pi * (outer**2 - inner**2) * (end - start) / 360
    assert area(ring((3, 4), inner, outer, start, end)) == pytest.approx(exact, rel=2e-3)


def test_angles_turn_clockwise_from_the_top() -> None:
    quarter = np.array(ring((0, 0), 0, 1, 0, 90))
    assert quarter[:, 0].min() >= -1e-9  # right of the middle
    assert quarter[:, 1].max() <= 1e-9  # above it: y grows downwards


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_pixels_lie_where_the_shapes_do(scale: float) -> None:
    drawing = Drawing(40, 20, (Polygon(box(0, 0, 20, 20), RED), Polygon(box(10, 5, 30, 15), BLUE)))
    pixels = as_pixels(drawing, scale)
    assert pixels.shape == (20 * scale, 40 * scale, 3)
    for (x, y), colour in {(3, 10): RED, (16, 10): BLUE, (26, 10): BLUE, (36, 10): PAPER, (26, 2): PAPER}.items():
        assert tuple(pixels[int(y * scale), int(x * scale)]) == colour


def test_nothing_is_painted_for_a_share_of_nothing() -> None:
    assert (as_pixels(Drawing(20, 20, (Polygon(box(5, 5, 5, 15), RED),))) == PAPER).all()


def test_edges_are_smooth() -> None:
    pixels = as_pixels(Drawing(41, 41, (Polygon(ring((20.5, 20.5), 0, 15), RED),)))
    covered = (pixels[..., 0] - float(PAPER[0])) / (RED[0] - PAPER[0])
    assert covered.sum() == pytest.approx(math.pi * 15**2, rel=0.03)
    assert ((covered > 0.2) & (covered < 0.8)).sum() > 20


def test_svg_is_whole_and_says_the_same() -> None:
    shapes = (
        Polygon(box(1, 2, 3, 4), RED),
        Line(((0, 0), (9, 9)), BLUE, 2),
        Words("a < b & c", (5, 6), 10, RED, "end"),
    )
    root = ElementTree.fromstring(as_svg(Drawing(40, 20, shapes), 'x"<script>&'))
    assert root.get("viewBox") == "0 0 40 20"
    assert root.findtext(f"{SVG}title") == 'x"<script>&'
    polygon, line, text = (root.find(f"{SVG}{tag}") for tag in ("polygon", "polyline", "text"))
    assert polygon is not None
    assert line is not None
    assert text is not None
    assert polygon.get("points") == "1.0,2.0 3.0,2.0 3.0,4.0 1.0,4.0"
    assert polygon.get("fill") == "#c81e1e"
    assert (line.get("stroke"), line.get("stroke-width")) == ("#1e1ec8", "2")
    assert (text.text, text.get("text-anchor"), text.get("x")) == ("a < b & c", "end", "5.00")


def test_words_are_as_wide_as_measured() -> None:
    drawing = Drawing(200, 40, (Words("happiness", (10, 20), 20, (255, 255, 255)),))
    inked = np.flatnonzero((as_pixels(drawing) != PAPER).any(axis=(0, 2)))
    assert inked[0] >= 9
    assert inked[-1] <= 10 + text_width("happiness", 20) + 1
    assert inked[-1] - inked[0] > 0.9 * text_width("happiness", 20)
