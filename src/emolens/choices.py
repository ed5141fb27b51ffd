"""What an `Analyzer` may be asked for: tasks, models and options, checked before anything large is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from emolens.errors import LabelError, ModelError, OptionError, UnknownName
from emolens.models.catalogue import entries, where
from emolens.models.prior import read_prior
from emolens.models.session import Classifier, read_card
from emolens.records import Task

OnError: TypeAlias = Literal["record", "raise", "skip"]

SHIPPED_TASKS: tuple[Task, ...] = ("expression", "group")


def expression_model(models: Sequence[str | Path] | str | Path) -> Path:
    """The path of the expression model: the one given, else the one shipped.

    Raises `OptionError` for two models of one task or a task that no model can be placed for, `ModelError` where none
    is shipped.
    """
    given = [Path(model) for model in ([models] if isinstance(models, (str, Path)) else models)]
    for path in given:
        if path.is_file() and (task := read_card(path).task) != "expression":
            raise OptionError(f"{path}: its card says task {task!r}; models for 'expression' can be used here")
    if len(given) > 1:
        raise OptionError(f"{len(given)} models for task 'expression', one is allowed: {', '.join(map(str, given))}")
    return given[0] if given else _shipped()


def _shipped() -> Path:
    found = [entry.name for entry in entries("expression") if entry.source == "shipped"]
    if len(found) != 1:
        came = f"{len(found)} expression models are" if found else "no expression model is"
        raise ModelError(f"{came} inside this emolens, one is needed; install it again or name a model file")
    return where(found[0])


def checked_tasks(tasks: Iterable[str] | str | None) -> tuple[Task, ...]:
    """Names of tasks, or one string with commas, as tasks in their own order; all shipped ones for None.

    Raises `UnknownName` with the near miss, `OptionError` for a task that has no model yet or for none at all.
    """
    if tasks is None:
        return SHIPPED_TASKS
    names = [name.strip() for name in (tasks.split(",") if isinstance(tasks, str) else tasks)]
    for name in names:
        if name not in get_args(Task):
            raise UnknownName("task", name, SHIPPED_TASKS)
        if name not in SHIPPED_TASKS:
            raise OptionError(f"task {name!r}: no model of this version serves it; use {' or '.join(SHIPPED_TASKS)}")
    if not names:
        raise OptionError(f"no task is named; use one or more of {', '.join(SHIPPED_TASKS)}")
    return tuple(task for task in SHIPPED_TASKS if task in names)


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


def for_prior(model: Classifier, prior: str | Path) -> Classifier:
    """The model for the population that `prior` names: `uniform`, or a JSON file of shares.

    Raises `OptionError` for `data`, whose shares are known only once all was seen, and what `read_prior` raises.
    """
    shares = read_prior(str(prior), model.classes)
    if shares is None:
        raise OptionError("prior 'data' is estimated from all pictures at once, as 'emolens analyze --prior data' does")
    return model.for_population(shares, Path(prior).name)


def check_options(abstain_below: float | None, min_face: int | None, min_score: float | None, batch_size: int) -> None:
    """Raises `OptionError` for a value that is not allowed."""
    for name, share in (("abstain_below", abstain_below), ("min_score", min_score)):
        if share is not None and not 0 <= share <= 1:
            raise OptionError(f"{name} is {share}, needs a number from 0 to 1")
    if min_face is not None and min_face < 1:
        raise OptionError(f"min_face is {min_face}, needs 1 pixel or more")
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}, needs 1 picture or more")


def check_on_error(on_error: str) -> None:
    """Raises `OptionError` for anything but `record`, `raise` and `skip`."""
    if on_error not in get_args(OnError):
        raise OptionError(f"on_error is {on_error!r}, needs one of {', '.join(get_args(OnError))}")
