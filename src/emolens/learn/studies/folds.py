"""Which pictures are held out together."""

from __future__ import annotations

import numpy as np

from emolens.data.pictures import LabelledPictures
from emolens.data.splits import emotion6_folds, stratified_folds


def fixed_folds(pictures: LabelledPictures) -> np.ndarray:
    """The fold of each picture, int (N,) from 0: the fixed lists for Emotion6, else by keyword, evenly."""
    known = {name: fold for fold, names in enumerate(emotion6_folds()) for name in names}
    if all(name in known for name in pictures.ids.tolist()):
        return np.array([known[name] for name in pictures.ids.tolist()], np.int64)
    return stratified_folds(pictures.keyword.tolist())
