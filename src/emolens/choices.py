"""What an `Analyzer` may be asked for: tasks, models and options, checked before anything large is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from emolens.errors import LabelError, ModelError, OptionError, UnknownName
from emolens.faces.detector import FaceDetector
from emolens.group import GroupModel, group_affect
from emolens.models.catalogue import entries, where
from emolens.models.classifier import Classifier, read_card
from emolens.models.prior import read_prior, trained_prior
from emolens.records import Task

OnError: TypeAlias = Literal["record", "raise", "skip"]

FACE_TASKS: tuple[Task, ...] = ("expression", "group")
TASKS: tuple[Task, ...] = (*FACE_TASKS, "evoked", "stimuli")
"""What can be asked for, in the order of the answers; the group is made from the expressions."""
MODEL_TASKS: tuple[Task, ...] = ("expression", "group", "evoked", "stimuli")
"""The tasks that a model serves. Without one of their own the group is made from its faces, and the map comes from the
model of what pictures evoke."""


def model_files(models: Sequence[str | Path] | str | Path) -> dict[Task, Path]:
    """The model files that were named, by the task of their card.

    Raises `OptionError` for two models of one task or a task that no model can be placed for, `ModelError` for a file
    that is not there, `CardError` for one without a card.
    """
    found: dict[Task, Path] = {}
    for path in [Path(model) for model in ([models] if isinstance(models, (str, Path)) else models)]:
        if not path.is_file():
            raise ModelError(f"{path}: no such model file; 'emolens models list' shows what is here")
        task = read_card(path).task
        if task not in MODEL_TASKS:
            known = " or ".join(map(repr, MODEL_TASKS))
            raise OptionError(f"{path}: its card says task {task!r}; models for {known} can be used here")
        if task in found:
            raise OptionError(f"two models for task {task!r}, one is allowed: {found[task]}, {path}")
        found[task] = path
    return found


def model_file(task: Task, given: Mapping[Task, Path]) -> Path:
    """The model for a task: the one that was named, else the one shipped. Raises `ModelError` where there is none."""
    if task in given:
        return given[task]
    found = _shipped(task)
    if len(found) != 1:
        came = f"{len(found)} {task} models are" if found else f"no {task} model is"
        raise ModelError(f"{came} inside this emolens, one is needed; install it again or name a model file")
    return where(found[0])


def _shipped(task: Task) -> list[str]:
    return [entry.name for entry in entries(task) if entry.source == "shipped"]


def checked_tasks(
    tasks: Iterable[str] | str | None, given: Mapping[Task, Path] | None = None, faces_only: bool = False
) -> tuple[Task, ...]:
    """Names of tasks, or one string with commas, as tasks in their own order; for None all that apply.

    What a picture evokes applies where a model for it is shipped or `given`; where pictures are asked about their
    `faces_only`, as crops are, just where one is given. What in it does so is told where it is named, by task or by a
    model for it. Raises `UnknownName` with the near miss, `OptionError` for no task at all, or for a given model that
    serves none of them.
    """
    given = given or {}
    if tasks is None:
        evoked = "evoked" in given or (not faces_only and bool(_shipped("evoked")))
        more = {"evoked": evoked, "stimuli": "stimuli" in given}
        return tuple(task for task in TASKS if more.get(task, True))
    names = [name.strip() for name in (tasks.split(",") if isinstance(tasks, str) else tasks)]
    for name in names:
        if name not in TASKS:
            raise UnknownName("task", name, TASKS)
    if not names:
        raise OptionError(f"no task is named; use one or more of {', '.join(TASKS)}")
    asked = tuple(task for task in TASKS if task in names)
    for task, path in given.items():
        if task not in needed_models(asked, given):
            raise OptionError(f"{path} is for task {task!r}, which is not asked for ({', '.join(asked)}); ask for both")
    return asked


def needed_models(tasks: Sequence[Task], given: Iterable[Task] = ()) -> tuple[Task, ...]:
    """The tasks whose models serve these: the group needs that of the expressions.

    The map is that of the model of what pictures evoke, where no model for maps is among the `given`.
    """
    needed = {"expression": "group" in tasks, "evoked": "stimuli" in tasks and "stimuli" not in given}
    served = [task for task in MODEL_TASKS if task in tasks or needed.get(task, False)]
    return tuple(task for task in served if task not in ("stimuli", "group") or task in given)


def served_tasks(wanted: tuple[Task, ...], model: Classifier, named: bool) -> tuple[Task, ...]:
    """Without `group` where the labels of the model have no polarity; an error if the task was asked for by name."""
    if "group" not in wanted:
        return wanted
    try:
        model.classes.polarity()
    except LabelError as error:
        if named:
            raise OptionError(f"task 'group' needs labels with a polarity: {error}; give Analyzer(group=...)") from None
        return tuple(task for task in wanted if task != "group")
    return wanted


def population(prior: str | Path, model: Classifier) -> tuple[np.ndarray, str]:
    """The shares (K,) of a model's classes that `prior` means, as `uniform` or a JSON file, and what results call them.

    Raises `OptionError` for `data`, whose shares are known only once all was seen, and what `read_prior` raises.
    """
    shares = read_prior(str(prior), model.classes, trained_prior(model.card.prior, model.card.name))
    if shares is None:
        raise OptionError("prior 'data' is estimated from all pictures at once, as 'emolens analyze --prior data' does")
    return shares, Path(prior).name


def chosen_detector(detector: str | Path | FaceDetector, min_face: int | None) -> FaceDetector:
    """A detector by its name or file, or the one given. Raises `UnknownName`, `OptionError` for what is none."""
    if isinstance(detector, FaceDetector):
        return detector
    if not isinstance(detector, (str, Path)):
        raise OptionError(f"detector is {type(detector).__name__}, needs a name, a file or an object with detect()")
    from emolens.faces import load_detector  # the cascade and its graphs: not needed with a detector of one's own

    return load_detector(str(detector), **({} if min_face is None else {"min_face": min_face}))


def check_options(abstain_below: float | None, min_face: int | None, min_score: float | None, batch_size: int) -> None:
    """Raises `OptionError` for a value that is not allowed."""
    for name, share in (("abstain_below", abstain_below), ("min_score", min_score)):
        if share is not None and not 0 <= share <= 1:
            raise OptionError(f"{name} is {share}, needs a number from 0 to 1")
    if min_face is not None and min_face < 1:
        raise OptionError(f"min_face is {min_face}, needs 1 pixel or more")
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}, needs 1 picture or more")


def check_group_scene(weight: float, group: GroupModel, given: Mapping[Task, Path], tasks: Sequence[Task]) -> None:
    """Raises `OptionError` for a weight of the scene that is not from 0 to 1, or that nothing would heed."""
    if not 0 <= weight <= 1:
        raise OptionError(f"group_scene is {weight}, needs a number from 0 to 1")
    if weight and (group is not group_affect or "group" in given):
        raise OptionError("group_scene is for the group made from faces; leave it out beside a group model of your own")
    if weight and not {"group", "evoked"} <= set(tasks):
        raise OptionError(f"group_scene needs the tasks group and evoked, asked for: {', '.join(tasks)}; ask for both")


def check_on_error(on_error: str) -> None:
    """Raises `OptionError` for anything but `record`, `raise` and `skip`."""
    if on_error not in get_args(OnError):
        raise OptionError(f"on_error is {on_error!r}, needs one of {', '.join(get_args(OnError))}")
