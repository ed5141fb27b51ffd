"""A picture as a whole, and what it evokes in those who look at it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from emolens.errors import CardError
from emolens.images import stretched
from emolens.models.session import Classifier
from emolens.records import HIGHEST, LOWEST, Prediction

LOGITS, VALUES = "logits", "values"


class PictureReader:
    """Reads what whole pictures evoke: a distribution, and valence and arousal from a model that gives `values`.

    Raises `CardError` where the card does not say how a whole picture becomes the model's input.
    """

    def __init__(self, model: Classifier) -> None:
        card = model.card
        if card.picture != "stretched":
            raise CardError(f"model {card.name}: its card lacks picture: 'stretched', how a whole picture is taken in")
        self.model = model
        self._outputs = tuple(name for name in (LOGITS, VALUES) if name in model.outputs)

    def on_one_core(self) -> PictureReader:
        """The same reader, its net run by the thread that calls it alone."""
        other = copy(self)
        other.model = self.model.on_one_core()
        return other

    def look(self, picture: np.ndarray) -> np.ndarray:
        """The model's view of a picture, RGB uint8 (H, W, 3): uint8 (size, size, 3), or (size, size) for grey."""
        return stretched(picture, self.model.card.size, self.model.card.colour == "grey")

    def read(self, seen: Sequence[np.ndarray]) -> list[Prediction]:
        """What each picture evokes; all of them go through the model together."""
        if not seen:
            return []
        found = self.model.answers(np.stack(seen), self._outputs)
        values = found.get(VALUES, np.empty((len(seen), 0), np.float32))
        return [self._prediction(*one) for one in zip(*self.model.judged(found[LOGITS]), values, strict=True)]

    def _prediction(self, distribution: np.ndarray, confidence: float, values: np.ndarray) -> Prediction:
        model = self.model
        # A regression may step over the ends of the scale; what people answered cannot.
        valence, arousal = np.clip(values, LOWEST, HIGHEST).tolist() or (None, None)
        return Prediction(
            "evoked",
            model.classes,
            distribution,
            float(confidence),
            model.card.name,
            model_sha=model.sha256,
            valence=valence,
            arousal=arousal,
        )
