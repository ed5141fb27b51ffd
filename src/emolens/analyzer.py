"""From a picture to a `PhotoResult`: decode, look, read with the models, in batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np

from emolens.choices import (
    FACE_TASKS,
    OnError,
    check_group_scene,
    check_on_error,
    check_options,
    checked_tasks,
    chosen_detector,
    model_file,
    model_files,
    needed_models,
    population,
    served_tasks,
)
from emolens.errors import InputError, OptionError
from emolens.faces.detector import FaceDetector
from emolens.group import SCENE_WEIGHT, GroupModel, group_affect
from emolens.models.classifier import Classifier
from emolens.pictures.decoding import decode, decode_ahead
from emolens.pictures.limits import LIMITS, Limits
from emolens.reading.pictures import PictureReader
from emolens.reading.readers import Seen, Told, load_model, readers
from emolens.records import Face, GroupAffect, PhotoResult, Prediction, Status, Task


class Analyzer:
    """Says what each face in a picture shows, how the group looks, what the picture evokes and what in it does so.

    Serves many threads.

    `tasks`: names of tasks, or one string with commas; by default all that apply (`choices.checked_tasks`). Only what
    they need is loaded: no detector for what a picture evokes. `detector`: `auto` (MTCNN), `mtcnn`, `yunet`, the path
    of a YuNet file, or any object with the protocol `FaceDetector`. `models`: paths of ONNX files, each in the place
    of the shipped model for the task that its card names. `whole_image` takes each picture as one face that is already
    cropped, without a detector. What such a picture evokes is read only where that is named, by task or model, since
    no model learnt from crops; nor is it by default for the `frames` of a video, each of which would cost as much as a
    photo. `abstain_below`: predictions with a confidence below it, 0 to 1, are marked `abstained`. `min_face`: smallest
    face to report, the shorter side in pixels. `min_score`: least detection score of a face to report, 0 to 1; by
    default all that the detector lets through. `batch_size`: pictures that go through the models together. `group`:
    what makes the group from the faces, where no model for it is given; by default `group.group_affect`, in which what
    the picture evokes takes the part `group_scene`, 0 to 1. `limits`: how large, small and slow a picture may be.
    `by_emotion`: with the task `stimuli`, a map for each emotion beside that of the whole picture.
    `prior`: `uniform`, a part of the way there as `uniform:0.2`, or a JSON file of the shares of the expressions among
    the people to be seen, where they are unlike the training set's; results then name it in `model`.

    `detector` is None where no face is looked for.

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
        group_scene: float = SCENE_WEIGHT,
        frames: bool = False,
        limits: Limits = LIMITS,
        prior: str | Path | None = None,
        by_emotion: bool = False,
    ) -> None:
        given = model_files(models)
        wanted = checked_tasks(tasks, given, faces_only=whole_image or frames)
        check_options(abstain_below, min_face, min_score, batch_size)
        check_group_scene(group_scene, group, given, wanted)
        self.whole_image = whole_image
        self.abstain_below = abstain_below
        self.batch_size = batch_size
        self.limits = limits
        self.by_emotion = by_emotion
        self._group, self._group_scene = group, group_scene
        loaded = {task: load_model(task, model_file(task, given)) for task in needed_models(wanted, given)}
        faced = loaded.get("expression")
        if faced is not None and group is group_affect and "group" not in loaded:
            wanted = served_tasks(wanted, faced, named=tasks is not None)
        self.detector = None if faced is None or whole_image else chosen_detector(detector, min_face)
        self._readers = readers(loaded, self.detector, min_face, min_score, maps="stimuli" in wanted)
        self._evoked_named = tasks is not None or "evoked" in given
        self.tasks = wanted
        if prior is not None:
            self.expect(*population(prior, self.model))

    def expect(self, shares: np.ndarray, name: str) -> None:
        """Read faces from here on for people among whom the expressions have these shares (K,); `name` is theirs.

        Raises `OptionError` where no faces are read, or the card of the model does not say what shares it learnt from.
        """
        if (faces := self._readers.faces) is None:
            raise OptionError("prior is for expressions, which are not among the tasks; add the task 'expression'")
        faces.model = faces.model.for_population(shares, name)

    def for_frames(self) -> Analyzer:
        """This analyzer as it looks at the frames of a video, each of which would cost as much as a photo.

        What pictures evoke is left out, unless that task or a model for it was named; maps are always.
        """
        named = self._evoked_named and "evoked" in self.tasks
        tasks = tuple(task for task in self.tasks if task in FACE_TASKS or (task == "evoked" and named))
        if tasks == self.tasks:
            return self
        if not tasks:
            raise OptionError("task 'stimuli' is for photos; ask a video for expression, group, evoked")
        pictures = self._readers.pictures
        other = copy(self)
        other.tasks = tasks
        other._readers = replace(
            self._readers, pictures=PictureReader(pictures.model) if pictures and named else None, maps=None
        )
        return other

    def for_maps(self) -> Analyzer:
        """This analyzer as it tells also what in a picture evokes what it evokes, for each emotion; nothing is loaded.

        Raises `ModelError` where the model of what pictures evoke cannot tell, `OptionError` where there is none.
        """
        pictures, maps = self._readers.pictures, self._readers.maps
        if pictures is None and maps is None:
            raise OptionError("no map: it takes a model of what pictures evoke; add the task 'evoked'")
        other = copy(self)
        if maps is None and pictures is not None:
            other._readers = replace(self._readers, pictures=PictureReader(pictures.model, maps=True))
        other.by_emotion, other.tasks = True, tuple(dict.fromkeys((*self.tasks, "stimuli")))
        return other

    def on_one_core(self) -> Analyzer:
        """This analyzer with nets that the thread which calls it runs alone: for several pictures at once, one a core.

        Its answers are the same. A detector of the caller's own stays as it is.
        """
        other = copy(self)
        other._readers = self._readers.on_one_core()
        return other

    @property
    def models(self) -> dict[Task, Classifier]:
        """The models in use, by the task that they serve."""
        return self._readers.models

    @property
    def model(self) -> Classifier:
        """The model of the expressions; else that of what pictures evoke, else that of maps."""
        return next(iter(self.models.values()))

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of all models in use, each once: what a table needs columns for."""
        return tuple(dict.fromkeys(name for model in self.models.values() for name in model.classes.classes))

    @property
    def provider(self) -> str:
        """ONNX Runtime's name for the device that the models run on, such as CPUExecutionProvider."""
        return self.model.provider

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

        Pictures are decoded ahead while others are looked at; `batch_size` pictures, or their faces, go through a model
        together, so results come in batches.
        A picture that cannot be read becomes a result with a status (`record`), is left out (`skip`), or ends the run
        with its `InputError` once the results before it are out (`raise`). Closing the iterator stops its threads.
        `emolens.pictures.sources.expand` gives the pictures in folders and globs. Raises `OptionError` for one name,
        not several.
        """
        check_on_error(on_error)
        if isinstance(sources, (str, bytes, Path)):
            raise OptionError(f"sources is one {type(sources).__name__}, needs several: give a list, or use analyze")
        return self._stream(sources, on_error)

    def find(self, pictures: Sequence[np.ndarray], max_side: int | None = None) -> list[list[Face]]:
        """The faces of each picture, RGB uint8 (H, W, 3), that are not smaller than `min_face`, by falling score.

        With `max_side` a picture whose longer side is larger, in pixels, is looked at averaged down by the smallest
        whole factor that fits; boxes are in its own pixels all the same. No face where no task needs any. Raises
        `OptionError` for an analyzer that takes each picture as a face.
        """
        faces = self._readers.faces
        return faces.find(pictures, max_side) if faces else [[] for _ in pictures]

    def analyze_found(
        self, pictures: Sequence[np.ndarray], faces: Sequence[Sequence[Face]], name: str = "array"
    ) -> list[PhotoResult]:
        """The results of pictures, RGB uint8 (H, W, 3), whose faces are known: `faces` has those of each picture.

        All pictures, and all faces, go through a model together; `name` is the source that the results state.
        """
        reader = self._readers.faces
        seen = [reader.framed(*pair) if reader else None for pair in zip(pictures, faces, strict=True)]
        return self._answer([self._readers.look_at(name, *pair) for pair in zip(pictures, seen, strict=True)])

    def _stream(self, sources: Iterable[Any], on_error: OnError) -> Iterator[PhotoResult]:
        batch: list[Seen | PhotoResult] = []
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

    def _look(self, name: str, picture: np.ndarray | InputError) -> Seen | PhotoResult:
        if isinstance(picture, InputError):
            return PhotoResult(name, cast(Status, picture.status), message=str(picture))
        return self._readers.look(name, picture)

    def _answer(self, batch: Sequence[Seen | PhotoResult]) -> list[PhotoResult]:
        """The results of some pictures; what the readers took from all of them goes through each model together."""
        told = iter(self._readers.read([seen for seen in batch if isinstance(seen, Seen)], self.by_emotion))
        return [self._result(seen, next(told)) if isinstance(seen, Seen) else seen for seen in batch]

    def _result(self, seen: Seen, told: Told) -> PhotoResult:
        faces = seen.faces.faces if seen.faces else ()
        shown = tuple(self._weighed(one) for one in told.expressions)
        group = told.group
        if group is None and "group" in self.tasks and self._readers.groups is None:
            group = self._group_of(shown, faces, seen.size, told.evoked if "evoked" in self.tasks else None)
        return PhotoResult(
            seen.name,
            "ok" if faces or seen.faces is None else "no_face",
            seen.size,
            faces,
            shown if "expression" in self.tasks else (),
            group and replace(group, prediction=self._weighed(group.prediction)),
            self._looked_by,
            evoked=self._weighed(told.evoked) if told.evoked and "evoked" in self.tasks else None,
            stimuli=told.stimuli,
        )

    def _group_of(
        self,
        expressions: Sequence[Prediction],
        faces: Sequence[Face],
        size: tuple[int, int],
        evoked: Prediction | None,
    ) -> GroupAffect | None:
        if self._group is group_affect:
            return group_affect(expressions, faces, size, evoked, self._group_scene)
        return self._group(expressions, faces, size)

    def _weighed(self, said: Prediction) -> Prediction:
        """The same, marked as abstained where it is not sure enough."""
        unsure = self.abstain_below is not None and said.confidence < self.abstain_below
        return replace(said, abstained=True) if unsure else said

    @property
    def _looked_by(self) -> str:
        if self._readers.faces is None:
            return ""
        return "whole_image" if self.detector is None else self.detector.name


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
    by_emotion: bool = False,
    on_error: OnError = "raise",
) -> PhotoResult:
    """Analyze one picture with an `Analyzer` that is kept for the next call with the same options."""
    tasks = tasks if isinstance(tasks, str) or tasks is None else tuple(tasks)
    models = (models,) if isinstance(models, (str, Path)) else tuple(models)
    options: dict[str, Any] = {
        "whole_image": whole_image,
        "abstain_below": abstain_below,
        "min_face": min_face,
        "min_score": min_score,
        "by_emotion": by_emotion,
    }
    if isinstance(detector, Hashable):
        with _KEEPING:
            analyzer = _kept(tasks, detector, models, **options)
    else:
        analyzer = Analyzer(tasks, detector, models, **options)
    return analyzer.analyze(source, on_error)


_KEEPING = Lock()  # so that two threads with one first question do not load the models twice
_kept = lru_cache(maxsize=4)(Analyzer)
