"""A picture as a whole: what it evokes in those who look at it, and what in it does so."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from emolens.errors import CardError, ModelError
from emolens.models.card import EVIDENCE
from emolens.models.classifier import Classifier
from emolens.models.map_net import MapNet
from emolens.pictures.images import stretched
from emolens.records import HIGHEST, LOWEST, Prediction, StimuliMap
from emolens.stimuli import evidence_maps, made_map, refined, towards_middle

LOGITS, VALUES = "logits", "values"
Size = tuple[int, int]


class PictureReader:
    """Reads what whole pictures evoke: a distribution, and valence and arousal from a model that gives `values`.

    With `maps` it also tells what in a picture evokes that, from the `evidence` that the model gives on the way. The
    map of the whole answer leans to the middle of the picture, those of emotions do not, see `emolens.stimuli`.
    Raises `CardError` where the card does not say how a whole picture becomes the model's input, `ModelError` for maps
    from a model without evidence.
    """

    def __init__(self, model: Classifier, maps: bool = False) -> None:
        _check_view(model)
        self.model, self.maps = model, maps
        if maps and EVIDENCE not in model.outputs:
            raise ModelError(
                f"model {model.card.name}: gives no output {EVIDENCE!r}, so it cannot tell what in a picture evokes "
                "its answer; 'emolens models trace FILE' adds it where that can be done"
            )
        wanted = (LOGITS, VALUES, EVIDENCE) if maps else (LOGITS, VALUES)
        self._outputs = tuple(name for name in wanted if name in model.outputs)

    def on_one_core(self) -> PictureReader:
        """The same reader, its net run by the thread that calls it alone."""
        other = copy(self)
        other.model = self.model.on_one_core()
        return other

    def look(self, picture: np.ndarray) -> np.ndarray:
        """The model's view of a picture, RGB uint8 (H, W, 3): uint8 (size, size, 3), or (size, size) for grey."""
        return _view(self.model, picture)

    def read(self, seen: Sequence[np.ndarray]) -> list[Prediction]:
        """What each picture evokes; all of them go through the model together."""
        return self._predictions(self._answers(seen)) if seen else []

    def read_maps(
        self, seen: Sequence[np.ndarray], sizes: Sequence[Size], by_emotion: bool = False
    ) -> list[tuple[Prediction, StimuliMap]]:
        """The same with the map of each picture of `sizes` (width, height), in one pass; needs `maps`."""
        if not seen:
            return []
        found = self._answers(seen)
        predictions = self._predictions(found)
        told = zip(found[EVIDENCE], predictions, seen, sizes, strict=True)
        return [(said, self._map(evidence, said, frame, size, by_emotion)) for evidence, said, frame, size in told]

    def _map(
        self, evidence: np.ndarray, said: Prediction, frame: np.ndarray, size: Size, by_emotion: bool
    ) -> StimuliMap:
        whole, parts = evidence_maps(evidence, said.distribution)
        coarse = np.concatenate([whole[None], parts]) if by_emotion else whole[None]
        model = self.model
        fine = refined(coarse, frame)
        fine[0] = towards_middle(fine[0])
        return made_map(fine, size, model.card.name, model.sha256, model.classes, by_emotion)

    def _answers(self, seen: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return self.model.answers(np.stack(seen), self._outputs)

    def _predictions(self, found: dict[str, np.ndarray]) -> list[Prediction]:
        values = found.get(VALUES, np.empty((len(found[LOGITS]), 0), np.float32))
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


class MapReader:
    """Reads maps from a net that was trained on maps. Raises `CardError` as `PictureReader` does.

    A net with one map for each emotion has their mean as the map of the picture.
    """

    def __init__(self, model: MapNet) -> None:
        _check_view(model)
        self.model = model

    def on_one_core(self) -> MapReader:
        """The same reader, its net run by the thread that calls it alone."""
        return MapReader(self.model.on_one_core())

    def look(self, picture: np.ndarray) -> np.ndarray:
        """The model's view of a picture, as in `PictureReader.look`."""
        return _view(self.model, picture)

    def read(self, seen: Sequence[np.ndarray], sizes: Sequence[Size], by_emotion: bool = False) -> list[StimuliMap]:
        """The map of each picture of `sizes` (width, height); all of them go through the model together."""
        if not seen:
            return []
        told = zip(self.model.maps(np.stack(seen)), sizes, strict=True)
        return [self._map(maps, size, by_emotion) for maps, size in told]

    def _map(self, maps: np.ndarray, size: Size, by_emotion: bool) -> StimuliMap:
        model = self.model
        whole = maps if len(maps) == 1 else np.concatenate([maps.mean(axis=0, keepdims=True), maps])
        return made_map(whole, size, model.card.name, model.sha256, model.classes, by_emotion)


def _check_view(model: Classifier) -> None:
    if model.card.picture != "stretched":
        name = model.card.name
        raise CardError(f"model {name}: its card lacks picture: 'stretched', how a whole picture is taken in")


def _view(model: Classifier, picture: np.ndarray) -> np.ndarray:
    return stretched(picture, model.card.size, model.card.colour == "grey")
