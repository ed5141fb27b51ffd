"""A net that gives stimuli maps, with its card."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from emolens.errors import CardError
from emolens.models.classifier import Classifier


class MapNet(Classifier):
    """A net whose output `map` is float32 (N, K, H, W) in [0, 1]: one map, or one for each label of its card.

    It is opened and checked as a classifier is, but has no logits. Raises `CardError` for another number of maps.
    """

    ANSWER: ClassVar = "map"

    def maps(self, frames: np.ndarray) -> np.ndarray:
        """The maps, float32 (N, K, H, W), of frames as in `Classifier.predict`; what steps over 0 or 1 is cut."""
        found = self.answers(frames, (self.ANSWER,), batch_size=8)[self.ANSWER]
        return np.asarray(np.nan_to_num(np.clip(found, 0, 1)), dtype=np.float32)

    def _check_outputs(self, where: str) -> None:
        super()._check_outputs(where)
        shape = next(each.shape for each in self._session.get_outputs() if each.name == self.ANSWER)
        if isinstance(shape[1], int) and shape[1] not in (1, len(self.card.labels)):
            raise CardError(
                f"{where}: gives {shape[1]} maps, its card names {len(self.card.labels)} labels; a net gives one map, "
                "or one for each label"
            )

    def _shapes(self) -> dict[str, tuple[tuple[int | None, ...], str]]:
        return {self.ANSWER: ((1, None, None, None), "maps over the picture")}
