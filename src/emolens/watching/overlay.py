"""A frame of a video with its answer drawn on it, compact and of the same size: the picture of every frame fits a film.

A face has its track number, label and share on the edge of its box and its whole distribution as a thin bar below. The
group, what the frame evokes and the time stand along the lower edge. Nothing moves from frame to frame but what the
faces do: sizes of type depend on the frame's size alone. What is drawn is smoothed where smoothed predictions are
there, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from emolens.drawing.photo import DIM, INK, NOTICE, PAPER, UNSURE, Colour, Type, colour_of, ink_on, stacked
from emolens.drawing.placing import Rect, shared_area
from emolens.records import Face, FrameResult, Prediction

_SHADE = 150  # of 255: how dark the strip along the lower edge is


def overlay(pixels: np.ndarray, result: FrameResult) -> np.ndarray:
    """The frame, RGB uint8 (H, W, 3), with `result` drawn on it: a new array of the same shape."""
    picture = Image.fromarray(pixels)
    kind = _type(round(max(12, 0.013 * max(picture.size))))
    draw = ImageDraw.Draw(picture)
    shown = _far_to_near(result)
    tags = _tags(shown, kind, picture.size)
    for (face, said), tag in zip(shown, tags, strict=True):
        _face(draw, face, said, kind)
        _tag(draw, tag, _colour(said), kind)
    _strip(picture, result, kind)
    return np.asarray(picture)


_type = lru_cache(maxsize=8)(Type)  # to load a font takes as long as to draw on a frame


def _far_to_near(result: FrameResult) -> list[tuple[Face, Prediction | None]]:
    said = result.smoothed or result.expressions or (None,) * len(result.faces)
    pairs = list(zip(result.faces, said, strict=True))
    return sorted(pairs, key=lambda pair: float(pair[0].box[3] - pair[0].box[1]))


def _colour(said: Prediction | None) -> Colour:
    return UNSURE if said is None or said.abstained else colour_of(said.label)


def _face(draw: ImageDraw.ImageDraw, face: Face, said: Prediction | None, kind: Type) -> None:
    x1, y1, x2, y2 = _box(face)
    colour = _colour(said)
    line = max(1, round(kind.size / 7))
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=PAPER, width=line + 2)
    draw.rectangle((x1, y1, x2, y2), outline=colour, width=line)
    if said is not None:
        bar = (x1, y2 + 2 * line, x2, y2 + 2 * line + max(3.0, kind.size / 3))
        draw.rectangle((bar[0] - 1, bar[1] - 1, bar[2] + 1, bar[3] + 1), fill=PAPER)
        stacked(draw, said, bar, kind)


def _words(face: Face, said: Prediction | None) -> str:
    number = "?" if face.track_id is None else str(face.track_id)
    if said is None:
        return number
    return f"{number}  {_said(said)}"


def _tags(shown: Sequence[tuple[Face, Prediction | None]], kind: Type, size: tuple[int, int]) -> list[tuple[str, Rect]]:
    """Words and their place for each face. Near faces choose first.

    What would cover another tag or another face moves up, or below its own; where all places would, it may cover a
    face, and where it would cover a tag everywhere it is a number.
    """
    placed: list[tuple[str, Rect]] = []
    for face, said in reversed(shown):
        words = _words(face, said)
        rects = [(words, place) for place in _places(face, words, kind, size)]
        rects.append((words.split()[0], _places(face, words.split()[0], kind, size)[0]))
        others = [_box(other) for other, _ in shown if other is not face]
        free = [one for one in rects if not any(shared_area(one[1], other) for _, other in placed)]
        clear = [one for one in free if not any(shared_area(one[1], other) for other in others)]
        placed.append((clear or free or rects[-1:])[0])
    return placed[::-1]


def _box(face: Face) -> Rect:
    x1, y1, x2, y2 = (float(v) for v in face.box)
    return (x1, y1, x2, y2)


def _places(face: Face, words: str, kind: Type, size: tuple[int, int]) -> list[Rect]:
    """Where words may stand: on the box, one and two lines higher, and below its bar where that is above the strip."""
    x1, y1, _, y2 = _box(face)
    across = kind.width(words) + 2 * kind.pad
    x, below = max(0.0, min(x1, size[0] - across)), y2 + kind.size
    tops = [max(0.0, y1 - lines * kind.line) for lines in (1, 2, 3)]
    tops += [below] if below + 3 * kind.line <= size[1] else []
    return [(x, top, x + across, top + kind.line) for top in tops]


def _tag(draw: ImageDraw.ImageDraw, tag: tuple[str, Rect], colour: Colour, kind: Type) -> None:
    words, place = tag
    draw.rectangle(place, fill=colour)
    middle = (place[1] + place[3]) / 2
    draw.text((place[0] + kind.pad, middle), words, font=kind.font, fill=ink_on(colour), anchor="lm")


def _strip(picture: Image.Image, result: FrameResult, kind: Type) -> None:
    """The group as a bar, and a line with the group in words, the notice and the time, over a darkened edge."""
    width, height = picture.size
    group = result.group.prediction if result.group and len(result.faces) > 1 else None
    bar = max(3, round(kind.size / 3))  # its room stays when the group goes, so that nothing jumps
    top = height - kind.line - bar
    edge = picture.crop((0, top, width, height))
    picture.paste(Image.blend(edge, Image.new("RGB", edge.size, PAPER), _SHADE / 255), (0, top))
    draw = ImageDraw.Draw(picture)
    if group:
        stacked(draw, group, (0, height - bar, width, height), kind)
    middle = top + kind.line / 2
    right = clock(result.time_s)
    left = _fitting(_headline(result), kind, width - kind.width(right) - 4 * kind.pad)
    draw.text((kind.pad, middle), left, font=kind.font, fill=INK, anchor="lm")
    draw.text((width - kind.pad, middle), right, font=kind.font, fill=INK, anchor="rm")
    notice = f"{NOTICE}, smoothed" if result.smoothed else NOTICE
    free = width - 2 * max(kind.width(left), kind.width(right)) - 4 * kind.pad
    if (result.faces or result.evoked) and kind.width(notice) < free:
        draw.text((width / 2, middle), notice, font=kind.font, fill=DIM, anchor="mm")


def _fitting(parts: list[str], kind: Type, width: float) -> str:
    """As many of the parts in a line as have room there, at least the first."""
    lines = [", ".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((line for line in lines if kind.width(line) <= width), lines[-1] if lines else "")


def _headline(result: FrameResult) -> list[str]:
    parts = [] if not result.detector and not result.faces else [_counted(len(result.faces))]
    if result.group is not None and len(result.faces) > 1:
        parts.append(f"group {_said(result.group.prediction)}")
    if (evoked := result.evoked) is not None:
        parts.append(f"evokes {_said(evoked)}")
    return parts


def _counted(faces: int) -> str:
    return {0: "no face", 1: "1 face"}.get(faces, f"{faces} faces")


def _said(said: Prediction) -> str:
    return "unsure" if said.abstained else f"{said.label} {said.probability(said.label):.0%}"


def clock(seconds: float, tenths: bool = True) -> str:
    """A time as people read it: `0:07.2`, `1:02:03.5`."""
    total = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(total, 600)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{lead}:{rest // 10:02d}" + (f".{rest % 10}" if tenths else "")
