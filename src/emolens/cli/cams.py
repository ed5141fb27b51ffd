"""`emolens evaluate RUN --cam`: in which pictures it is shown where the net of a run looked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emolens.errors import OptionError

if TYPE_CHECKING:
    from emolens.evaluation.rows import Rows

Wanted = int | tuple[str, ...]
"""How many pictures, or the ids of their rows."""
NEEDS = "a number of pictures, or ids of rows with commas between"
MOST_TOLD = 5
TASKS = ("expression", "evoked")


def wanted_of(text: str | None) -> Wanted:
    """What `--cam` asks for. Raises `OptionError` for a number below 0 and for neither a number nor ids."""
    if text is None:
        return 0
    text = text.strip()
    if text.isdecimal():
        return int(text)
    ids = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not ids or re.fullmatch(r"[-+]?\d*\.?\d+", text):
        raise OptionError(f"--cam is {text!r}, needs {NEEDS}")
    return ids


def check_net(model: str, wanted: Wanted) -> None:
    """Raises `OptionError` where no net is there that could be asked where it looked."""
    if not wanted:
        return
    if not Path(model).is_dir():
        raise OptionError(f"--cam needs the net itself: give a run folder, not {model}")
    from emolens.learn.runs import read_recipe

    if (task := read_recipe(Path(model)).task) not in TASKS:
        raise OptionError(f"--cam is for runs of task {' or '.join(TASKS)}, {model} is of {task}; leave it out")


def check_ids(wanted: Wanted, rows: Rows) -> None:
    """Raises `OptionError` for ids that are not among the rows, with the near misses."""
    if isinstance(wanted, int):
        return
    known = rows.ids.tolist()
    here = set(known)
    missing = [name for name in wanted if name not in here]
    if not missing:
        return
    told = ", ".join(_with_near_miss(name, known) for name in missing[:MOST_TOLD])
    more = f" and {len(missing) - MOST_TOLD} more" if len(missing) > MOST_TOLD else ""
    raise OptionError(
        f"--cam: {rows.subset} has no row {told}{more}; ids stand below the pictures of a report and in its "
        "predictions.parquet, a number alone is how many pictures"
    )


def of_run(model: str, rows: Rows | None, checkpoint: str, wanted: Wanted) -> dict[str, Any]:
    """What only a run has, for `report_on`: training curves, and a net whose gradients tell where it looked."""
    from emolens.evaluation.training import training_curves

    run = Path(model)
    if not run.is_dir():
        return {}
    cams: Callable[..., Any] | None = None
    if wanted and rows is not None:
        from emolens.learn.cam import run_cams

        cams = partial(run_cams, run, rows, checkpoint=checkpoint)
    return {"training": training_curves(run), "cams": cams, "looked": wanted}


def _with_near_miss(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"{name!r} (did you mean {near[0]!r}?)" if near else repr(name)
