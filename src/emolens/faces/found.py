"""What a net of a cascade found in a picture: boxes with its answers, row by row, until they are faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emolens.faces.boxes import without_contained
from emolens.records import Face


@dataclass(frozen=True)
class Found:
    """Boxes (N, 4) in pixels of the view, with the answers (N, A) of the last net: logit, four shifts, landmarks.

    `features` (N, 256) are what the last net made its answers of, where they were asked for. Rows go together.
    """

    boxes: np.ndarray
    answers: np.ndarray
    features: np.ndarray | None = None

    def __getitem__(self, rows: np.ndarray) -> Found:
        return Found(self.boxes[rows], self.answers[rows], None if self.features is None else self.features[rows])

    @property
    def logits(self) -> np.ndarray:
        """That each box holds a face, (N,)."""
        return self.answers[:, 0]

    def shifted(self) -> np.ndarray:
        """The boxes moved by their answers, in units of their sides counted in whole pixels."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2] + 1
        moved: np.ndarray = self.boxes + self.answers[:, 1:5] * np.tile(sides, 2)
        return moved


def joined(parts: Sequence[Found]) -> Found:
    """The rows of all parts, one after the other."""
    features = [one.features for one in parts if one.features is not None]
    boxes, answers = [one.boxes for one in parts], [one.answers for one in parts]
    return Found(np.concatenate(boxes), np.concatenate(answers), np.concatenate(features) if features else None)


def as_faces(found: Found, reduced: int, overlap: float) -> tuple[list[Face], np.ndarray | None]:
    """The faces of one picture with their features, of two that hold each other beyond `overlap` the better.

    Landmarks are fractions of the square that the net saw, x before y; `reduced` is how many pixels of the picture one
    of the view stands for.
    """
    marks = found.answers[:, 5:].reshape(-1, 2, 5).transpose(0, 2, 1)
    corner, sides = found.boxes[:, None, :2], found.boxes[:, None, 2:] - found.boxes[:, None, :2]
    landmarks = (corner + marks * sides) * reduced
    boxes = found.shifted() * reduced
    scores = 1 / (1 + np.exp(-found.logits))
    kept = [i for i in without_contained(boxes, scores, overlap) if (boxes[i, 2:] > boxes[i, :2]).all()]
    faces = [Face(boxes[i], float(scores[i]), landmarks[i]) for i in kept]
    return faces, None if found.features is None else found.features[kept]
