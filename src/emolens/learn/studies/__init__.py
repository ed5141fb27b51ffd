"""Old claims, re-examined: each study is one command that writes its figures, its plots and a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emolens.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a study does. Raises nothing: each study says what it cannot do."""

    seeds: int = 3
    epochs: int = 20
    as_published: bool = False


Say = Callable[[str], None]
"""Told what is being done, a line at a time."""

Study = Callable[[Path, Path, Effort, Say], Path]
"""From prepared data and a folder to write into, to the page that was written."""


def study(name: str) -> Study:
    """The study of that name. Raises `UnknownName`."""
    from emolens.learn.studies import emotion_wheel, evoked_default

    known: dict[str, Study] = {"emotion_wheel": emotion_wheel.run, "evoked_default": evoked_default.run}
    if name not in known:
        raise UnknownName("study", name, known)
    return known[name]
