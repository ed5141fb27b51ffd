"""A picture, its stimuli map, both together, contours and the truth side by side; and the maps of all emotions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from emolens.drawing.heat import LEVELS, contours, heat, over_picture
from emolens.drawing.palette import DIM, INK, PAPER, Type
from emolens.records import Prediction, StimuliMap

AREA = 120_000
"""Pixels of a panel, about: what a picture of 300 x 400 has."""
LEAST_SIDE = 160
TYPE, GAP = 14, 14
MOST_ACROSS = 4
NOTICE = "what evokes the model's answer in viewers, as far as the model can tell; not where people look"

Panel = tuple[np.ndarray, str]


def stimuli_sheet(
    image: np.ndarray, found: StimuliMap, truth: np.ndarray | None = None, beside: str = ""
) -> np.ndarray:
    """Picture, map, both, contours and, where there is one, the truth (H, W), as one RGB uint8 (h, w, 3).

    `image` is RGB uint8 (H, W, 3) of the map's size; `beside` is said under the truth.
    """
    small, weights = _small(image), _small_map(found.weights, image)
    levels = ", ".join(f"{level:.0%}" for level in LEVELS)
    panels: list[Panel] = [
        (small, "picture"),
        (heat(weights), "map, dark 0 to light 1"),
        (over_picture(small, weights), "map over picture"),
        (contours(small, weights), f"contours at {levels}"),
    ]
    if truth is not None:
        panels.append((heat(_small_map(truth, image)), f"truth  {beside}".strip()))
    return _arranged(panels, len(panels) if small.shape[0] > small.shape[1] else min(3, len(panels)), found.model)


def emotion_sheet(image: np.ndarray, found: StimuliMap, evoked: Prediction | None = None) -> np.ndarray:
    """The map of the whole answer and that of each emotion over the picture, RGB uint8 (h, w, 3).

    `evoked` tells the probability of each.
    """
    small = _small(image)
    panels: list[Panel] = [(over_picture(small, _small_map(found.weights, image)), "the whole answer")]
    for name in found.taxonomy.classes if found.taxonomy and found.emotions is not None else ():
        known = evoked is not None and name in evoked.taxonomy.classes
        share = f"  {evoked.probability(name):.0%}" if evoked is not None and known else ""
        panels.append((over_picture(small, _small_map(found.of(name), image)), f"{name}{share}"))
    told = "" if found.agreement is None else f"the emotions' maps correlate by {found.agreement:.2f} on average"
    told += ": they are one map" if found.is_one_map else ""
    return _arranged(panels, MOST_ACROSS, "  ·  ".join(filter(None, (told, found.model))))


def _arranged(panels: Sequence[Panel], across: int, model: str) -> np.ndarray:
    """Panels of one size in rows, each with its words below, and a line under all."""
    kind = Type(TYPE)
    height, width = panels[0][0].shape[:2]
    across, step = min(across, len(panels)), height + kind.line + GAP
    down = -(-len(panels) // across)
    size = (GAP + across * (width + GAP), GAP + down * step + 2 * kind.line + kind.pad)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for n, (pixels, words) in enumerate(panels):
        x, y = GAP + n % across * (width + GAP), GAP + n // across * step
        sheet.paste(Image.fromarray(pixels), (x, y))
        draw.text((x, y + height + kind.pad / 2), words, font=kind.font, fill=INK)
    draw.text((GAP, GAP + down * step - kind.pad), NOTICE, font=kind.font, fill=DIM)
    draw.text((GAP, GAP + down * step - kind.pad + kind.line), model, font=kind.font, fill=DIM)
    return np.asarray(sheet)


def _panel_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height of a panel: the picture's ratio, about `AREA` pixels."""
    height, width = image.shape[:2]
    scale = max((AREA / (height * width)) ** 0.5, LEAST_SIDE / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _small(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(_panel_size(image), Image.Resampling.LANCZOS))


def _small_map(weights: np.ndarray, image: np.ndarray) -> np.ndarray:
    small = Image.fromarray(weights).resize(_panel_size(image), Image.Resampling.BILINEAR)
    return np.asarray(np.clip(np.asarray(small), 0, 1))
