"""`emolens predict` and `evaluate` for models of stimuli maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emolens.cli.learn import needs_torch
from emolens.cli.printing import progress
from emolens.errors import ModelError, OptionError

if TYPE_CHECKING:
    import numpy as np

    from emolens.data.prepared import Prepared
    from emolens.evaluation.map_asking import MapModel
    from emolens.evaluation.map_report import Example


def gives_maps(model: str) -> bool:
    """Whether a run folder or an ONNX file is one of task `stimuli`. False for what is neither."""
    path = Path(model)
    if path.is_dir():
        needs_torch()
        from emolens.learn.runs import read_recipe

        return read_recipe(path).task == "stimuli"
    if path.suffix != ".onnx" or not path.is_file():
        return False
    from emolens.models.classifier import read_card

    return read_card(path).task == "stimuli"


def predict_maps(model: str, data: Path, out: Path, splits: list[str], dataset: str | None, best: bool) -> None:
    """Write each map as a grey PNG of 16 bits below the folder `out`, and rows.csv with where its weight lies."""
    from emolens.evaluation.map_asking import ask_maps
    from emolens.evaluation.map_storing import MapRows

    if out.suffix:
        raise OptionError(f"--out is {out}; maps go into a folder, give a name without {out.suffix}")
    asked, name = _asked(model, best), _data_of(model, dataset)
    with MapRows(out) as written:
        for split in splits:
            rows = _rows(data, split, name)
            written.add(ask_maps(asked, rows), rows)
    typer.echo(f"written: {out} ({written.count:,} maps of {', '.join(splits)}, and rows.csv)")


def evaluate_maps(
    model: str, data: Path | None, split: str, out: Path | None, dataset: str | None, best: bool, no_report: bool
) -> None:
    """Print every figure beside the baselines, and write the report."""
    from emolens.cli.console import Paper
    from emolens.cli.maps import maps_table
    from emolens.evaluation.map_asking import ask_maps, judge_rows
    from emolens.evaluation.map_report import telling, write_map_report

    if data is None:
        raise OptionError(f"{model} must be asked about pictures: give --data DIR")
    asked = _asked(model, best)
    rows = _rows(data, split, _data_of(model, dataset))
    found = ask_maps(asked, rows)
    judged = judge_rows(found, rows)
    Paper().print(maps_table(judged))
    if no_report:
        return
    title = str(rows.manifest.about["title"])
    place = out or Path("reports") / f"{asked.name.replace('/', '-')}-{title.lower()}-{split}"
    about = {"model": asked.name, "sha256": asked.sha, "data": title, "split": split}
    ccs = judged.figures["map"]["cc"]
    examples = [_example(found, rows, at, float(ccs[at])) for at in telling(judged)]
    typer.echo(f"report: {write_map_report(judged, about, examples, place)}")


def _example(found: np.ndarray, rows: Prepared, at: int, cc: float) -> Example:
    from emolens.data.mapped import true_map
    from emolens.evaluation.map_asking import at_home
    from emolens.evaluation.map_report import Example

    record = rows.record(at)
    return Example(record.open(), at_home(found[at], rows, at), true_map(rows, at), f"{record.id}, CC {cc:.2f}")


def _asked(model: str, best: bool) -> MapModel:
    if Path(model).is_dir():
        from emolens.learn.predict_maps import run_maps

        return run_maps(Path(model), "best" if best else "last")
    from emolens.evaluation.map_asking import onnx_maps

    return onnx_maps(Path(model))


def _data_of(model: str, dataset: str | None) -> str:
    """The data set: that which was named, else that which a run learnt from, else EmotionROI."""
    if dataset is not None or not Path(model).is_dir():
        return dataset or "emotionroi"
    from emolens.learn.runs import read_recipe

    return read_recipe(Path(model)).data.name


def _rows(data: Path, split: str, name: str) -> Prepared:
    from emolens.data.given import prepared_folder
    from emolens.data.prepared import open_prepared

    with progress() as told:
        rows = open_prepared(prepared_folder(data, name, told), split)
    if not len(rows):
        raise ModelError(f"{data}: {split} holds no picture")
    return rows
