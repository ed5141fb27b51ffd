"""From a picture to a `PhotoResult`: decode, find faces, run the models, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np

from emolens.errors import CardError, InputError, ModelError, OptionError, UnknownName
from emolens.faces import FaceDetector, load_detector
from emolens.faces.align import frame_faces, whole_frame
from emolens.group import GroupModel, group_affect
from emolens.images import open_image, source_name
from emolens.models.session import Classifier, read_card
from emolens.records import Face, GroupAffect, PhotoResult, Prediction, Task

OnError: TypeAlias = Literal["record", "raise", "skip"]
Decoded: TypeAlias = "tuple[str, np.ndarray | InputError]"

ASSETS = Path(__file__).parent / "models" / "assets"
SHIPPED_TASKS: tuple[Task, ...] = ("expression", "group")
DECODERS = 2
DECODED_AHEAD = 2
PIXELS_A_BATCH = 24_000_000  # a batch of large pictures is cut short, so that memory stays flat


class Analyzer:
    """Says what each face in a picture shows and how the group looks. May be used by many threads at once.

    `tasks`: names of tasks, or one string with commas; by default every shipped task. `detector`: `auto` (MTCNN),
    `mtcnn`, `yunet`, the path of a YuNet file, or any object with the protocol `FaceDetector`. `models`: paths of
    ONNX files that take the place of the shipped model for the task that their card names. `whole_image` takes each
    picture as one face that is already cropped, without a detector. `abstain_below`: predictions with a confidence
    below it, 0 to 1, are marked `abstained`. `min_face`: smallest face to report, the shorter side in pixels.
    `batch_size`: pictures that go through the models together. `group`: what makes the group from the faces.

    Raises `UnknownName` for a task or detector that is not known, `OptionError` for a value that is not allowed and
    `ModelError` for a model that cannot be used.
    """

    def __init__(
        self,
        tasks: Iterable[str] | str | None = None,
        detector: str | Path | FaceDetector = "auto",
        models: Sequence[str | Path] = (),
        *,
        whole_image: bool = False,
        abstain_below: float | None = None,
        min_face: int | None = None,
        batch_size: int = 8,
        group: GroupModel = group_affect,
    ) -> None:
        self.tasks = _checked_tasks(tasks)
        _check_options(abstain_below, min_face, batch_size)
        self.whole_image = whole_image
        self.abstain_below = abstain_below
        self.min_face = min_face
        self.batch_size = batch_size
        self._group = group
        self.model = Classifier.load(_expression_model(models))
        if not whole_image and self.model.card.framing is None:
            raise CardError(f"model {self.model.card.name}: its card has no face framing; use it with whole_image=True")
        self.detector = None if whole_image else _detector(detector, min_face)

    def analyze(self, source: Any, on_error: OnError = "raise") -> PhotoResult:
        """Analyze one picture: path, URL, bytes, PIL picture or RGB array.

        Raises `InputError` where it cannot be read, or with `on_error="record"` says so in the status of the result.
        """
        if on_error == "skip":
            raise OptionError("on_error is 'skip', analyze allows raise and record; analyze_many can skip")
        _check_on_error(on_error)
        decoded = _decode(source)
        if on_error == "raise" and isinstance(decoded[1], InputError):
            raise decoded[1]
        return self._batch([decoded])[0]

    def analyze_many(self, sources: Iterable[Any], on_error: OnError = "record") -> Iterator[PhotoResult]:
        """Analyze pictures as they come and yield the results in the same order, in flat memory.

        Pictures are decoded ahead while the models run; the faces of a batch of pictures go through the model together.
        A picture that cannot be read becomes a result with a status (`record`), is left out (`skip`), or ends the run
        with its `InputError` once the results before it are out (`raise`). Closing the iterator stops its threads.
        """
        _check_on_error(on_error)
        return self._stream(sources, on_error)

    def _stream(self, sources: Iterable[Any], on_error: OnError) -> Iterator[PhotoResult]:
        batch: list[Decoded] = []
        pixels = 0
        for name, picture in decode_ahead(sources):
            if isinstance(picture, InputError):
                if on_error == "raise":
                    yield from self._batch(batch)
                    raise picture
                if on_error == "skip":
                    continue
            else:
                pixels += picture.shape[0] * picture.shape[1]
            batch.append((name, picture))
            if len(batch) >= self.batch_size or pixels > PIXELS_A_BATCH:
                yield from self._batch(batch)
                batch, pixels = [], 0
        yield from self._batch(batch)

    def _batch(self, batch: Sequence[Decoded]) -> list[PhotoResult]:
        """The results of some pictures; their faces go through the model together."""
        images = [picture for _, picture in batch if not isinstance(picture, InputError)]
        faces = self._faces(images)
        counts = [len(found) for found in faces]
        frames = [self._frames(image, found) for image, found in zip(images, faces, strict=True) if found]
        predictions = self._expressions([face for found in faces for face in found], frames)
        ends = np.cumsum(counts, dtype=int)
        parts = iter([(found, predictions[end - len(found) : end]) for found, end in zip(faces, ends, strict=True)])
        return [
            PhotoResult(name, cast(Any, picture.status), message=str(picture))
            if isinstance(picture, InputError)
            else self._result(name, picture.shape, *next(parts))
            for name, picture in batch
        ]

    def _faces(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        if self.detector is None:
            return [[_whole(image)] for image in images]
        found = self.detector.detect_batch(images) if images else []
        least = self.min_face or 0
        return [[face for face in faces if _shorter_side(face) >= least] for faces in found]

    def _frames(self, image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        card = self.model.card
        grey = card.colour == "grey"
        if self.detector is None or card.framing is None:
            return whole_frame(image, card.size, grey)[None]
        return frame_faces(image, faces, card.framing, card.size, grey, self.detector.name)

    def _expressions(self, faces: Sequence[Face], frames: Sequence[np.ndarray]) -> list[Prediction]:
        if not faces:
            return []
        card = self.model.card
        distributions, confidences = self.model.predict(np.concatenate(frames))
        return [
            Prediction(
                "expression",
                card.classes,
                distribution,
                confidence,
                card.name,
                face,
                abstained=self._abstains(confidence),
                model_sha=self.model.sha256,
            )
            for face, distribution, confidence in zip(faces, distributions, confidences.tolist(), strict=True)
        ]

    def _result(
        self, name: str, shape: tuple[int, ...], faces: Sequence[Face], expressions: Sequence[Prediction]
    ) -> PhotoResult:
        size = (shape[1], shape[0])
        return PhotoResult(
            name,
            "ok" if faces else "no_face",
            size,
            tuple(faces),
            tuple(expressions) if "expression" in self.tasks else (),
            self._group_of(expressions, faces, size) if "group" in self.tasks else None,
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
    models: Sequence[str | Path] = (),
    whole_image: bool = False,
    abstain_below: float | None = None,
    min_face: int | None = None,
    on_error: OnError = "raise",
) -> PhotoResult:
    """Analyze one picture with an `Analyzer` that is kept for the next call with the same options."""
    tasks = tasks if isinstance(tasks, str) or tasks is None else tuple(tasks)
    with _KEEPING:
        analyzer = _kept(tasks, detector, tuple(models), whole_image, abstain_below, min_face)
    return analyzer.analyze(source, on_error)


_KEEPING = Lock()  # so that two threads with one first question do not load the models twice


@lru_cache(maxsize=4)
def _kept(
    tasks: tuple[str, ...] | str | None,
    detector: str | Path | FaceDetector,
    models: tuple[str | Path, ...],
    whole_image: bool,
    abstain_below: float | None,
    min_face: int | None,
) -> Analyzer:
    return Analyzer(
        tasks, detector, models, whole_image=whole_image, abstain_below=abstain_below, min_face=min_face
    )


def decode_ahead(sources: Iterable[Any]) -> Iterator[Decoded]:
    """Each source's name and its picture or error, in order, a few decoded ahead by threads that end with it."""
    pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="emolens-decode")
    waiting: deque[Future[Decoded]] = deque()
    try:
        for source in sources:
            waiting.append(pool.submit(_decode, source))
            if len(waiting) > DECODED_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _decode(source: Any) -> Decoded:
    name = source_name(source)
    try:
        return name, open_image(source)
    except InputError as error:
        return name, error


def _whole(image: np.ndarray) -> Face:
    return Face(np.array([0, 0, image.shape[1], image.shape[0]], np.float32), 1.0)


def _shorter_side(face: Face) -> float:
    return float((face.box[2:] - face.box[:2]).min())


def _detector(detector: str | Path | FaceDetector, min_face: int | None) -> FaceDetector:
    if not isinstance(detector, (str, Path)):
        return detector
    return load_detector(str(detector), **({} if min_face is None else {"min_face": min_face}))


def _expression_model(models: Sequence[str | Path]) -> Path:
    """The path of the expression model: the one given, else the one shipped."""
    given = [Path(model) for model in models]
    for path in given:
        if path.is_file() and (task := read_card(path).task) != "expression":
            raise OptionError(f"{path}: its card says task {task!r}; models for 'expression' can be used here")
    if len(given) > 1:
        raise OptionError(f"{len(given)} models for task 'expression', one is allowed: {', '.join(map(str, given))}")
    return given[0] if given else _shipped()


def _shipped() -> Path:
    found = [path for path in sorted(ASSETS.glob("*.onnx")) if read_card(path).task == "expression"]
    if len(found) != 1:
        raise ModelError(f"{len(found)} expression models in {ASSETS}, one is needed; install emolens again")
    return found[0]


def _checked_tasks(tasks: Iterable[str] | str | None) -> tuple[Task, ...]:
    if tasks is None:
        return SHIPPED_TASKS
    names = [name.strip() for name in (tasks.split(",") if isinstance(tasks, str) else tasks)]
    for name in names:
        if name not in get_args(Task):
            raise UnknownName("task", name, get_args(Task))
        if name not in SHIPPED_TASKS:
            raise OptionError(f"task {name!r} has no shipped model in this version; use {' or '.join(SHIPPED_TASKS)}")
    if not names:
        raise OptionError(f"no task is named; use one or more of {', '.join(SHIPPED_TASKS)}")
    return tuple(task for task in SHIPPED_TASKS if task in names)


def _check_options(abstain_below: float | None, min_face: int | None, batch_size: int) -> None:
    if abstain_below is not None and not 0 <= abstain_below <= 1:
        raise OptionError(f"abstain_below is {abstain_below}, needs a probability from 0 to 1")
    if min_face is not None and min_face < 1:
        raise OptionError(f"min_face is {min_face}, needs 1 pixel or more")
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}, needs 1 picture or more")


def _check_on_error(on_error: str) -> None:
    if on_error not in get_args(OnError):
        raise OptionError(f"on_error is {on_error!r}, needs one of {', '.join(get_args(OnError))}")
