"""Group affect from the faces: how the group in a picture looks, and what each face brought to that.

Simple on purpose and replaceable: any function of the same signature may be given to `Analyzer(group=...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from emolens.records import HIGHEST, LOWEST, Face, GroupAffect, Prediction
from emolens.taxonomy import GROUP3

GroupModel: TypeAlias = Callable[[Sequence[Prediction], Sequence[Face], tuple[int, int]], "GroupAffect | None"]
"""Predictions and faces in one order and the (width, height) of the picture -> the group, or None without faces."""

BORDER = 0.18
"""Beyond it, the mean of positive minus negative shares makes a group positive or negative rather than neutral."""
FACE_NOISE, COMMON_NOISE = 0.12, 0.05
"""How unsure that mean is: a part that shrinks with the number of faces and one that does not, scales of a logistic
distribution. All three were chosen on composites of FER+ PublicTest faces (`benchmarks/group_default.py`)."""
SCENE_WEIGHT = 0.0
"""Weight of the scene in that mean unless another is asked for. Nothing here could choose one: the scenes of composites
have nothing to do with their faces, and no set of real groups is at hand."""


def group_affect(
    predictions: Sequence[Prediction],
    faces: Sequence[Face],
    size: tuple[int, int],
    scene: Prediction | None = None,
    scene_weight: float = SCENE_WEIGHT,
) -> GroupAffect | None:
    """Whether the group looks negative, neutral or positive, and how sure that is; None without faces.

    The balance of a face is the share of its positive classes minus that of its negative ones (`taxonomy.POLARITY`;
    surprise counts as neutral), that of the group their weighted mean, -1 to 1. Beyond `BORDER` the group is positive
    or negative, between the borders neutral, each with the probability that a balance so uncertain lies there. The
    weight of a face is the product of

    - the score of the detector, 0 to 1: what may be no face counts less;
    - the side of the visible part of its box, sqrt(area), up to the median of the group: far faces count less, in
      proportion to their side as in Dhall, Goecke, Gedeon: "Automatic Group Happiness Intensity Analysis", IEEE Trans.
      Affective Computing 6 (2015), but one that is near does not outweigh the others.

    How sure a model is of a face does not weigh: the balance of an undecided face is near 0 as it is, and on composites
    such a weight cost five points of agreement. `size` is the (width, height) of the picture. The weights are divided
    by their sum and given as `contributions`. `scene` is what the picture evokes; with a `scene_weight` of 0 to 1 its
    valence, (v - 5) / 4, or the balance of its classes takes that part of the mean. Raises `LabelError` where a class
    has no polarity.
    """
    if not predictions:
        return None
    weights = face_weights(faces, size)
    balance = float(weights @ [_balance(one) for one in predictions])
    if scene is not None and scene_weight:
        balance = (1 - scene_weight) * balance + scene_weight * _balance(scene)
    distribution = _beyond_borders(balance, effective=1 / float((weights**2).sum()))
    prediction = Prediction("group", GROUP3, distribution, float(distribution.max()), "weighted_faces")
    return GroupAffect(prediction, tuple(weights.tolist()))


def face_weights(faces: Sequence[Face], size: tuple[int, int]) -> np.ndarray:
    """What each face counts, float64 (F,), sums to 1; all alike where no face has any weight."""
    scores, sides = np.clip([face.score for face in faces], 0, 1), _visible_sides(faces, size)
    weights = scores * np.minimum(sides, np.median(sides))
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(faces), 1 / len(faces))


def _visible_sides(faces: Sequence[Face], size: tuple[int, int]) -> np.ndarray:
    """sqrt of the area of each box inside the picture, float64 (F,), in pixels."""
    boxes = np.stack([face.box for face in faces]).astype(np.float64)
    limits = np.array([*size, *size], np.float64)
    inside = np.clip(boxes, 0, limits)
    return np.sqrt((inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1]))


def _balance(prediction: Prediction) -> float:
    """Positive minus negative share, -1 to 1; of what a picture evokes, its valence where the model gives one."""
    if prediction.valence is not None:
        return 2 * (prediction.valence - LOWEST) / (HIGHEST - LOWEST) - 1
    signs = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
    return float(prediction.distribution @ np.array([signs[one] for one in prediction.taxonomy.polarity()]))


def _beyond_borders(balance: float, effective: float) -> np.ndarray:
    """Probabilities of negative, neutral, positive, float32 (3,): an ordered logit whose scale falls with the number of
    faces that count, `effective`.
    """
    scale = np.hypot(COMMON_NOISE, FACE_NOISE / np.sqrt(effective))
    negative, positive = (1 / (1 + np.exp((BORDER - side * balance) / scale)) for side in (-1, 1))
    return np.array([negative, 1 - negative - positive, positive], np.float32)
