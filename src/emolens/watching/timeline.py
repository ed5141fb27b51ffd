"""The timeline of a video as one picture: lanes for the group, each person and what is evoked, on one scale of time.

Drawn with Pillow, like everything else here that is seen: it is in the core, matplotlib would be 30 MB and a second to
import for one figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import PurePath
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from emolens.drawing.photo import COLOURS, Colour, Type
from emolens.pictures.limits import as_shown
from emolens.watching.lanes import SMOOTHING_S, Course, Lane
from emolens.watching.overlay import clock
from emolens.watching.summary import NOTICE, Summary

WIDTH, LEFT, RIGHT = 2000, 330, 50  # pixels; made for a page 1000 points wide
HEIGHT, GAP = 104, 40  # of a lane, and above it
MOST = 12
"""So many people have a lane: those seen longest."""
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
DOT = "  ·  "
LEAST_SHOWN = 0.02  # of the height of a lane; less cannot be seen
PAPER, INK, DIM, GRID, EMPTY = (255, 255, 255), (28, 30, 34), (108, 112, 120), (222, 224, 229), (244, 245, 247)


Colours: TypeAlias = dict[str, Colour]
Kind: TypeAlias = Literal["group", "faces", "evokes"]
SPARE = ((136, 34, 85), (153, 153, 51), (51, 34, 136), (92, 96, 104), (170, 68, 153))
"""For classes without a colour of their own: what of Paul Tol's muted scheme is far from `COLOURS`, and a dark grey."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One lane as people read it: whose it is, its title, a line of facts below it, and its course."""

    kind: Kind
    title: str
    facts: str
    lane: Lane
    course: Course


def strips(summary: Summary, most: int = MOST) -> list[Strip]:
    """The group, if it was more than one face, the people who were seen longest by their numbers, what is evoked."""
    people = longest(summary, most)
    found = [Strip("faces", f"person {key}", _facts(lane), lane, taken) for key, lane, taken in people]
    if (group := summary.group()) and (summary.most_faces > 1 or not people):
        found.insert(0, Strip("group", "group", _facts(group[0]), *group))
    if evoked := summary.evoked():
        found.append(Strip("evokes", "evokes", _facts(evoked[0]), *evoked))
    return found


def longest(summary: Summary, most: int) -> list[tuple[int, Lane, Course]]:
    """(track, lane, course) of the people who were seen longest, in the order of their numbers."""
    return sorted(sorted(summary.people(), key=lambda one: (-one[1].duration, one[0]))[:most], key=lambda one: one[0])


def left_out(summary: Summary, found: Sequence[Strip]) -> str:
    """A sentence about the people who have no lane, empty where all have one."""
    more = len(summary.people()) - sum(strip.kind == "faces" for strip in found)
    return f"{more} more, seen more briefly, in summary.json." if more > 0 else ""


def stack_order(classes: Sequence[str]) -> list[int]:
    """Class indices from the ground up: neutral first where there are expressions, so that the others stand on it."""
    if set(classes) <= {"negative", "neutral", "positive"}:
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda n: (classes[n] != "neutral", n))


def draw_timeline(summary: Summary) -> np.ndarray:
    """The timeline of a finished summary, RGB uint8 (H, `WIDTH`, 3)."""
    found = strips(summary)
    large, usual, small = Type(36), Type(25), Type(22)
    top = 60 + 2 * large.line
    legends = legend(found)
    height = top + len(found) * (HEIGHT + GAP) + (0 if found else 80) + 160 + len(legends) * usual.line
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((50, 40), _fit(as_shown(title(summary.source)), large, WIDTH - 100), font=large.font, fill=INK)
    draw.text((50, 40 + large.line), headline(summary), font=usual.font, fill=DIM)
    scale, colours = (
        _Scale(summary.first_s, max(summary.last_s + summary.step, summary.first_s + 1e-3)),
        colours_of(found),
    )
    bottom = top + len(found) * (HEIGHT + GAP)
    if not found:
        draw.text((50, top + 10), "No face was found.", font=usual.font, fill=INK)
        bottom = top + 80
    for number, strip in enumerate(found):
        _strip(draw, strip, top + GAP + number * (HEIGHT + GAP), scale, colours, usual, small)
    _axis(draw, scale, bottom, small)
    for number, (kind, names) in enumerate(legends):
        _legend(draw, kind if len(legends) > 1 else "", names, colours, bottom + 62 + number * usual.line, usual)
    for number, line in enumerate((_method(summary, found), NOTICE)):
        y = bottom + 84 + len(legends) * usual.line + number * small.line
        draw.text((50, y), line, font=small.font, fill=DIM)
    return np.asarray(picture)


def _method(summary: Summary, found: Sequence[Strip]) -> str:
    told = f"Lines are the centred mean over {SMOOTHING_S:g} s; at a mark another label takes the lead."
    return f"{told}  {left_out(summary, found)}".rstrip()


def title(source: str) -> str:
    """What a video is called above its timeline: a file by its name alone, anything else as it was given."""
    return source if "://" in source else PurePath(source).name or source


def headline(summary: Summary) -> str:
    """Length, frames, people and where faces were, in a line."""
    parts = [clock(summary.seconds), f"{summary.frames:,} frame{'' if summary.frames == 1 else 's'} analysed"]
    if summary.damaged:
        parts.append(f"{summary.damaged:,} damaged frame{'' if summary.damaged == 1 else 's'} passed over")
    if summary.faces:
        people = len(summary.numbers)
        share = summary.seconds_with_faces / summary.seconds if summary.seconds else 1.0
        parts += [f"{people:,} {'person' if people == 1 else 'people'}", f"a face in {share:.0%} of the time"]
    elif summary.detector:  # else nobody looked for one
        parts.append("no face")
    return DOT.join(parts)


def _facts(lane: Lane) -> str:
    label, share = lane.shares()[0]
    return f"{label} {share:.0%}  of {clock(lane.duration)}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds to pixels across."""

    start: float
    end: float

    def x(self, seconds: float | np.ndarray) -> np.ndarray:
        return np.asarray(LEFT + (seconds - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT))

    def ticks(self) -> list[float]:
        step = next((t for t in TICKS if (self.end - self.start) / t <= 10), TICKS[-1])
        first = int(np.ceil(self.start / step - 1e-9))
        return [n * step for n in range(first, int(np.floor(self.end / step + 1e-9)) + 1)]


def _strip(
    draw: ImageDraw.ImageDraw, strip: Strip, y: int, scale: _Scale, colours: Colours, usual: Type, small: Type
) -> None:
    draw.text((50, y + 12), strip.title, font=usual.font, fill=INK)
    draw.text((50, y + 12 + usual.line), strip.facts, font=small.font, fill=DIM)
    draw.rectangle((LEFT, y, WIDTH - RIGHT, y + HEIGHT), fill=EMPTY)
    for first, end in strip.course.spans:
        _areas(draw, strip.course, slice(first, end), y, scale, colours)
    for change in strip.course.changes:
        x = float(scale.x(change.time_s))
        draw.line((x, y - 4, x, y + HEIGHT), fill=INK, width=2)
        draw.polygon([(x - 9, y - 17), (x + 9, y - 17), (x, y - 3)], fill=colours[change.after], outline=INK)


def _areas(draw: ImageDraw.ImageDraw, taken: Course, part: slice, y: int, scale: _Scale, colours: Colours) -> None:
    times = taken.times[part]
    xs = scale.x(np.append(times, times[-1] + taken.step))  # the last point stands for its time too
    values = np.vstack([taken.values[part], taken.values[part][-1:]])
    ground = np.full(len(xs), float(y + HEIGHT))
    for n in stack_order(taken.classes):
        above = ground - HEIGHT * values[:, n]
        outline = [*zip(xs, above, strict=True), *zip(xs[::-1], ground[::-1], strict=True)]
        draw.polygon([(float(a), float(b)) for a, b in outline], fill=colours[taken.classes[n]])
        ground = above


def _axis(draw: ImageDraw.ImageDraw, scale: _Scale, bottom: int, kind: Type) -> None:
    tenths = scale.end - scale.start < 10
    draw.line((LEFT, bottom + 10, WIDTH - RIGHT, bottom + 10), fill=DIM, width=2)
    for tick in scale.ticks():
        x = float(scale.x(tick))
        draw.line((x, bottom + 10, x, bottom + 20), fill=DIM, width=2)
        draw.text((x, bottom + 22), clock(tick, tenths), font=kind.font, fill=DIM, anchor="ma")


def _legend(draw: ImageDraw.ImageDraw, says: str, names: Sequence[str], colours: Colours, y: int, kind: Type) -> None:
    """A line of classes in the order in which they are stacked."""
    x = float(LEFT)
    draw.text((50, y), says, font=kind.font, fill=DIM)
    for name in names:
        draw.rectangle((x, y + 6, x + 24, y + 30), fill=colours[name])
        draw.text((x + 34, y), name, font=kind.font, fill=INK)
        x += 34 + kind.width(name) + 36


def legend(found: Sequence[Strip]) -> list[tuple[Kind, list[str]]]:
    """For each kind of lane the classes that can be seen in one at some time, as they are stacked from the ground."""
    most: dict[Kind, dict[str, float]] = {}
    for strip in found:
        of_kind, reached = most.setdefault(strip.kind, {}), strip.course.values.max(axis=0)
        for n in stack_order(strip.course.classes):
            name = strip.course.classes[n]
            of_kind[name] = max(of_kind.get(name, 0.0), float(reached[n]))
    return [(kind, [name for name, share in names.items() if share >= LEAST_SHOWN]) for kind, names in most.items()]


def colours_of(found: Sequence[Strip]) -> Colours:
    """A colour for each class: its own, or a spare one."""
    names = dict.fromkeys(name for strip in found for name in strip.course.classes)
    spare = cycle(SPARE)
    return {name: COLOURS.get(name) or next(spare) for name in names}


def _fit(text: str, kind: Type, width: float) -> str:
    """A text, its middle left out where it is too wide."""
    if kind.width(text) <= width:
        return text
    keep = len(text)
    while keep > 8 and kind.width(text[: keep // 2] + "..." + text[-keep // 2 :]) > width:
        keep -= 1
    return text[: keep // 2] + "..." + text[-keep // 2 :]
