"""What a face detector is, and the stand-in that needs no weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from emolens.errors import LabelError
from emolens.records import Face


@runtime_checkable
class FaceDetector(Protocol):
    """Finds the faces of a picture.

    `name` says which detector spoke: "mtcnn", "yunet", ... Pictures are RGB uint8 (H, W, 3). Faces come sorted by
    falling score; a picture without faces gives an empty list, never an exception.
    """

    name: str

    def detect(self, image: np.ndarray) -> list[Face]:
        """The faces of one picture, RGB uint8 (H, W, 3)."""
        ...

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """The faces of each picture; sizes may differ. The same answer as one by one."""
        ...


@runtime_checkable
class ShareableDetector(FaceDetector, Protocol):
    """A detector that many threads may use at once, each for a picture of its own."""

    def on_one_core(self) -> FaceDetector:
        """The same detector, run by the thread that calls it alone."""
        ...


class FixedDetector:
    """Returns the faces it was given, whatever the picture shows: for tests, and for faces known from elsewhere."""

    name = "fixed"

    def __init__(self, faces: Iterable[Face] = ()) -> None:
        self.faces = sorted(faces, key=lambda face: -face.score)

    def detect(self, image: np.ndarray) -> list[Face]:
        """The given faces, by falling score."""
        check_picture(image)
        return list(self.faces)

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """The given faces, once for each picture."""
        return [self.detect(image) for image in images]


def check_picture(image: np.ndarray) -> np.ndarray:
    """The picture itself, if it is RGB uint8 (H, W, 3) with at least one pixel; raises `LabelError` otherwise."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise LabelError(
            f"a picture is {image.dtype} {image.shape}, a detector needs RGB uint8 (H, W, 3); "
            "open it with emolens.pictures.images.open_image"
        )
    return image
