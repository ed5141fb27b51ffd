"""How composites are drawn: faces pasted on scenes, scenes coloured by a class, bodies as OpenPose draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from emolens.data.labelled import LabelledFaces
from emolens.errors import DataError
from emolens.taxonomy import FERPLUS

if TYPE_CHECKING:
    from emolens.data.composites import Composite

ROWS, COLUMNS, CELL = 3, 4, 160
"""A composite is a grid of cells of so many pixels, each with room for one face."""
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL
TINTS = {"negative": (40, 50, 90), "neutral": (130, 130, 130), "positive": (250, 190, 70)}
"""Colours that scenes take on: a dark blue, a grey, a warm yellow. They hint at a class only as far as `Cues` says."""
TINTED = 0.45
ARMS = {"negative": 0.9, "neutral": 0.35, "positive": -0.9}
"""Height of the hands below the shoulders, in shoulder widths: drooping, at rest, raised."""
LIMBS = ((255, 0, 0), (255, 170, 0), (170, 255, 0), (0, 255, 85), (0, 170, 255), (85, 0, 255))


def render(one: Composite, faces: Sequence[np.ndarray], background: np.ndarray) -> np.ndarray:
    """The picture of a group, RGB uint8 (480, 640, 3): its faces, grey uint8 (h, w), on a background of that size."""
    picture = _tinted(background, one.scene) if one.scene else background.copy()
    for (x, y, width, height), face in zip(one.boxes, faces, strict=True):
        pasted = np.asarray(Image.fromarray(face).resize((width, height), Image.Resampling.BICUBIC))
        picture[y : y + height, x : x + width] = pasted[:, :, None]
    return picture


def skeleton(one: Composite) -> np.ndarray:
    """A body under each face on black, RGB uint8 (480, 640, 3); its arms hint at `one.skeleton`."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    pen, chance = ImageDraw.Draw(canvas), np.random.default_rng(one.seed)
    for x, y, width, height in one.boxes:
        _body(pen, x + width / 2, y + height, width / 2, ARMS[one.skeleton] + chance.normal(0, 0.25))
    return np.asarray(canvas)


def photo_backgrounds(
    folder: Path, count: int, has_face: Callable[[np.ndarray], bool], seed: int = 0
) -> list[np.ndarray]:
    """Up to `count` photos without faces out of a folder, drawn at random, RGB uint8 (480, 640, 3).

    `has_face` says of a picture, RGB uint8 (H, W, 3), whether somebody is in it. Raises `DataError` where none is left.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    found: list[np.ndarray] = []
    for at in np.random.default_rng(seed).permutation(len(files)):
        if len(found) == count:
            break
        with Image.open(files[at]) as opened:
            scene = np.asarray(opened.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        if not has_face(scene):
            found.append(scene)
    if not found:
        raise DataError(f"{folder}: none of {len(files)} pictures is without a face; use drawn_backgrounds")
    return found


def drawn_backgrounds(count: int, seed: int = 0) -> list[np.ndarray]:
    """Scenes of a sky, a ground and some blocks in drab colours, RGB uint8 (480, 640, 3)."""
    chance = np.random.default_rng(seed)
    return [_scene(chance) for _ in range(count)]


def drawn_faces(count: int, split: str, seed: int = 0) -> LabelledFaces:
    """Faces with a mouth that is turned up, flat or turned down, and votes that say so: where FER+ is absent.

    Happiness, neutral or sadness has eight votes of ten or more; two fall anywhere.
    """
    chance = np.random.default_rng([seed, *split.encode()])
    kinds = chance.integers(-1, 2, count)
    top = np.array([FERPLUS.index({-1: "sadness", 0: "neutral", 1: "happiness"}[int(kind)]) for kind in kinds])
    votes = chance.multinomial(2, np.full(len(FERPLUS), 1 / len(FERPLUS)), count).astype(np.float32)
    votes[np.arange(count), top] += 8
    ids = np.array([f"drawn-{split}-{at:05d}" for at in range(count)])
    images = np.stack([_drawn_face(int(kind), chance) for kind in kinds])
    return LabelledFaces(ids, images, votes / votes.sum(axis=1, keepdims=True), FERPLUS, split)


def _tinted(picture: np.ndarray, label: str) -> np.ndarray:
    mixed = picture * (1 - TINTED) + np.array(TINTS[label]) * TINTED
    return np.asarray(mixed.round().astype(np.uint8))


def _body(pen: ImageDraw.ImageDraw, x: float, y: float, half: float, hands: float) -> None:
    """Neck to shoulders, arms to hands, and a trunk; `half` is half a shoulder width in pixels."""
    neck, thick = (x, y + half * 0.2), max(3, round(half / 10))
    joints = [(neck, (x, y - half))]
    for side in (-1, 1):
        shoulder = (x + side * half, y + half * 0.25)
        hand = (x + side * half * 1.4, y + half * (0.25 + 2 * hands))
        joints += [(neck, shoulder), (shoulder, hand)]
    joints.append((neck, (x, y + half * 1.6)))
    for colour, ends in zip(LIMBS, joints, strict=True):
        pen.line(ends, fill=colour, width=thick)


def _scene(chance: np.random.Generator) -> np.ndarray:
    sky, ground = chance.integers(70, 200, (2, 3))
    canvas = Image.new("RGB", (WIDTH, HEIGHT), tuple(sky.tolist()))
    pen = ImageDraw.Draw(canvas)
    horizon = int(chance.integers(HEIGHT // 3, HEIGHT * 2 // 3))
    pen.rectangle((0, horizon, WIDTH, HEIGHT), fill=tuple(ground.tolist()))
    for _ in range(chance.integers(3, 9)):
        x, width, top = chance.integers((0, 30, horizon // 3), (WIDTH, 120, horizon))
        pen.rectangle((x, top, x + width, horizon), fill=tuple(chance.integers(50, 220, 3).tolist()))
    noise = chance.normal(0, 6, (HEIGHT, WIDTH, 1))
    return np.asarray(np.clip(np.asarray(canvas) + noise, 0, 255).astype(np.uint8))


def _drawn_face(kind: int, chance: np.random.Generator) -> np.ndarray:
    """Grey uint8 (48, 48): a bright oval with eyes and a mouth whose corners go up by `kind`."""
    canvas = Image.new("L", (48, 48), int(chance.integers(20, 80)))
    pen, (dx, dy) = ImageDraw.Draw(canvas), chance.integers(-2, 3, 2)
    pen.ellipse((6 + dx, 1 + dy, 42 + dx, 47 + dy), fill=int(chance.integers(150, 220)))
    for x in (16, 32):
        pen.ellipse((x - 3 + dx, 16 + dy, x + 3 + dx, 20 + dy), fill=30)
    corners, middle = 35 - 3 * kind, 35 + 3 * kind
    pen.line([(15 + dx, corners + dy), (24 + dx, middle + dy), (33 + dx, corners + dy)], fill=40, width=2)
    return np.asarray(canvas)
