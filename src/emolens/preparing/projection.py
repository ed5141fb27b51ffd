"""Features of a whole picture, 256 numbers by a projection that is drawn once and kept.

The hybrid group system passed the last features of a net through a linear layer that was initialised anew, with
dropout, for each picture: no two pictures were in one space. Here the matrix is drawn from a seed, written beside the
features and used for all. A Gaussian matrix scaled by the square root of the width it gives keeps distances in the
mean (Johnson, Lindenstrauss 1984).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.face_columns import FEATURES
from emolens.errors import CardError, DataError
from emolens.files import replacing
from emolens.models.classifier import Classifier
from emolens.reading.pictures import PictureReader

FILE = "projection.npy"
OUTPUT = "features"


class GlobalFeatures:
    """Global features from a model that gives `features`, through the matrix of a folder.

    `about` is what the features depend on, in JSON's terms. Raises `CardError` where the model gives no features,
    `DataError` where the folder's matrix is damaged.
    """

    def __init__(self, model: Classifier, folder: Path, seed: int = 0) -> None:
        if OUTPUT not in model.outputs:
            raise CardError(
                f"model {model.name} gives {', '.join(model.outputs)} and no {OUTPUT!r}, which global features are "
                "made of; 'emolens export' writes evoked models that do"
            )
        self._model, self._look = model, PictureReader(model).look
        width = self._width()
        kept = folder / FILE
        self.matrix = _read(kept, width) if kept.is_file() else _drawn(width, seed)
        self.about: dict[str, Any] = {
            "model": model.name,
            "model_sha256": model.sha256,
            "seed": seed,
            "projection_sha256": hashlib.sha256(self.matrix.tobytes()).hexdigest(),
        }

    def __call__(self, pictures: list[np.ndarray]) -> np.ndarray:
        """The features of pictures, RGB uint8 (H, W, 3) each: float32 (N, 256)."""
        if not pictures:
            return np.zeros((0, FEATURES), np.float32)
        seen = np.stack([self._look(picture) for picture in pictures])
        # Not `@`: its threads of BLAS wait for each other while others read pictures, a quarter of the processor time.
        found: np.ndarray = np.einsum("nc,cd->nd", self._pooled(seen), self.matrix)
        return found

    def keep(self, folder: Path) -> None:
        """Write the matrix into a folder that has none: who goes on there uses the same."""
        if not (folder / FILE).is_file():
            with replacing(folder / FILE) as draft, draft.open("wb") as file:
                np.save(file, self.matrix, allow_pickle=False)

    def _pooled(self, seen: np.ndarray) -> np.ndarray:
        """Features after ReLU, averaged over the picture: float32 (N, C)."""
        found = self._model.answers(seen, (OUTPUT,))[OUTPUT]
        pooled: np.ndarray = np.maximum(found, 0).reshape(len(found), found.shape[1], -1).mean(axis=2)
        return pooled

    def _width(self) -> int:
        blank = np.zeros((self._model.card.size, self._model.card.size, 3), np.uint8)
        return int(self._pooled(self._look(blank)[None]).shape[1])


def _drawn(width: int, seed: int) -> np.ndarray:
    matrix: np.ndarray = np.random.default_rng(seed).standard_normal((width, FEATURES)) / FEATURES**0.5
    return matrix.astype(np.float32)


def _read(path: Path, width: int) -> np.ndarray:
    try:
        there: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable matrix ({error}); remove the folder and prepare again") from None
    if there.shape != (width, FEATURES) or there.dtype != np.float32:
        raise DataError(f"{path}: {there.dtype} {there.shape}, the model needs float32 ({width}, {FEATURES})")
    return there
