"""What is learnt: one LightningModule a task, and the batches that it learns from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emolens.learn.config import Recipe
from emolens.learn.devices import Place
from emolens.learn.tasks import evoked, expression, group, stimuli
from emolens.learn.tasks.base import Start, Task

STARTS: dict[str, Callable[..., Start]] = {
    "expression": expression.start,
    "evoked": evoked.start,
    "group": group.start,
    "stimuli": stimuli.start,
}
"""How a run of each task begins."""


def start(recipe: Recipe, data: Path, place: Place) -> Start:
    """Read the data that a recipe asks for and build what learns from it; `place` is this process among several."""
    return STARTS[recipe.task](recipe, data, place)


__all__ = ["Start", "Task", "start"]
