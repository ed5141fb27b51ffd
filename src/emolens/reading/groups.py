"""A group as a trained model sees it: its faces as a set, the picture as a whole, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np

from emolens.data.face_columns import ALIGNED, PLACES
from emolens.errors import OptionError
from emolens.faces.group_frames import sphereface_frames
from emolens.models.group_net import GroupNet
from emolens.pictures.images import stretched
from emolens.records import Face, GroupAffect, Prediction

GroupView = Mapping[str, np.ndarray]
"""Input -> what a net is to see of one picture: `image` uint8 (S, S, 3), `faces` uint8 (15, 112, 96, 3), `mask`."""


class GroupReader:
    """Reads how groups look with a model whose card says which of `image`, `faces` and `mask` it takes.

    Raises `OptionError` for a model of skeletons, which nothing here can draw from a photo.
    """

    def __init__(self, model: GroupNet) -> None:
        if "skeleton" in model.card.inputs:
            raise OptionError(
                f"model {model.card.name} looks at skeletons, which photos do not hold; use one of faces or pictures, "
                "or judge it with 'emolens evaluate RUN'"
            )
        self.model = model

    def on_one_core(self) -> GroupReader:
        """The same reader, its net run by the thread that calls it alone."""
        other = copy(self)
        other.model = self.model.on_one_core()
        return other

    def look(self, picture: np.ndarray, faces: Sequence[Face]) -> GroupView | None:
        """What the net is to see of a picture, RGB uint8 (H, W, 3); None where it needs a face and there is none."""
        asked, view = self.model.card.inputs, {}
        if "image" in asked:
            view["image"] = stretched(picture, self.model.card.size)
        elif not faces:
            return None
        if "faces" in asked:
            view["faces"], view["mask"] = best_aligned(picture, faces)
        return view

    def read(self, seen: Sequence[GroupView | None]) -> list[GroupAffect | None]:
        """How each group looks; None where nothing was seen of it. What each face brings is not told by such a net."""
        views = [view for view in seen if view is not None]
        if not views:
            return [None] * len(seen)
        asked: tuple[str, ...] = self.model.card.inputs
        inputs = {name: np.stack([view[name] for view in views]) for name in asked}
        told = (GroupAffect(self._prediction(*one), ()) for one in zip(*self.model.told(inputs), strict=True))
        return [None if view is None else next(told) for view in seen]

    def _prediction(self, distribution: np.ndarray, confidence: float) -> Prediction:
        model = self.model
        return Prediction(
            "group", model.classes, distribution, float(confidence), model.card.name, model_sha=model.sha256
        )


def best_aligned(picture: np.ndarray, faces: Sequence[Face]) -> tuple[np.ndarray, np.ndarray]:
    """The faces of the highest scores, aligned by five points: uint8 (15, 112, 96, 3), and bool (15,), where one is.

    It is what `data.prepared_faces.face_set` gives of a picture whose faces were found before.
    """
    best = sorted(faces, key=lambda face: -face.score)[:PLACES]
    frames = np.zeros((PLACES, *ALIGNED, 3), np.uint8)
    if best:
        frames[: len(best)] = sphereface_frames(picture, best)
    return frames, np.arange(PLACES) < len(best)
