"""What all drawings share: the colours of classes, sizes of type, a distribution as one bar.

Colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any of the common colour
blindnesses tell apart; every colour stands beside its name. The font is Pillow's own.
"""

from __future__ import annotations

from PIL import ImageDraw, ImageFont

from emolens.drawing.placing import Rect
from emolens.records import Prediction

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "anger": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (204, 121, 167),
    "happiness": (240, 228, 66),
    "sadness": (0, 114, 178),
    "surprise": (86, 180, 233),
    "neutral": (205, 205, 205),
    "contempt": (230, 159, 0),
    # The four of Mikels' wheel that no face shows; two have the colour of what stands in for them there.
    "amusement": (240, 228, 66),
    "awe": (86, 180, 233),
    "contentment": (178, 223, 138),
    "excitement": (230, 159, 0),
    "negative": (213, 94, 0),
    "positive": (86, 180, 233),
}
UNSURE: Colour = (160, 160, 160)
INK, DIM, PAPER, TRACK = (245, 245, 245), (170, 172, 178), (24, 26, 30), (66, 70, 78)


def colour_of(label: str) -> Colour:
    """The colour of a class; that of ink for a class of somebody's own."""
    return COLOURS.get(label, INK)


def ink_on(colour: Colour) -> Colour:
    """Dark or light, whichever reads better on a colour (Rec. 601 luma)."""
    red, green, blue = colour
    return PAPER if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else INK


class Type:
    """A size of type and what is measured in it. `line` is the height of a line in pixels."""

    def __init__(self, size: float) -> None:
        self.size = round(size)
        self.font = ImageFont.load_default(self.size)
        self.line = round(self.size * 1.35)
        self.pad = max(3, round(self.size * 0.35))

    def width(self, text: str) -> float:
        """Pixels that a text takes."""
        return float(self.font.getlength(text))


def stacked(draw: ImageDraw.ImageDraw, said: Prediction, bar: Rect, kind: Type, named: bool = False) -> None:
    """A distribution as one bar; its parts are named where the name fits."""
    left = bar[0]
    for name, share in zip(said.taxonomy.classes, said.distribution.tolist(), strict=True):
        right = left + share * (bar[2] - bar[0])
        colour = colour_of(name)
        if right - left >= 1:
            draw.rectangle((left, bar[1], right, bar[3]), fill=colour)
        text = f"{name} {share:.0%}"
        if named and kind.width(text) + kind.pad < right - left:
            draw.text((left + kind.pad, (bar[1] + bar[3]) / 2), text, font=kind.font, fill=ink_on(colour), anchor="lm")
        left = right
