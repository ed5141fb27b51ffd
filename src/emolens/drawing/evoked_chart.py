"""What a picture evokes, drawn: the emotion wheel, bars, and the point of valence and arousal.

On the wheel each emotion stands at its place on Mikels' circle (`wheel`), neutral, which has none, in the middle. The
same area is the same share everywhere: a full sector and the full disc in the middle are 100 % each. Places for which
the model has no class stay empty, with their names in grey.
"""

from __future__ import annotations

import math

from emolens.drawing.palette import DIM, INK, PAPER, TRACK, UNSURE, Colour, colour_of
from emolens.drawing.shapes import Anchor, Drawing, Line, Point, Polygon, Shape, Words, box, ring, text_width
from emolens.records import HIGHEST, LOWEST, Prediction
from emolens.taxonomy import Taxonomy
from emolens.wheel import WHEEL, wheel_place

NOTICE = "evoked in viewers, not felt by those in it"
HUB = 1 / 3  # of the wheel's radius: then a sector of 45 degrees around it has the area of the disc in it
RINGS = (0.25, 0.5, 1.0)
STEP = 360 / len(WHEEL)
SMALL = 0.85  # of the type, for what is read second
FAINT: Colour = (104, 108, 116)
GROUND, GROOVE, THREAD = (32, 35, 40), (44, 48, 54), (52, 56, 63)  # between paper and track, from dark to light

# All lengths below are in heights of type.
WHEEL_RADIUS, WHEEL_ROOM, WHEEL_HEIGHT = 7.0, 22.5, 19.5
BARS, BAR_LINE, MOST_BARS = 16.5, 1.55, 40.0
SQUARE, SQUARE_ROOM = 9.5, 14.5
EDGE, GAP = 0.7, 1.4  # the margin is that of the strip above
IN_A_ROW = EDGE + WHEEL_ROOM + GAP + BARS + GAP + SQUARE_ROOM + EDGE
IN_COLUMNS = EDGE + WHEEL_ROOM + GAP + BARS + EDGE
SHEET = 60.0


def evoked_sheet(said: Prediction, size: float = 15.0) -> Drawing:
    """A drawing of its own, for a file: all that is known of what a picture evokes, in type `size` units high."""
    return evoked_panel(said, SHEET * size, size)


def evoked_panel(said: Prediction, width: float, size: float) -> Drawing:
    """What a picture evokes in a strip `width` wide, in type `size` high, as richly as fits.

    Wheel, bars and valence and arousal in a row; in a narrower strip two columns; in the narrowest, and for classes
    that do not stand on the wheel, the bars alone.
    """
    across = width / size
    shapes, top = _heading(said, across, size)
    if across < IN_COLUMNS or not _on_the_wheel(said.taxonomy):
        shapes += bars(said, (EDGE * size, top * size), min(across - 2 * EDGE, MOST_BARS) * size, size)
        bottom = top + BAR_LINE * len(said.taxonomy)
    else:
        shapes += wheel(said, ((EDGE + WHEEL_ROOM / 2) * size, (top + WHEEL_HEIGHT / 2) * size), size)
        shapes += _beside_the_wheel(said, (EDGE + WHEEL_ROOM + GAP, top), across, size)
        bottom = top + WHEEL_HEIGHT
    small, low = SMALL * size, (bottom + 1.0) * size
    shapes.append(Words(NOTICE, (EDGE * size, low), small, DIM))
    if text_width(NOTICE, small) + text_width(said.model, small) + (2 * EDGE + GAP) * size < width:
        shapes.append(Words(said.model, (width - EDGE * size, low), small, FAINT, "end"))
    return Drawing(width, math.ceil((bottom + 2.0) * size), tuple(shapes))


def _heading(said: Prediction, across: float, size: float) -> tuple[list[Shape], float]:
    """What the picture evokes in words, in one line or two, and where it ends, in heights of type."""
    label = "unsure" if said.abstained else f"{said.label} {said.probability(said.label):.0%}"
    values = (("valence", said.valence), ("arousal", said.arousal))
    told = "  ·  ".join(f"{name} {value:.1f}" for name, value in values if value is not None)
    whole = f"Evokes: {label}  ·  {told}" if told else f"Evokes: {label}"
    large = 1.15 * size
    if not told or text_width(whole, large) <= (across - 2 * EDGE) * size:
        return [Words(whole, (EDGE * size, 1.4 * size), large, INK)], 2.6
    lines = [f"Evokes: {label}", told]
    return [Words(text, (EDGE * size, (1.4 + 1.6 * n) * size), large, INK) for n, text in enumerate(lines)], 4.2


def _beside_the_wheel(said: Prediction, at: Point, across: float, size: float) -> list[Shape]:
    """Bars, and valence and arousal right of them or below; `at` and all lengths but `size` in heights of type."""
    x, y = at
    high, free = BAR_LINE * len(said.taxonomy), min(MOST_BARS, across - EDGE - x)
    middle = y + (WHEEL_HEIGHT - high) / 2
    if said.valence is None or said.arousal is None:
        return bars(said, (x * size, middle * size), free * size, size)
    if across >= IN_A_ROW:
        y, long, side = middle, BARS, SQUARE
        place = (x + BARS + GAP + 3.5, at[1] + (WHEEL_HEIGHT - SQUARE) / 2 - 0.5)
    else:
        long, side = free, min(SQUARE, WHEEL_HEIGHT - high - 2.5)
        place = (x + 6.0, y + high + 0.9)
    drawn = bars(said, (x * size, y * size), long * size, size)
    affect = (said.valence, said.arousal)
    return drawn + affect_square(affect, _main_colour(said), (place[0] * size, place[1] * size), side * size, size)


def _main_colour(said: Prediction) -> Colour:
    return UNSURE if said.abstained else colour_of(said.label)


def _on_the_wheel(taxonomy: Taxonomy) -> bool:
    """Whether each class but neutral has a place, and no two have the same."""
    places = [wheel_place(name) for name in taxonomy.classes if name != "neutral"]
    return None not in places and len(set(places)) == len(places)


def wheel(said: Prediction, centre: Point, size: float) -> list[Shape]:
    """The distribution on the wheel; `size` is that of the type."""
    radius = WHEEL_RADIUS * size
    names: list[str | None] = [None] * len(WHEEL)
    for known in said.taxonomy.classes:
        if (stands := wheel_place(known)) is not None:
            names[stands] = known
    shares = [0.0 if name is None else said.probability(name) for name in names]
    shapes: list[Shape] = [Polygon(ring(centre, 0, radius), GROUND)]
    for mark in RINGS:
        shapes.append(Line(ring(centre, 0, _reach(mark) * radius), TRACK if mark == 1 else THREAD, max(1, size / 14)))
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        sides = ((place - 0.5) * STEP + 1, (place + 0.5) * STEP - 1)  # a degree free, so that neighbours do not touch
        if name is not None:
            shapes.append(Polygon(ring(centre, HUB * radius, _reach(share) * radius, *sides), colour_of(name)))
        shapes += _place_label(name, share, place, centre, size)
    return [*shapes, *_ring_labels(centre, size, shares.index(min(shares))), *_hub(said, centre, radius, size)]


def _reach(share: float) -> float:
    """The outer radius of a sector, of the wheel's, whose area is `share` of that of a full one."""
    return math.sqrt(HUB**2 + share * (1 - HUB**2))


def _ring_labels(centre: Point, size: float, place: int) -> list[Shape]:
    """The shares of the rings, at the place where the least of a sector hides them."""
    spots = [(mark, _spot(centre, _reach(mark) * WHEEL_RADIUS * size, place)) for mark in RINGS[:-1]]
    return [Words(f"{mark:.0%}", spot, 0.6 * size, DIM, "middle") for mark, spot in spots]


def _spot(centre: Point, far: float, place: int) -> Point:
    angle = math.radians(place * STEP)
    return (centre[0] + far * math.sin(angle), centre[1] - far * math.cos(angle))


def _place_label(name: str | None, share: float, place: int, centre: Point, size: float) -> list[Shape]:
    """The name of a place and its share outside the wheel; in grey where the model has no class for it."""
    x, y = _spot(centre, (WHEEL_RADIUS + 0.7) * size, place)
    side, up = _spot((0, 0), 1, place)
    anchor: Anchor = "start" if side > 0.1 else "end" if side < -0.1 else "middle"
    y += up * 0.8 * size  # two lines stand further out above and below
    if name is None:
        return [Words(WHEEL[place], (x, y), SMALL * size, FAINT, anchor)]
    told = Words(f"{share:.0%}", (x, y + 0.55 * size), SMALL * size, DIM, anchor)
    return [Words(name, (x, y - 0.5 * size), size, INK, anchor), told]


def _hub(said: Prediction, centre: Point, radius: float, size: float) -> list[Shape]:
    """Neutral in the middle, on the scale of the sectors; nothing where the model does not know it."""
    if "neutral" not in said.taxonomy.classes:
        return []
    disc = HUB * radius * math.sqrt(said.probability("neutral"))
    inside = disc > 1.6 * size
    words = Words("neutral", (centre[0], centre[1] + (0 if inside else disc + 0.5 * size)), 0.7 * size,
                  PAPER if inside else DIM, "middle")  # fmt: skip
    edge = Line(ring(centre, 0, HUB * radius), TRACK, max(1.0, size / 14))
    return [
        Polygon(ring(centre, 0, HUB * radius), PAPER),
        edge,
        Polygon(ring(centre, 0, disc), colour_of("neutral")),
        words,
    ]


def bars(said: Prediction, at: Point, width: float, size: float) -> list[Shape]:
    """A bar for each class in the order of the taxonomy, so that pictures compare; `at` is the upper left corner."""
    left = at[0] + max(text_width(name, size) for name in said.taxonomy.classes) + 0.8 * size
    right = at[0] + width - 3.1 * size
    shapes: list[Shape] = []
    for row, (name, share) in enumerate(zip(said.taxonomy.classes, said.distribution.tolist(), strict=True)):
        y = at[1] + (row + 0.5) * BAR_LINE * size
        top = not said.abstained and name == said.label
        ink, up, down, end = INK if top else DIM, y - 0.45 * size, y + 0.45 * size, left + share * (right - left)
        shapes += [
            Words(name, (at[0], y), size, ink),
            Polygon(box(left, up, right, down), GROOVE),
            Polygon(box(left, up, end, down), colour_of(name)),
            Words(f"{share:.0%}", (at[0] + width, y), size, ink, "end"),
        ]
    return shapes


def affect_square(affect: tuple[float, float], colour: Colour, at: Point, side: float, size: float) -> list[Shape]:
    """Valence to the right and arousal upwards, each from 1 to 9, and the picture's point in the square."""
    (left, top), (valence, arousal) = at, affect
    right, bottom, thin = left + side, top + side, max(1.0, size / 14)
    x = left + side * (valence - LOWEST) / (HIGHEST - LOWEST)
    y = bottom - side * (arousal - LOWEST) / (HIGHEST - LOWEST)
    small = 0.75 * size
    corners = box(left, top, right, bottom)
    return [
        Polygon(corners, GROUND),
        Line(((left, (top + bottom) / 2), (right, (top + bottom) / 2)), TRACK, thin),
        Line((((left + right) / 2, top), ((left + right) / 2, bottom)), TRACK, thin),
        Line((*corners, corners[0]), TRACK, thin),
        Polygon(ring((x, y), 0, 0.62 * size), PAPER),
        Polygon(ring((x, y), 0, 0.45 * size), colour),
        Words("unpleasant", (left, bottom + 0.7 * size), small, DIM, "middle"),
        Words("pleasant", (right, bottom + 0.7 * size), small, DIM, "middle"),
        Words("exciting", (left - 0.4 * size, top + 0.4 * size), small, DIM, "end"),
        Words("calming", (left - 0.4 * size, bottom - 0.4 * size), small, DIM, "end"),
    ]
