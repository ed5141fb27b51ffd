"""From a picture to a `PhotoResult`: decode, find faces, run the models, in batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
from PIL import Image

from emolens.choices import (
    OnError,
    check_on_error,
    check_options,
    checked_tasks,
    expression_model,
    for_prior,
    served_tasks,
)
from emolens.decoding import decode, decode_ahead
from emolens.errors import CardError, InputError, OptionError
from emolens.faces.align import frame_faces
from emolens.faces.detector import FaceDetector
from emolens.group import GroupModel, group_affect
from emolens.limits import LIMITS, Limits
from emolens.models.session import Classifier
from emolens.records import Face, GroupAffect, PhotoResult, Prediction, Status


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture that was looked at: its (width, height), its faces, their frames uint8 (F, h, w) or (F, h, w, 3)."""

    name: str
    size: tuple[int, int]
    faces: list[Face]
    frames: np.ndarray


class Analyzer:
    """Says what each face in a picture shows and how the group looks. May be used by many threads at once.

    `tasks`: names of tasks, or one string with commas; by default every shipped task. `detector`: `auto` (MTCNN),
    `mtcnn`, `yunet`, the path of a YuNet file, or any object with the protocol `FaceDetector`. `models`: paths of
    ONNX files that take the place of the shipped model for the task that their card names. `whole_image` takes each
    picture as one face that is already cropped, without a detector. `abstain_below`: predictions with a confidence
    below it, 0 to 1, are marked `abstained`. `min_face`: smallest face to report, the shorter side in pixels.
    `min_score`: least detection score of a face to report, 0 to 1; by default all that the detector lets through.
    `batch_size`: pictures whose faces go through the model together. `group`: what makes the group from the faces.
    `limits`: how large, small and slow a picture may be. `prior`: `uniform`, or a JSON file of the shares of the
    classes among the people to be seen, where they are unlike the training set's; results then name it in `model`.

    Raises `UnknownName` for a task or detector that is not known, `OptionError` for a value that is not allowed and
    `ModelError` for a model that cannot be used.
    """

    def __init__(
        self,
        tasks: Iterable[str] | str | None = None,
        detector: str | Path | FaceDetector = "auto",
        models: Sequence[str | Path] | str | Path = (),
        *,
        whole_image: bool = False,
        abstain_below: float | None = None,
        min_face: int | None = None,
        min_score: float | None = None,
        batch_size: int = 8,
        group: GroupModel = group_affect,
        limits: Limits = LIMITS,
        prior: str | Path | None = None,
    ) -> None:
        wanted = checked_tasks(tasks)
        check_options(abstain_below, min_face, min_score, batch_size)
        self.whole_image = whole_image
        self.abstain_below = abstain_below
        self.min_face = min_face
        self.min_score = min_score
        self.batch_size = batch_size
        self.limits = limits
        self._group = group
        self.model = Classifier.load(expression_model(models))
        if prior is not None:
            self.model = for_prior(self.model, prior)
        self.tasks = wanted if group is not group_affect else served_tasks(wanted, self.model, named=tasks is not None)
        if not whole_image and self.model.card.framing is None:
            raise CardError(f"model {self.model.card.name}: its card has no face framing; use it with whole_image=True")
        self.detector = None if whole_image else _detector(detector, min_face)

    def analyze(self, source: Any, on_error: OnError = "raise") -> PhotoResult:
        """Analyze one picture: path, URL, bytes, PIL picture or RGB array.

        Raises `InputError` where it cannot be read, or with `on_error="record"` says so in the status of the result.
        """
        if on_error == "skip":
            raise OptionError("on_error is 'skip', analyze allows raise and record; analyze_many can skip")
        check_on_error(on_error)
        name, picture = decode(source, self.limits)
        if on_error == "raise" and isinstance(picture, InputError):
            raise picture
        return self._answer([self._look(name, picture)])[0]

    def analyze_many(self, sources: Iterable[Any], on_error: OnError = "record") -> Iterator[PhotoResult]:
        """Analyze pictures as they come and yield the results in the same order, in flat memory.

        Pictures are decoded ahead while others are looked at; the faces of `batch_size` pictures go through the model
        together, so results come in batches.
        A picture that cannot be read becomes a result with a status (`record`), is left out (`skip`), or ends the run
        with its `InputError` once the results before it are out (`raise`). Closing the iterator stops its threads.
        `emolens.images.expand` gives the pictures in folders and globs. Raises `OptionError` for one name, not several.
        """
        check_on_error(on_error)
        if isinstance(sources, (str, bytes, Path)):
            raise OptionError(f"sources is one {type(sources).__name__}, needs several: give a list, or use analyze")
        return self._stream(sources, on_error)

    def find(self, pictures: Sequence[np.ndarray], max_side: int | None = None) -> list[list[Face]]:
        """The faces of each picture, RGB uint8 (H, W, 3), that are not smaller than `min_face`, by falling score.

        With `max_side` a picture whose longer side is larger, in pixels, is looked at averaged down by the smallest
        whole factor that fits; boxes are in its own pixels all the same. Raises `OptionError` for an analyzer that
        takes whole pictures.
        """
        if self.detector is None:
            raise OptionError("an Analyzer with whole_image=True looks for no faces; make one with a detector")
        factors = [-(-max(p.shape[:2]) // max_side) if max_side else 1 for p in pictures]
        found = self.detector.detect_batch([_reduced(p, n) for p, n in zip(pictures, factors, strict=True)])
        faces = [[_enlarged(face, n) for face in one] for one, n in zip(found, factors, strict=True)]
        return [[face for face in one if self._counts(face)] for one in faces]

    def analyze_found(
        self, pictures: Sequence[np.ndarray], faces: Sequence[Sequence[Face]], name: str = "array"
    ) -> list[PhotoResult]:
        """The results of pictures, RGB uint8 (H, W, 3), whose faces are known: `faces` has those of each picture.

        All faces go through the model together; `name` is the source that the results state.
        """
        seen = [self._framed(name, picture, found) for picture, found in zip(pictures, faces, strict=True)]
        return self._answer(seen)

    def _stream(self, sources: Iterable[Any], on_error: OnError) -> Iterator[PhotoResult]:
        batch: list[_Seen | PhotoResult] = []
        for name, picture in decode_ahead(sources, self.limits):
            if isinstance(picture, InputError) and on_error == "skip":
                continue
            if isinstance(picture, InputError) and on_error == "raise":
                yield from self._answer(batch)
                raise picture
            batch.append(self._look(name, picture))
            if len(batch) == self.batch_size:
                yield from self._answer(batch)
                batch = []
        yield from self._answer(batch)

    def _look(self, name: str, picture: np.ndarray | InputError) -> _Seen | PhotoResult:
        """The faces of a picture and their frames; the picture itself is not kept."""
        if isinstance(picture, InputError):
            return PhotoResult(name, cast(Status, picture.status), message=str(picture))
        size = (picture.shape[1], picture.shape[0])
        card = self.model.card
        grey = card.colour == "grey"
        if self.detector is None or card.framing is None:
            whole = Face(np.array([0, 0, *size], np.float32), 1.0)
            return _Seen(name, size, [whole], _whole_frame(picture, card.size, grey)[None])
        return self._framed(name, picture, self.find([picture])[0])

    def _framed(self, name: str, picture: np.ndarray, faces: Sequence[Face]) -> _Seen:
        card, found_by = self.model.card, "given" if self.detector is None else self.detector.name
        if card.framing is None:
            raise CardError(f"model {card.name}: its card has no face framing; it takes whole pictures only")
        frames = frame_faces(picture, faces, card.framing, card.size, card.colour == "grey", found_by)
        return _Seen(name, (picture.shape[1], picture.shape[0]), list(faces), frames)

    def _counts(self, face: Face) -> bool:
        return _shorter_side(face) >= (self.min_face or 0) and face.score >= (self.min_score or 0)

    def _answer(self, batch: Sequence[_Seen | PhotoResult]) -> list[PhotoResult]:
        """The results of some pictures; the faces of all of them go through the model together."""
        looked_at = [seen for seen in batch if isinstance(seen, _Seen)]
        faces = [face for seen in looked_at for face in seen.faces]
        expressions = iter(self._expressions(faces, [seen.frames for seen in looked_at]) if faces else ())
        return [
            self._result(seen, tuple(islice(expressions, len(seen.faces)))) if isinstance(seen, _Seen) else seen
            for seen in batch
        ]

    def _expressions(self, faces: Sequence[Face], frames: Sequence[np.ndarray]) -> list[Prediction]:
        distributions, confidences = self.model.predict(np.concatenate(frames))
        return [
            Prediction(
                "expression",
                self.model.classes,
                distribution,
                confidence,
                self.model.name,
                face,
                abstained=self._abstains(confidence),
                model_sha=self.model.sha256,
            )
            for face, distribution, confidence in zip(faces, distributions, confidences.tolist(), strict=True)
        ]

    def _result(self, seen: _Seen, expressions: tuple[Prediction, ...]) -> PhotoResult:
        return PhotoResult(
            seen.name,
            "ok" if seen.faces else "no_face",
            seen.size,
            tuple(seen.faces),
            expressions if "expression" in self.tasks else (),
            self._group_of(expressions, seen.faces, seen.size) if "group" in self.tasks else None,
            "whole_image" if self.detector is None else self.detector.name,
        )

    def _group_of(
        self, expressions: Sequence[Prediction], faces: Sequence[Face], size: tuple[int, int]
    ) -> GroupAffect | None:
        affect = self._group(expressions, faces, size)
        if affect is None or not self._abstains(affect.prediction.confidence):
            return affect
        return replace(affect, prediction=replace(affect.prediction, abstained=True))

    def _abstains(self, confidence: float) -> bool:
        return self.abstain_below is not None and confidence < self.abstain_below


def analyze(
    source: Any,
    *,
    tasks: Iterable[str] | str | None = None,
    detector: str | Path | FaceDetector = "auto",
    models: Sequence[str | Path] | str | Path = (),
    whole_image: bool = False,
    abstain_below: float | None = None,
    min_face: int | None = None,
    min_score: float | None = None,
    on_error: OnError = "raise",
) -> PhotoResult:
    """Analyze one picture with an `Analyzer` that is kept for the next call with the same options."""
    tasks = tasks if isinstance(tasks, str) or tasks is None else tuple(tasks)
    models = (models,) if isinstance(models, (str, Path)) else tuple(models)
    if isinstance(detector, Hashable):
        with _KEEPING:
            analyzer = _kept(tasks, detector, models, whole_image, abstain_below, min_face, min_score)
    else:
        analyzer = _new(tasks, detector, models, whole_image, abstain_below, min_face, min_score)
    return analyzer.analyze(source, on_error)


_KEEPING = Lock()  # so that two threads with one first question do not load the models twice


def _new(
    tasks: tuple[str, ...] | str | None,
    detector: str | Path | FaceDetector,
    models: tuple[str | Path, ...],
    whole_image: bool,
    abstain_below: float | None,
    min_face: int | None,
    min_score: float | None,
) -> Analyzer:
    return Analyzer(
        tasks,
        detector,
        models,
        whole_image=whole_image,
        abstain_below=abstain_below,
        min_face=min_face,
        min_score=min_score,
    )


_kept = lru_cache(maxsize=4)(_new)


def _whole_frame(image: np.ndarray, size: int, grey: bool) -> np.ndarray:
    """The whole picture as a frame, uint8 (size, size) or (size, size, 3); one that is not square is stretched."""
    picture = Image.fromarray(image).convert("L") if grey else Image.fromarray(image)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    return image if factor == 1 else np.asarray(Image.fromarray(image).reduce(factor))


def _enlarged(face: Face, factor: int) -> Face:
    """The same face in a picture whose pixels are `factor` times as many each way."""
    if factor == 1:
        return face
    points = None if face.landmarks is None else face.landmarks * np.float32(factor)
    return replace(face, box=face.box * np.float32(factor), landmarks=points)


def _shorter_side(face: Face) -> float:
    return float((face.box[2:] - face.box[:2]).min())


def _detector(detector: str | Path | FaceDetector, min_face: int | None) -> FaceDetector:
    if isinstance(detector, FaceDetector):
        return detector
    if not isinstance(detector, (str, Path)):
        raise OptionError(f"detector is {type(detector).__name__}, needs a name, a file or an object with detect()")
    from emolens.faces import load_detector  # the cascade and its graphs: not needed with a detector of one's own

    return load_detector(str(detector), **({} if min_face is None else {"min_face": min_face}))
