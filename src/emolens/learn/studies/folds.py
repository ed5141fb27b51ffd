"""Pictures as the studies of what they evoke take them, and which of them are held out together."""

from __future__ import annotations

import hashlib

import numpy as np

from emolens.data.pictures import LabelledPictures
from emolens.data.splits import emotion6_folds, stratified_folds
from emolens.errors import DataError


def fixed_folds(pictures: LabelledPictures) -> np.ndarray:
    """The fold of each picture, int (N,) from 0: the fixed lists for Emotion6, else by keyword, evenly."""
    known = {name: fold for fold, names in enumerate(emotion6_folds()) for name in names}
    if all(name in known for name in pictures.ids.tolist()):
        return np.array([known[name] for name in pictures.ids.tolist()], np.int64)
    return stratified_folds(pictures.keyword.tolist())


def distributed(pictures: LabelledPictures) -> LabelledPictures:
    """The pictures, if they have distributions. Raises `DataError` where they have labels alone."""
    if (pictures.targets.max(axis=1) >= 1).all():
        raise DataError(
            "the set names one class a picture and no distribution, so there is nothing to learn one from; "
            "give Emotion6, or a table with a column for each probability"
        )
    return pictures


def fingerprint(pictures: LabelledPictures) -> str:
    """Twelve hex digits that tell these pictures from others, for what is kept of them."""
    found = hashlib.sha256("\n".join(pictures.ids.tolist()).encode())
    found.update(np.ascontiguousarray(pictures.images).data)
    return found.hexdigest()[:12]
