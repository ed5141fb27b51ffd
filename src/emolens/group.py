"""Group affect from the faces: how the group in a picture looks, and what each face brought to that.

Simple on purpose and replaceable: any function of the same signature may be given to `Analyzer(group=...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from emolens.records import Face, GroupAffect, Prediction
from emolens.taxonomy import GROUP3, Taxonomy

GroupModel: TypeAlias = Callable[[Sequence[Prediction], Sequence[Face], tuple[int, int]], "GroupAffect | None"]
"""Predictions and faces in one order and the (width, height) of the picture -> the group, or None without faces."""

CERTAINTY_FLOOR = 0.05
"""The certainty of a face about which nothing is known, so that a group of such faces is still their plain mean."""


def group_affect(predictions: Sequence[Prediction], faces: Sequence[Face], size: tuple[int, int]) -> GroupAffect | None:
    """The weighted mean of what the faces show, as negative / neutral / positive; None without faces.

    Each distribution is summed by the polarity of its classes (`taxonomy.POLARITY`; surprise counts as neutral). The
    weight of a face is the product of

    - the score of the detector, 0 to 1: what may be no face counts less;
    - the side of the visible part of its box, sqrt(area): near faces count more, in proportion to their side as in
      Dhall, Goecke, Gedeon: "Automatic Group Happiness Intensity Analysis", IEEE Trans. Affective Computing 6 (2015);
    - its certainty, 1 - entropy / log K, at least `CERTAINTY_FLOOR`: an undecided face counts less.

    `size` is the (width, height) of the picture. The weights are divided by their sum and given as `contributions`.
    The confidence is the top probability: nothing is calibrated here. Raises `LabelError` where a class has no
    polarity.
    """
    if not predictions:
        return None
    weights = face_weights(predictions, faces, size)
    polarities = np.stack([p.distribution @ _polarity_matrix(p.taxonomy) for p in predictions])  # (F, 3)
    mixed = weights @ polarities
    distribution = (mixed / mixed.sum()).astype(np.float32)
    prediction = Prediction("group", GROUP3, distribution, float(distribution.max()), "weighted_faces")
    return GroupAffect(prediction, tuple(weights.tolist()))


def face_weights(predictions: Sequence[Prediction], faces: Sequence[Face], size: tuple[int, int]) -> np.ndarray:
    """What each face counts, float64 (F,), sums to 1; all alike where no face has any weight."""
    scores = np.clip([face.score for face in faces], 0, 1)
    certainty = np.maximum([_certainty(prediction) for prediction in predictions], CERTAINTY_FLOOR)
    weights = scores * _visible_sides(faces, size) * certainty
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(faces), 1 / len(faces))


def _visible_sides(faces: Sequence[Face], size: tuple[int, int]) -> np.ndarray:
    """sqrt of the area of each box inside the picture, float64 (F,), in pixels."""
    boxes = np.stack([face.box for face in faces]).astype(np.float64)
    limits = np.array([*size, *size], np.float64)
    inside = np.clip(boxes, 0, limits)
    return np.sqrt((inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1]))


def _certainty(prediction: Prediction) -> float:
    classes = len(prediction.taxonomy)
    return 1 - prediction.entropy / float(np.log(classes)) if classes > 1 else 1.0


def _polarity_matrix(taxonomy: Taxonomy) -> np.ndarray:
    """Float64 (K, 3): a 1 where a class has the polarity of the column."""
    polarity = taxonomy.polarity()
    return np.array([[one == column for column in GROUP3.classes] for one in polarity], np.float64)
