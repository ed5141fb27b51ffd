"""Old claims, re-examined: each study is one command that writes its figures, its plots and a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emolens.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a study does. Raises nothing: each study says what it cannot do.

    `settings` are changes of the recipe of a study that trains one, as `net.size=96`.
    """

    seeds: int = 3
    epochs: int = 20
    as_published: bool = False
    settings: tuple[str, ...] = ()


Say = Callable[[str], None]
"""Told what is being done, a line at a time."""


@dataclass(frozen=True, slots=True)
class Study:
    """The data set that a study reads, and the way from it and a folder to write into to the page that was written."""

    data: str
    run: Callable[[Path, Path, Effort, Say], Path]


def study(name: str) -> Study:
    """The study of that name. Raises `UnknownName`."""
    from emolens.learn.studies import emotion_wheel, evoked_default, map_to_emotion, split_leak, stimuli_condition

    known = {
        "emotion_wheel": Study("emotion6", emotion_wheel.run),
        "evoked_default": Study("emotion6", evoked_default.run),
        "map_to_emotion": Study("emotionroi", map_to_emotion.run),
        "split_leak": Study("fer2013", split_leak.run),
        "stimuli_condition": Study("emotionroi", stimuli_condition.run),
    }
    if name not in known:
        raise UnknownName("study", name, [*known, "group_ensemble"])  # which needs no torch and is no part of learning
    return known[name]
