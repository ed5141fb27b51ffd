"""What `--set` takes: every setting of a recipe by its full name, with its value and what it is for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

OTHER_KIND = "which kind; another one comes with its own defaults"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `value` as JSON has it, `choices` where it takes a few words only, `about` what it is for."""

    name: str
    value: Any
    choices: tuple[str, ...]
    about: str

    @property
    def text(self) -> str:
        """The value as it is written after the equals sign."""
        return self.value if isinstance(self.value, str) else json.dumps(self.value, separators=(",", ":"))


def described(config: BaseModel) -> list[Setting]:
    """The settings of a recipe and of its sections, in their order, without what cannot be changed, as its task."""
    return _described(config, config.model_dump(mode="json"), "", {})


def _described(
    config: BaseModel, content: dict[str, Any], prefix: str, kinds: dict[str, tuple[str, ...]]
) -> list[Setting]:
    """`kinds` are those that a setting of this section chooses among, as `net.name` does."""
    found: list[Setting] = []
    for name, info in type(config).model_fields.items():
        part = getattr(config, name)
        if isinstance(part, BaseModel):
            found += _described(part, content[name], f"{prefix}{name}.", _kinds(info))
        elif name in kinds:
            found.append(Setting(prefix + name, content[name], kinds[name], OTHER_KIND))
        elif len(choices := _choices(info)) != 1:
            found.append(Setting(prefix + name, content[name], choices, info.description or ""))
    return found


def _kinds(info: FieldInfo) -> dict[str, tuple[str, ...]]:
    """The field that tells which kind a section is of, where there are several, and the names of all kinds."""
    by = info.discriminator
    return {by: tuple(one.model_fields[by].default for one in get_args(info.annotation))} if isinstance(by, str) else {}


def _choices(info: FieldInfo) -> tuple[str, ...]:
    """The words that a field takes; empty where it takes others."""
    return get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
