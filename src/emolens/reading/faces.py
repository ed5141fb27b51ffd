"""Faces in a picture: who is there, cut out as the expression model knows faces, and what each shows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from PIL import Image

from emolens.errors import CardError, OptionError
from emolens.faces.align import frame_faces
from emolens.faces.detector import FaceDetector, ShareableDetector
from emolens.models.classifier import Classifier
from emolens.pictures.images import stretched
from emolens.records import Face, Prediction


@dataclass(frozen=True, slots=True)
class SeenFaces:
    """The faces of a picture and their frames, uint8 (F, h, w) or (F, h, w, 3)."""

    faces: tuple[Face, ...]
    frames: np.ndarray


class FaceReader:
    """Finds faces and reads what each shows; without a detector each picture is one face, already cropped.

    `min_face` is the shorter side of the smallest face that counts, in pixels, `min_score` the least detection score.
    Raises `CardError` for a model that was not trained on framed faces, where there is a detector.
    """

    def __init__(
        self, model: Classifier, detector: FaceDetector | None, min_face: int | None, min_score: float | None
    ) -> None:
        if detector is not None and model.card.framing is None:
            raise CardError(
                f"model {model.card.name}: its card has no face framing, so no face that was found can be shown to it; "
                "give it pictures that are faces already (--whole-image, in Python whole_image=True), or another model"
            )
        self.model = model
        self.detector = detector
        self.min_face, self.min_score = min_face or 0, min_score or 0

    def on_one_core(self) -> FaceReader:
        """The same reader, its nets run by the thread that calls it alone; a detector of the caller's own as it is."""
        other = copy(self)
        other.model = self.model.on_one_core()
        if isinstance(self.detector, ShareableDetector):
            other.detector = self.detector.on_one_core()
        return other

    def find(self, pictures: Sequence[np.ndarray], max_side: int | None = None) -> list[list[Face]]:
        """The faces of each picture, as `Analyzer.find` describes them."""
        if self.detector is None:
            raise OptionError("an Analyzer with whole_image=True looks for no faces; make one with a detector")
        factors = [-(-max(p.shape[:2]) // max_side) if max_side else 1 for p in pictures]
        found = self.detector.detect_batch([_reduced(p, n) for p, n in zip(pictures, factors, strict=True)])
        faces = [[_enlarged(face, n) for face in one] for one, n in zip(found, factors, strict=True)]
        return [[face for face in one if self._counts(face)] for one in faces]

    def look(self, picture: np.ndarray) -> SeenFaces:
        """The faces of a picture, RGB uint8 (H, W, 3), and their frames; the picture itself is not kept."""
        if self.detector is not None:
            return self.framed(picture, self.find([picture])[0])
        card = self.model.card
        whole = Face(np.array([0, 0, picture.shape[1], picture.shape[0]], np.float32), 1.0)
        return SeenFaces((whole,), stretched(picture, card.size, card.colour == "grey")[None])

    def framed(self, picture: np.ndarray, faces: Sequence[Face]) -> SeenFaces:
        """The frames of faces that are known. Raises `CardError` for a model that takes whole pictures only."""
        card = self.model.card
        if card.framing is None:
            raise CardError(f"model {card.name}: its card has no face framing; it takes whole pictures only")
        found_by = "given" if self.detector is None else self.detector.name
        frames = frame_faces(picture, faces, card.framing, card.size, card.colour == "grey", found_by)
        return SeenFaces(tuple(faces), frames)

    def read(self, seen: Sequence[SeenFaces]) -> list[tuple[Prediction, ...]]:
        """What the faces of each picture show; all of them go through the model together."""
        faces = [face for one in seen for face in one.faces]
        if not faces:
            return [()] * len(seen)
        predictions = map(self._prediction, faces, *self.model.predict(np.concatenate([one.frames for one in seen])))
        return [tuple(islice(predictions, len(one.faces))) for one in seen]

    def _prediction(self, face: Face, distribution: np.ndarray, confidence: float) -> Prediction:
        model = self.model
        return Prediction(
            "expression", model.classes, distribution, float(confidence), model.name, face, model_sha=model.sha256
        )

    def _counts(self, face: Face) -> bool:
        return float((face.box[2:] - face.box[:2]).min()) >= self.min_face and face.score >= self.min_score


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    return image if factor == 1 else np.asarray(Image.fromarray(image).reduce(factor))


def _enlarged(face: Face, factor: int) -> Face:
    """The same face in a picture whose pixels are `factor` times as many each way."""
    if factor == 1:
        return face
    points = None if face.landmarks is None else face.landmarks * np.float32(factor)
    return replace(face, box=face.box * np.float32(factor), landmarks=points)
