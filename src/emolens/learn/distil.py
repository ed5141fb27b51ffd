"""Learning from a model beside the votes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emolens.data.labelled import LabelledFaces
from emolens.errors import ModelError
from emolens.learn.config import Distil
from emolens.models.session import Classifier


def distilled(faces: LabelledFaces, settings: Distil) -> LabelledFaces:
    """`faces` with targets that are part votes, part what a teacher says of a picture and of its mirror image.

    Ten votes are a noisy sample of what people see; a teacher that saw all pictures smooths them (Hinton, Vinyals, Dean
    2015; Furlanello et al. 2018 for a teacher of the student's own kind). Raises `ModelError` for a teacher with other
    labels.
    """
    if settings.teacher is None:
        return faces
    teacher = Classifier.load(Path(settings.teacher))
    if teacher.classes.classes != faces.taxonomy.classes:
        raise ModelError(
            f"{settings.teacher}: teaches {', '.join(teacher.classes.classes)}; the data has {faces.taxonomy.name}"
        )
    views = (faces.images, np.ascontiguousarray(faces.images[:, :, ::-1]))
    said = np.mean([teacher.predict(view)[0] for view in views], axis=0)
    mixed = (1 - settings.weight) * faces.targets + settings.weight * said
    return replace(faces, targets=mixed.astype(np.float32))
