"""What recipes of every task have, and how a setting is changed. `--set optim.lr=0.05` goes through `changed`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emolens.errors import OptionError, UnknownName

Model = TypeVar("Model", bound=BaseModel)
NAMED = "a data set of `emolens data list`"
SAID = {
    "missing": "has too few values",
    "too_short": "has too few values",
    "too_long": "has too many values",
    "string_type": "needs a word; quotes make one of a number, as 'name=\"2026\"'",
}
"""What pydantic says in words of its own, by the kind of the error."""
Width = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A part of a recipe: it never changes, it refuses names that it does not know and numbers without an end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(Section):
    """Which rows are learnt from."""

    name: str = Field(description=NAMED)
    options: tuple[str, ...] = Field(default=(), description="of its reader, each as name=value")
    limit: int | None = Field(default=None, gt=0, description="first rows of each split only, for a quick look")

    @property
    def chosen(self) -> dict[str, str]:
        """The options by name."""
        return {name: value for name, _, value in (option.partition("=") for option in self.options)}


class FoldedData(Data):
    """Data whose `train` and `val` can be dealt to folds."""

    folds: int = Field(
        default=0,
        ge=0,
        description="train and val dealt to so many folds, every class evenly; 0 keeps the set's own val",
    )
    fold: int = Field(default=0, ge=0, description="which of the folds is val, from 0")


class Optim(Section):
    """How weights are moved: an optimiser, a schedule of its rate, and a running average of the weights."""

    name: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description="sgd is with Nesterov momentum")
    lr: float = Field(default=0.1, gt=0, description="the highest rate, from which the schedule goes down")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(default=5e-4, ge=0, description="on weights of two and more dimensions only")
    schedule: Literal["cosine", "step", "exponential", "plateau"] = Field(
        default="cosine", description="to zero; by gamma each step_epochs; by gamma an epoch; by gamma when stuck"
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="what such a schedule multiplies the rate by")
    step_epochs: int = Field(default=10, gt=0, description="epochs between steps, or patience on a plateau")
    epochs: int = Field(default=30, gt=0, description="times that all training rows are seen")
    warmup_epochs: float = Field(
        default=2.0, ge=0, description="of linear rise, at most half of the run; with the cosine"
    )
    stop_after: int = Field(default=0, ge=0, description="stop after so many epochs without gain on val; 0 never")
    batch: int = Field(default=128, gt=0, description="pictures a step, over all devices together")
    clip: float = Field(default=0, ge=0, description="largest norm of the gradient; 0 leaves it as it is")
    sam: float = Field(default=0, ge=0, description="radius of sharpness-aware minimisation; 0 is without")
    ema: float = Field(default=0.998, ge=0, lt=1, description="decay of the running average of weights; 0 is without")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto is bfloat16 on a GPU and float32 on a CPU"
    )


class NetSection(Section):
    """Which net, by its name, and its shape; every task has kinds of its own."""

    name: str

    @property
    def why_not_alone(self) -> str:
        """Why it cannot learn from a batch of one row; empty where it can."""
        return ""


class Recipe(Section):
    """A training run, whole: with the data it can be repeated to the bit on the same machine."""

    task: str
    name: str = Field(description="what its run folder is called")
    source: str = Field(description="the papers that it follows")
    data: Data
    net: NetSection
    optim: Optim = Optim()
    seed: int = Field(default=0, ge=0, lt=2**32, description="draws weights, order and changes of pictures")

    @model_validator(mode="after")
    def _has_that_fold(self) -> Recipe:
        data = self.data
        if isinstance(data, FoldedData) and (data.folds == 1 or data.fold >= max(1, data.folds)):
            allowed = "needs 2 folds or more" if data.folds < 2 else f"a fold is one of 0 to {data.folds - 1}"
            raise ValueError(f"data.fold is {data.fold} of data.folds={data.folds}; {allowed}")
        return self

    @model_validator(mode="after")
    def _has_enough_a_step(self) -> Recipe:
        if self.optim.batch == 1 and self.net.why_not_alone:
            raise ValueError(f"optim.batch=1: {self.net.why_not_alone}, and one picture has no spread; needs 2 or more")
        return self


def changed(config: Model, settings: Sequence[str]) -> Model:
    """A copy with `settings` of the form `section.field=value` applied; values are JSON or plain words.

    A setting that names another kind of a section, as `net.name=dan`, puts that kind with its defaults in its place;
    the other settings then are of the new one, wherever they stand. Raises `UnknownName` for a field or a kind that
    does not exist, `OptionError` for a value that its field does not allow.
    """
    content = config.model_dump(mode="json")
    given = [_parted(setting) for setting in settings]
    for name, value in given:
        _switch(type(config), content, name, value)
    known = _fields(content)
    for name, value in given:
        if name not in known:
            raise UnknownName("setting", name, known)
        known[name][name.rpartition(".")[2]] = value
    try:
        return type(config).model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        name, value = _blamed(type(config), content, first["loc"])
        # A section has no value of its own: its settings contradict each other.
        came = f"setting {name}={value!r}" if name in known else "settings do not fit together"
        said = SAID.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise OptionError(f"{came}: {said}") from None


def _parted(setting: str) -> tuple[str, Any]:
    name, equals, text = setting.partition("=")
    if not equals:
        raise OptionError(f"--set {setting!r}: needs the form section.field=value")
    return name, parsed(text)


def _switch(kind: type[BaseModel], content: dict[str, Any], name: str, value: Any) -> None:
    """Where a setting names another kind of a section, put that kind with its defaults into `content`."""
    section, _, field = name.rpartition(".")
    info = kind.model_fields.get(section)
    if info is None or info.discriminator != field or content[section][field] == value:
        return
    kinds = {one.model_fields[field].default: one for one in get_args(info.annotation)}
    if str(value) not in kinds:
        raise UnknownName(section, str(value), kinds)
    content[section] = kinds[str(value)]().model_dump(mode="json")


def _blamed(kind: type[BaseModel], content: dict[str, Any], loc: Sequence[str | int]) -> tuple[str, Any]:
    """The full name of the setting that pydantic complains about, and its value: a list as a whole."""
    info = kind.model_fields.get(str(loc[0])) if loc else None
    if info is not None and info.discriminator:  # which kind it is comes second there
        loc = [loc[0], *loc[2:]]
    names, value = [], content
    for part in loc:
        if isinstance(value, dict):
            names.append(str(part))
            value = value[str(part)]
    return ".".join(names), value


def differing(one: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """The settings that two recipes of one task do not share, by their full names, with the value of each."""
    first, second = (_fields(each.model_dump(mode="json")) for each in (one, other))
    found = {}
    for name in [*first, *(name for name in second if name not in first)]:
        values = tuple(fields[name][name.rpartition(".")[2]] if name in fields else None for fields in (first, second))
        if values[0] != values[1]:
            found[name] = (values[0], values[1])
    return found


def _fields(content: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """The full name of every field, and the section that holds it."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in content.items():
        found |= _fields(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: content}
    return found


def parsed(text: str) -> Any:
    """What a setting says after its equals sign: JSON, or else plain words."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
