"""Old claims, re-examined: each study is one command that writes its figures, its plots and a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
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
    """A study by its name: the data set that it reads, what it examines, and what of `Effort` it heeds.

    `writes` are the names, with wildcards, of what it leaves in its folder and would write over; none of a study that
    goes on with what is there.
    """

    name: str
    data: str
    examines: str
    heeds: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def run(self) -> Callable[[Path, Path, Effort, Say], Path]:
        """The way from the data and a folder to write into to the page that was written. Needs torch."""
        found: Callable[[Path, Path, Effort, Say], Path] = import_module(f"{__name__}.{self.name}").run
        return found


PAGE = ("results.json", "index.html")
STUDIES = {
    one.name: one
    for one in (
        Study(
            "emotion_wheel",
            "emotion6",
            "whether the wheel layer of EW-MTCNN hurts, or what was left on the logits when it was put in",
            ("seeds", "epochs", "as_published"),
            PAGE,
        ),
        Study(
            "evoked_default",
            "emotion6",
            "the default model of evoked emotions: cross-validated on fixed folds, then taught on all and exported",
            ("seeds",),
            ("results.json", "evoked_emotion6.*"),
        ),
        Study(
            "map_to_emotion",
            "emotionroi",
            "whether the emotion can be told from the stimuli map alone",
            ("seeds", "epochs"),
            PAGE,
        ),
        Study(
            "split_leak",
            "fer2013",
            "what a validation split that shares pictures with the training part is worth",
            ("seeds", "epochs"),
            ("split_leak.*", "leaked-*", "corrected-*"),
        ),
        Study(
            "stimuli_condition",
            "emotionroi",
            "whether a stimuli map follows the emotion that the net is told",
            ("seeds", "epochs", "settings"),
            (),
        ),
    )
}


def study(name: str) -> Study:
    """The study of that name. Raises `UnknownName`."""
    if name not in STUDIES:
        # group_ensemble needs no torch and is no part of learning.
        raise UnknownName("study", name, [*STUDIES, "group_ensemble"], "'emolens studies' says what each examines")
    return STUDIES[name]
