"""Pictures for a report: the worst errors, and where a net looked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from emolens.errors import DataError
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.report import Shown
from emolens.evaluation.rows import Rows

MOST = 24
HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
"""Five steps of matplotlib's inferno, dark to bright."""

Cams = Callable[[np.ndarray, list[str]], np.ndarray]
"""Rows (n,) and the class asked about for each -> heat float32 (n, H, W) in [0, 1]."""


def worst_errors(predictions: Predictions, rows: Rows, most: int = MOST) -> list[Shown]:
    """The wrong answers that were given with the most confidence, the surest first; no class that as many named."""
    wrong = np.flatnonzero(~predictions.among_tops)
    chosen = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:most]
    places = rows.places(predictions.ids[chosen])
    return [_shown(predictions, at, picture) for at, picture in zip(chosen, rows.pictures(places), strict=True)]


def chosen_cams(predictions: Predictions, rows: Rows, cams: Cams, most: int) -> list[Shown]:
    """Grad-CAM of what the net said in `most` pictures: the surest hit and the surest error of each class in turn."""
    return _looked_at(predictions, rows, cams, np.array(_turns(predictions)[:most], int))


def named_cams(predictions: Predictions, rows: Rows, cams: Cams, ids: Sequence[str]) -> list[Shown]:
    """Grad-CAM of what the net said in the pictures of rows with these ids, in their order.

    Raises `DataError` for one of a class that the net does not know, which has no prediction.
    """
    at = {name: row for row, name in enumerate(predictions.ids.tolist())}
    if missing := [name for name in ids if name not in at]:
        raise DataError(
            f"{predictions.name} was not asked about {missing[0]}: people call it something that the model does not "
            "know; leave it out"
        )
    return _looked_at(predictions, rows, cams, np.array([at[name] for name in ids], int))


def _looked_at(predictions: Predictions, rows: Rows, cams: Cams, chosen: np.ndarray) -> list[Shown]:
    places = rows.places(predictions.ids[chosen])
    names = [predictions.taxonomy.classes[k] for k in predictions.guess[chosen]]
    heats = cams(places, names)
    return [
        _shown(predictions, at, picture, overlaid(picture, heat))
        for at, picture, heat in zip(chosen, rows.pictures(places), heats, strict=True)
    ]


def overlaid(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture, RGB uint8 (H, W, 3), with heat (h, w) on its greys: dark where low, bright where high."""
    size = (picture.shape[1], picture.shape[0])
    level = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)
    steps = np.linspace(0, 1, len(HEAT))
    colour = np.stack([np.interp(level, steps, HEAT[:, channel]) for channel in range(3)], axis=2)
    grey = picture.mean(axis=2, keepdims=True)
    return np.asarray((0.55 * grey + 0.45 * colour).clip(0, 255), np.uint8)


def _turns(predictions: Predictions) -> Sequence[int]:
    """Rows in the order in which they are worth a look: hits and errors of every predicted class, the surest first."""
    right = predictions.truth == predictions.guess
    order = np.argsort(-predictions.confidence, kind="stable")
    piles = [
        [at for at in order.tolist() if predictions.guess[at] == k and bool(right[at]) is hit]
        for k in range(len(predictions.taxonomy))
        for hit in (True, False)
    ]
    return [pile[turn] for turn in range(max(map(len, piles), default=0)) for pile in piles if turn < len(pile)]


def _shown(predictions: Predictions, at: int, picture: np.ndarray, heat: np.ndarray | None = None) -> Shown:
    names = predictions.taxonomy.classes
    said, truth = int(predictions.guess[at]), int(predictions.truth[at])
    return Shown(
        str(predictions.ids[at]),
        picture,
        f"{names[said]} {predictions.confidence[at]:.0%}",
        f"people: {names[truth]} {predictions.targets[at, truth]:.0%}",
        heat,
    )
