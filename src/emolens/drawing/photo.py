"""A picture with its answer drawn on it: numbered boxes, what each face shows, how the group looks, what it evokes.

The pixels of the picture keep their place: the banner, in crowded pictures the list of faces, and the panel of what the
picture evokes are added below, so boxes in a table fit the drawing too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from emolens.drawing.evoked_chart import evoked_panel
from emolens.drawing.palette import COLOURS, DIM, INK, PAPER, TRACK, UNSURE, Colour, Type, colour_of, ink_on, stacked
from emolens.drawing.placing import Rect, Size, above, beside, place_all
from emolens.drawing.shapes import as_pixels
from emolens.errors import OutputError
from emolens.files import replacing
from emolens.pictures.sources import MARK
from emolens.records import PhotoResult, Prediction

__all__ = ["COLOURS", "DIM", "INK", "NOTICE", "PAPER", "TRACK", "UNSURE", "Colour", "Type", "annotate", "colour_of",
           "ink_on", "save", "stacked"]  # fmt: skip

NOTICE = "apparent expression, not feeling"
LEAST_WIDTH = 320  # a narrower picture is enlarged by a whole factor, or no text would be legible on it
MOST_HEIGHT = 8000  # ... but not beyond this height
TOP = 3  # bars beside a face
PANEL_LINES = 24  # of its type fit on the picture, so that the panel is hardly larger than what it belongs to
PANEL_TYPE = 1 / 120  # of the width: of a panorama the panel may be larger


def annotate(image: np.ndarray, result: PhotoResult) -> np.ndarray:
    """The picture, RGB uint8 (H, W, 3), with `result` drawn on it: RGB uint8 (H', W', 3), H' > H.

    W' = W unless the picture is narrower than `LEAST_WIDTH`; then picture and boxes are enlarged by a whole factor.
    Faces whose prediction abstained are drawn in grey as "unsure".
    """
    factor = max(1, min(-(-LEAST_WIDTH // image.shape[1]), MOST_HEIGHT // image.shape[0]))
    picture = Image.fromarray(image)
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)
    marks = _marks(result, factor)
    listed = _draw_faces(picture, marks)
    return np.asarray(_with_panel(_with_footer(picture, result, listed), result, picture.height))


def save(image: np.ndarray, path: str | Path) -> None:
    """Write an annotated picture, RGB uint8 (H, W, 3), whole or not at all; the suffix says the format.

    JPEG and PNG are marked as drawn by emolens, so that `expand` does not take them for photos in a folder.

    Raises `OutputError` for an unknown suffix or where it cannot be written.
    """
    path = Path(path)
    form = Image.registered_extensions().get(path.suffix.lower())
    if form is None or form not in Image.SAVE:
        raise OutputError(f"cannot write {path}: unknown suffix {path.suffix!r}; use .jpg, .png or .webp")
    mark = PngInfo()
    mark.add_text("Comment", MARK)
    with replacing(path) as draft:
        try:
            Image.fromarray(image).save(draft, format=form, quality=92, comment=MARK, pnginfo=mark)
        except ValueError as error:  # a side too long for the format
            raise OutputError(f"cannot write {path}: {error}; use .png") from None


@dataclass(frozen=True, slots=True)
class _Mark:
    """One face as it is drawn: its number from 1, box in pixels of the drawing, prediction if there is one."""

    number: int
    box: Rect
    prediction: Prediction | None

    @property
    def sure(self) -> bool:
        return self.prediction is not None and not self.prediction.abstained

    @property
    def colour(self) -> Colour:
        return colour_of(self.prediction.label) if self.prediction and self.sure else UNSURE

    @property
    def words(self) -> str:
        if self.prediction is None:
            return f"{self.number}"
        says = f"{self.prediction.label} {self.prediction.confidence:.0%}" if self.sure else "unsure"
        return f"{self.number}  {says}"


def _marks(result: PhotoResult, factor: int) -> list[_Mark]:
    spoken: Sequence[Prediction | None] = result.expressions or (None,) * len(result.faces)
    pairs = zip(result.faces, spoken, strict=True)
    return [
        _Mark(n, (x1, y1, x2, y2), prediction)
        for n, (face, prediction) in enumerate(pairs, start=1)
        for x1, y1, x2, y2 in [(face.box * factor).tolist()]
    ]


def _draw_faces(picture: Image.Image, marks: Sequence[_Mark]) -> list[_Mark]:
    """Draw boxes and the richest panels that hide no other face. Returns the marks that must be listed below."""
    if not marks:
        return []
    longest = max(picture.size)
    small = Type(max(12, 0.012 * longest))
    usual = float(np.median([m.box[3] - m.box[1] for m in marks])) / 8
    large = Type(min(max(usual, small.size), max(13, 0.022 * longest)))
    draw = ImageDraw.Draw(picture)
    for mark in marks:
        _box(draw, mark, max(2, round(large.size / 6)))
    for form in (_Panel, _Tag):
        for kind in (large, small):
            places = form.places(marks, kind, picture.size)
            if places is not None:
                for mark, place in zip(marks, places, strict=True):
                    form.draw(draw, mark, place, kind)
                return []
    for mark in marks:
        _number(draw, mark, small, picture.size)
    return list(marks)


def _box(draw: ImageDraw.ImageDraw, mark: _Mark, width: int) -> None:
    x1, y1, x2, y2 = mark.box
    edge = max(1, width // 2)
    draw.rectangle((x1 - edge, y1 - edge, x2 + edge, y2 + edge), outline=PAPER, width=width + 2 * edge)
    if mark.sure:
        draw.rectangle(mark.box, outline=mark.colour, width=width)
        return
    step = 4 * width
    for x in range(int(x1), int(x2), 2 * step):
        for y in (y1, y2 - width):
            draw.rectangle((x, y, min(x + step, x2), y + width), fill=mark.colour)
    for y in range(int(y1), int(y2), 2 * step):
        for x in (int(x1), int(x2 - width)):
            draw.rectangle((x, y, x + width, min(y + step, y2)), fill=mark.colour)


class _Panel:
    """Number, label and confidence, and bars of the top classes, on dark paper beside the face."""

    @staticmethod
    def places(marks: Sequence[_Mark], kind: Type, bounds: Size) -> list[Rect] | None:
        sizes = [_Panel.size(mark, kind) for mark in marks]
        boxes = [mark.box for mark in marks]
        return place_all(boxes, [beside(b, s, bounds, kind.pad) for b, s in zip(boxes, sizes, strict=True)])

    @staticmethod
    def size(mark: _Mark, kind: Type) -> Size:
        width = kind.width(mark.words)
        if mark.prediction is None:
            return (width + 2 * kind.pad, kind.line + 2 * kind.pad)
        names = max(kind.width(c) for c in _top(mark.prediction))
        return (max(width, names + 5.5 * kind.size) + 2 * kind.pad, (1 + TOP) * kind.line + 2 * kind.pad)

    @staticmethod
    def draw(draw: ImageDraw.ImageDraw, mark: _Mark, place: Rect, kind: Type) -> None:
        x1, y1, x2, _ = place
        pad = kind.pad
        draw.rounded_rectangle(place, pad, fill=PAPER)
        draw.rounded_rectangle((x1, y1, x2, y1 + kind.line + pad), pad, fill=mark.colour)
        draw.text((x1 + pad, y1 + pad / 2), mark.words, font=kind.font, fill=ink_on(mark.colour))
        if mark.prediction is None:
            return
        top = _top(mark.prediction)
        left = x1 + 2 * pad + max(kind.width(c) for c in top)
        for row, name in enumerate(top, start=1):
            y = y1 + 1.5 * pad + row * kind.line
            draw.text((x1 + pad, y), name, font=kind.font, fill=INK)
            share = mark.prediction.probability(name)
            bar = (left, y + 0.25 * kind.size, x2 - pad, y + 1.0 * kind.size)
            draw.rectangle(bar, fill=TRACK)
            draw.rectangle((left, bar[1], left + share * (bar[2] - left), bar[3]), fill=colour_of(name))


class _Tag:
    """Number, label and confidence in one line on the edge of the box."""

    @staticmethod
    def places(marks: Sequence[_Mark], kind: Type, bounds: Size) -> list[Rect] | None:
        sizes = [(kind.width(mark.words) + 2 * kind.pad, kind.line) for mark in marks]
        boxes = [mark.box for mark in marks]
        return place_all(boxes, [above(b, s, bounds, 0) for b, s in zip(boxes, sizes, strict=True)])

    @staticmethod
    def draw(draw: ImageDraw.ImageDraw, mark: _Mark, place: Rect, kind: Type) -> None:
        draw.rectangle(place, fill=mark.colour)
        draw.text((place[0] + kind.pad, place[1]), mark.words, font=kind.font, fill=ink_on(mark.colour))


def _number(draw: ImageDraw.ImageDraw, mark: _Mark, kind: Type, bounds: Size) -> None:
    text = str(mark.number)
    width = kind.width(text) + kind.pad
    x1, y1 = min(mark.box[0], bounds[0] - width), max(0.0, mark.box[1] - kind.line)
    draw.rectangle((x1, y1, x1 + width, y1 + kind.line), fill=mark.colour)
    draw.text((x1 + kind.pad / 2, y1), text, font=kind.font, fill=ink_on(mark.colour))


def _top(prediction: Prediction) -> list[str]:
    order = np.argsort(-prediction.distribution, kind="stable")[:TOP]
    return [prediction.taxonomy.classes[n] for n in order]


def _with_footer(picture: Image.Image, result: PhotoResult, listed: Sequence[_Mark]) -> Image.Image:
    """The picture with a strip below it: the group banner, and the faces that had no room on the picture."""
    if (result.evoked or result.stimuli) and not result.faces and result.status == "ok":  # nobody looked for faces
        return picture
    kind = Type(_type_size(picture.size))
    cell = max((kind.width(m.words) for m in listed), default=0) + 7 * kind.size
    across = max(1, int((picture.width - 2 * kind.pad) // cell)) if listed else 1
    lines = -(-len(listed) // across)
    group = result.group is not None
    rows = lines + (2 if result.faces else 1)
    height = round(2 * kind.pad + rows * kind.line + (1.4 * kind.line if group else 0) + kind.pad * bool(lines))
    whole = Image.new("RGB", (picture.width, picture.height + height), PAPER)
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    x, y = 2.0 * kind.pad, float(picture.height + kind.pad)
    draw.text((x, y), _headline(result), font=kind.font, fill=INK)
    y += kind.line
    if result.group is not None:
        bar = (x, y + 0.1 * kind.line, picture.width - x, y + 1.2 * kind.line)
        stacked(draw, result.group.prediction, bar, kind, named=True)
        y += 1.4 * kind.line
    if result.faces:
        draw.text((x, y), NOTICE, font=kind.font, fill=DIM)
    y += kind.line + kind.pad
    for n, mark in enumerate(listed):
        _list_entry(draw, mark, (x + (n // lines) * cell, y + (n % lines) * kind.line), kind)
    return whole


def _type_size(size: tuple[int, int]) -> float:
    return max(13, min(0.017 * max(size), size[0] / 24))


def _with_panel(whole: Image.Image, result: PhotoResult, height: int) -> Image.Image:
    """The same with what the picture evokes below it; `height` is that of the picture in it."""
    if result.evoked is None:
        return whole
    size = max(13, min(_type_size((whole.width, height)), max(height / PANEL_LINES, whole.width * PANEL_TYPE)))
    panel = as_pixels(evoked_panel(result.evoked, whole.width, size))
    longer = Image.new("RGB", (whole.width, whole.height + len(panel)), PAPER)
    longer.paste(whole)
    longer.paste(Image.fromarray(panel), (0, whole.height))
    return longer


def _headline(result: PhotoResult) -> str:
    if not result.faces:
        return "No face found"
    faces = "1 face" if len(result.faces) == 1 else f"{len(result.faces)} faces"
    if result.group is None:
        return faces
    said = result.group.prediction
    return f"Group: {'unsure' if said.abstained else f'{said.label} {said.confidence:.0%}'}  ·  {faces}"


def _list_entry(draw: ImageDraw.ImageDraw, mark: _Mark, at: Size, kind: Type) -> None:
    x, y = at
    if mark.prediction is not None:
        bar = (x, y + 0.3 * kind.size, x + 4 * kind.size, y + 1.1 * kind.size)
        stacked(draw, mark.prediction, bar, kind)
    draw.text((x + 4.6 * kind.size, y), mark.words, font=kind.font, fill=INK if mark.sure else DIM)
