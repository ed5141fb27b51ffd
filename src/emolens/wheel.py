"""The emotion wheel: where each emotion stands on Mikels' circle, how far apart two are, and the prior made of that.

Eight places, clockwise: fear, sadness, disgust, anger, amusement, contentment, awe, excitement. Sets with other names
stand on it by their nearest one: happiness (joy) where amusement is, surprise where awe is. `neutral` has no place.
The order, the two stand-ins and the width 0.6 are those of Lai, Wan, Zeng, J. Jiangxi Normal University (Natural
Science) 2022(4), 363-371, doi 10.16357/j.cnki.issn1000-5862.2022.04.06, as EW-MTCNN-unofficial reproduced them.
"""

from __future__ import annotations

import numpy as np

from emolens.errors import LabelError, OptionError
from emolens.taxonomy import Taxonomy, canonical

WHEEL = ("fear", "sadness", "disgust", "anger", "amusement", "contentment", "awe", "excitement")
"""The emotions of the wheel, clockwise."""
STAND_INS = {"happiness": "amusement", "surprise": "awe"}
"""Emotions that have no place of their own, and whose place they take."""


def wheel_place(name: str) -> int | None:
    """Where an emotion stands, 0 to 7 clockwise from fear, by its name or an alias; None for one without a place."""
    name = canonical(name)
    name = STAND_INS.get(name, name)
    return WHEEL.index(name) if name in WHEEL else None


def wheel_distance(taxonomy: Taxonomy) -> np.ndarray:
    """Steps along the shorter way round from class to class, int64 (K, K): 0 for itself, at most 4.

    Raises `LabelError` where a class, such as `neutral`, has no place on the wheel.
    """
    found = {name: wheel_place(name) for name in taxonomy.classes}
    absent = [name for name, place in found.items() if place is None]
    if absent:
        raise LabelError(
            f"{', '.join(absent)} of taxonomy {taxonomy.name} has no place on the emotion wheel; take a set without "
            "it, see taxonomy.convert"
        )
    places = np.array([place for place in found.values() if place is not None], np.int64)
    apart = np.abs(places[:, None] - places[None, :])
    shorter: np.ndarray = np.minimum(apart, len(WHEEL) - apart)
    return shorter


def wheel_prior(taxonomy: Taxonomy, sigma: float = 0.6) -> np.ndarray:
    """How much each class brings to each, float64 (K, K): a Gaussian of the distance in steps; every row sums to 1.

    It is not symmetric, since classes have different numbers of neighbours. Raises `LabelError` as `wheel_distance`
    does, `OptionError` for a sigma that is not above 0.
    """
    if not sigma > 0:
        raise OptionError(f"sigma is {sigma}, needs a number of steps above 0")
    weights = np.exp(-(wheel_distance(taxonomy) ** 2) / (2 * sigma**2))
    prior: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return prior
