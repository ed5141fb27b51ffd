"""A stand-in for EmotionROI whose truth is known: drawn pictures in its own folders and lists.

Two kinds. `picture`: one bright thing among grey ones, under any emotion alike, so the label says nothing of where the
map is. `label`: several bright things, one colour and shape for each emotion, and the map is on that of the label, so
it cannot be told from the picture alone. Maps are the mean of rectangles that annotators who are not quite sure would
draw. It stands in for no measurement on people: a net that finds it has shown that it learns, no more.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from emolens.errors import OptionError, OutputError

Kind = Literal["picture", "label"]
FOLDERS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
COLOURS = ((214, 48, 40), (96, 150, 40), (120, 50, 160), (240, 200, 40), (50, 90, 200), (240, 130, 40))
CORNERS = (3, 4, 5, 6, 8, 40)
"""Of the thing of each emotion: a triangle to all but a disc."""
ANNOTATORS = 15
SHARE = 0.7
"""Of the pictures of each emotion that are for training, as in EmotionROI."""
THINGS = 3
"""How many bright things a picture of kind `label` has."""


def draw_emotionroi(root: Path, kind: str = "picture", each: int = 60, side: int = 128, seed: int = 0) -> Path:
    """Write `each` pictures of every emotion with their maps and both lists below `root`; the same for the same seed.

    Pictures are `side` pixels wide and a fifth less or more tall. Raises `OptionError` for another kind, fewer than 4
    pictures or a side below 32, `OutputError` where `root` holds something.
    """
    if kind not in get_args(Kind):
        raise OptionError(f"kind {kind!r}; allowed: {', '.join(get_args(Kind))}")
    if each < 4 or side < 32:
        raise OptionError(f"{each} pictures of {side} pixels; needs 4 or more of every emotion, of 32 pixels or more")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OutputError(f"{root}: holds something already; name a new or an empty folder")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as made:
        draft = Path(made) / "drawn"
        _draw_all(draft, kind, each, side, seed)
        if root.exists():
            root.rmdir()
        draft.replace(root)
    return root


def _draw_all(root: Path, kind: str, each: int, side: int, seed: int) -> None:
    for emotion, folder in enumerate(FOLDERS):
        places = [root / part / folder for part in ("images", "ground_truth")]
        for place in places:
            place.mkdir(parents=True)
        for number in range(1, each + 1):
            both = _drawn(kind, emotion, side, np.random.default_rng((seed, emotion, number)))
            for one, place in zip(both, places, strict=True):
                one.save(place / f"{number}.jpg", quality=95)
    lists = root / "training_testing_split"
    lists.mkdir()
    cut = round(SHARE * each)
    for name, numbers in (("training", range(1, cut + 1)), ("testing", range(cut + 1, each + 1))):
        lines = [f"{folder}/{number}.jpg\n" for folder in FOLDERS for number in numbers]
        (lists / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


def _drawn(kind: str, emotion: int, side: int, chance: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """A picture and its map."""
    width, height = side, round(side * chance.uniform(0.8, 1.2))
    picture = _ground(width, height, chance)
    pen = ImageDraw.Draw(picture)
    others = [one for one in chance.permutation(len(FOLDERS)).tolist() if one != emotion]
    bright = [int(chance.integers(len(FOLDERS)))] if kind == "picture" else [emotion, *others[: THINGS - 1]]
    boxes = _places(width, height, 2 * THINGS, chance)
    for box in boxes[len(bright) :]:
        level = int(chance.integers(60, 200))
        _thing(pen, box, int(chance.choice(CORNERS)), (level, level, level), chance)
    for one, box in zip(bright, boxes, strict=False):
        _thing(pen, box, CORNERS[one], COLOURS[one], chance)
    return picture.filter(ImageFilter.GaussianBlur(0.5)), _votes(boxes[0], width, height, chance)


def _ground(width: int, height: int, chance: np.random.Generator) -> Image.Image:
    """Soft grey clouds with a little colour and grain."""
    clouds = Image.fromarray(chance.uniform(70, 190, (5, 5)).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    tint = chance.uniform(-12, 12, 3)
    grain = chance.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(clouds)[..., None] + tint + grain, 0, 255).astype(np.uint8))


def _places(width: int, height: int, count: int, chance: np.random.Generator) -> list[tuple[float, float, float]]:
    """Up to `count` circles (x, y, radius) that do not touch, in random order; the first always fits."""
    found: list[tuple[float, float, float]] = []
    for _ in range(40 * count):
        radius = min(width, height) * chance.uniform(0.11, 0.17)
        x, y = (chance.uniform(radius, length - radius) for length in (width, height))
        if all(math.hypot(x - a, y - b) > radius + r + 2 for a, b, r in found):
            found.append((x, y, radius))
        if len(found) == count:
            break
    return found


def _thing(
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float],
    corners: int,
    colour: tuple[int, int, int],
    chance: np.random.Generator,
) -> None:
    x, y, radius = box
    shade = chance.uniform(0.85, 1.1)
    fill = tuple(min(255, round(level * shade)) for level in colour)
    pen.regular_polygon((x, y, radius), corners, rotation=int(chance.integers(360)), fill=fill)


def _votes(box: tuple[float, float, float], width: int, height: int, chance: np.random.Generator) -> Image.Image:
    """The mean of the rectangles that annotators draw around a thing, 8 bits."""
    x, y, radius = box
    sides = np.array([x - radius, y - radius, x + radius, y + radius]) + chance.normal(
        0, 0.12 * radius, (ANNOTATORS, 4)
    )
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    total = sum(
        ((columns > left) & (columns < right) & (rows > top) & (rows < bottom)).astype(float)
        for left, top, right, bottom in sides.tolist()
    )
    return Image.fromarray(np.round(255 * np.asarray(total) / ANNOTATORS).astype(np.uint8))
