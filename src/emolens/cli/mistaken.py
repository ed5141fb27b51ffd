"""What is named as a model, a run or a table: looked at before any work, and where it is none, what to give instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emolens.errors import ModelError, OptionError
from emolens.places import FIGURES, RECIPE

ROWS = "predictions.parquet"
"""The table of a report."""
MODELS, TABLES = (".onnx",), (".parquet", ".npz")
DEEP = 3
"""How far below its run folder a file may lie: `metrics/version_0/metrics.csv`."""


@dataclass(frozen=True, slots=True)
class Mistaken:
    """What a path is that is no model and no run, and what to give instead: words, and the model itself if known."""

    what: str
    instead: str
    model: str = "MODEL"


def check_model(name: str) -> None:
    """Raises `ModelError` for what `predict` cannot ask: it takes an ONNX model or a run folder."""
    path = _existing(name)
    if path.suffix in TABLES:
        raise ModelError(f"{name}: a predictions table holds answers already; give an ONNX model or a run folder")
    if found := mistaken(path):
        raise ModelError(f"{name}: {found.what}, no ONNX model or run folder; give {found.instead}")


def check_judged(name: str) -> None:
    """Raises `ModelError` for what `evaluate` cannot judge: it takes an ONNX model, a run folder or a table."""
    path = _existing(name)
    if found := mistaken(path):
        rows = path / ROWS if path.is_dir() else path.parent / ROWS
        table = f", or its rows, {rows}" if rows.is_file() else ""
        allowed = "no ONNX model, run folder or predictions table"
        raise ModelError(f"{name}: {found.what}, {allowed}; give {found.instead}{table}")


def check_tables(names: list[str], splits: str) -> None:
    """Raises `OptionError` for what `ensemble` cannot combine: a model or run, which has no table yet, and the like."""
    for name in names:
        path = Path(name.partition("#")[0])
        if not path.exists() or path.suffix in TABLES:  # the reader of tables says what is wrong with these
            continue
        if found := mistaken(path):
            what, model = found.what, found.model
        else:
            what, model = "a run folder" if path.is_dir() else "an ONNX model", str(path)
        raise OptionError(
            f"{name}: {what}, and ensemble combines predictions tables; write one: "
            f"emolens predict {model} --data DIR --split {splits} --out {_table_name(model)}"
        )


def mistaken(path: Path) -> Mistaken | None:
    """What an existing path is, where it can be told that it is no model, run or table; None where it may be one."""
    if path.suffix in (*MODELS, *TABLES) or (path.is_dir() and (path / RECIPE).is_file()):
        return None
    kind = "folder" if path.is_dir() else "file"
    if ((path if path.is_dir() else path.parent) / FIGURES).is_file():
        return Mistaken("a report" if path.is_dir() else "a part of a report", "the model that it is of")
    if run := _run_around(path):
        what = "a checkpoint of a run" if path.suffix == ".ckpt" else f"a {kind} inside a run"
        best = " --best" if path.name == "best.ckpt" else ""
        return Mistaken(what, f"the run folder itself, {run}{best}", f"{run}{best}")
    if path.suffix == ".ckpt":
        return Mistaken("a checkpoint without its recipe.json", "the whole run folder that 'emolens train' wrote")
    if path.suffix == ".json" and (model := path.with_suffix(".onnx")).is_file():
        return Mistaken("the card of a model", str(model), str(model))
    return _folder(path) if path.is_dir() else None  # other files: their reader knows best


def _folder(path: Path) -> Mistaken:
    inside = sorted(one for one in path.iterdir() if one.suffix in MODELS or (one / RECIPE).is_file())
    if not inside:
        return Mistaken("a folder without recipe.json", "a run folder that 'emolens train --out' wrote")
    what = "a folder of models" if inside[0].suffix in MODELS else "a folder of runs"
    return Mistaken(what, f"one of these {len(inside)}, as {inside[0]}", str(inside[0]))


def _existing(name: str) -> Path:
    file, _, member = name.partition("#")
    if not file:
        raise ModelError("the name of a model is empty; give an ONNX model or a run folder")
    path = Path(file)
    if member and path.suffix not in TABLES and path.exists():
        raise ModelError(f"{name}: '#{member}' names a member of an old table, and {file} is none; leave it out")
    try:
        if path.exists():
            return path
    except OSError as error:  # a folder on the way may not be read, or the name is too long
        raise ModelError(f"{name}: cannot be read ({error.strerror}); name another") from None
    raise ModelError(f"{name}: no such model file, run folder or predictions table")


def _run_around(path: Path) -> Path | None:
    """The run folder that a path lies in; as the user wrote it, where that can be."""
    around = [*path.parents[:DEEP], *path.absolute().parents[:DEEP]]
    return next((folder for folder in around if (folder / RECIPE).is_file()), None)


def _table_name(model: str) -> str:
    return "TABLE.parquet" if model == "MODEL" else f"{Path(model.removesuffix(' --best')).stem}.parquet"
