"""`emolens predict` and `evaluate`: what a model says about labelled rows, and how good that is."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens import __version__
from emolens.cli.cams import Wanted, check_ids, check_net, of_run, wanted_of
from emolens.cli.destinations import check_report, check_table, report_place
from emolens.cli.figures import print_report, record_figures
from emolens.cli.learn import DataFolder
from emolens.cli.mistaken import check_judged, check_model
from emolens.cli.printing import progress
from emolens.errors import MissingExtra, OptionError

if TYPE_CHECKING:
    from emolens.evaluation.predictions import Predictions
    from emolens.evaluation.rows import Rows

Best = Annotated[bool, typer.Option("--best", help="Of a run: the epoch that was best on val, not the last.")]
DataSet = Annotated[
    str | None,
    typer.Option(
        "--dataset", metavar="NAME", help="What --data is an archive of; by default what the model learnt from."
    ),
]
Classes = Annotated[
    str | None, typer.Option("--classes", metavar="NAME", help="Only rows of these classes, as ekman6 for CK+.")
]


UNCALIBRATED = (
    "A run's confidences are not calibrated, 'emolens export' does that: thresholds to abstain by are of the run alone."
)


class Layout(str, Enum):
    """How a predictions table is written."""

    table = "table"
    legacy = "legacy"


def predict(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run folder, or an ONNX model with its card.")],
    data: DataFolder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table: .parquet or .npz; of maps a folder.")],
    split: Annotated[str, typer.Option(metavar="NAME,...", help="One or more of train, val, test.")] = "val",
    dataset: DataSet = None,
    classes: Classes = None,
    best: Best = False,
    layout: Annotated[
        Layout, typer.Option(help="legacy: as the old group systems, --out named as model5_output_data.npz.")
    ] = Layout.table,
) -> None:
    """Write the predictions table of a model: ids, labels, probabilities, confidences; of a map model its maps."""
    from emolens.cli.map_models import gives_maps, predict_maps
    from emolens.evaluation.old_outputs import old_name, write_old
    from emolens.evaluation.predictions import joined
    from emolens.evaluation.storing import SUFFIXES, write_predictions

    check_model(model)
    if gives_maps(model):
        return predict_maps(model, data, out, split.split(","), dataset, best)
    check_table(out, SUFFIXES)
    if layout is Layout.legacy:
        old_name(out)
    parts = [open_data(data, name, model, dataset, classes) for name in split.split(",")]
    tables = [_ask(model, rows, best) for rows in parts]
    (write_old if layout is Layout.legacy else write_predictions)(joined(tables), out)
    typer.echo(f"written: {out} ({sum(map(len, tables)):,} rows of {split})")
    return None


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL|RUN|TABLE", help="ONNX model, run folder, predictions table.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="As of predict; a table can be judged without.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="val, or test once all choices are made.")] = "val",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The report.", show_default="reports/MODEL-DATA-SPLIT")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME,...", help="Figures by group, as gender,age.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="OTHER", help="A model, run or table to compare with, row by row.")
    ] = None,
    cam: Annotated[
        str | None,
        typer.Option(metavar="N|ID,...", help="Of a run: show where it looked in N pictures, or in those named by id."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(metavar="data|uniform[:W]|FILE", help="Re-weight for a population unlike the training set's."),
    ] = None,
    dataset: DataSet = None,
    classes: Classes = None,
    best: Best = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Only print the figures.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the figures into the model's card.")] = False,
) -> None:
    """Judge a model: each figure with its n and a 95 % bootstrap interval, printed and as a page with plots."""
    needs_statistics("emolens evaluate")
    from emolens.cli.map_models import evaluate_maps, gives_maps
    from emolens.evaluation.groups import groups_of
    from emolens.evaluation.judging import report_on
    from emolens.evaluation.report import write_report

    for name in (model, *([] if against is None else [against])):
        check_judged(name)
    if not no_report:
        check_report(out)
    wanted = wanted_of(cam)
    if gives_maps(model):
        _check_no_wishes(against=against, by=by, prior=prior, classes=classes, cam=wanted, record=record)
        return evaluate_maps(model, data, split, out, dataset, best, no_report)
    if against is not None and gives_maps(against):
        raise OptionError(f"--against {against} is of stimuli maps, {model} is not; give a model of the same task")
    _check_wishes(model, record, prior, wanted, no_report)
    _check_table_wishes(model, data, dataset=dataset, classes=classes, best=best)
    rows = None if data is None else open_data(data, split, model, dataset, classes)
    groups = [name for name in (by or "").split(",") if name]
    if rows is not None:
        check_ids(wanted, rows)
        for name in groups:
            groups_of(rows.attributes, name, rows.title)  # a wrong name is told before the model is asked
    predictions = predicted(model, rows, split, best)
    other = None if against is None else predicted(against, rows, split, best)
    notes = [] if rows is None else _cautions(model, rows)
    if other is not None and rows is not None:
        notes += [f"{note} (Said of {other.name}.)" for note in _cautions(str(against), rows)]
    if prior is not None:
        predictions, note = _for_population(predictions, prior, model, rows)
        notes.append(note)
        if other is not None:
            notes.append(f"--prior re-weights the first model alone: {other.name} is compared as it was.")
    of_it = of_run(model, rows, _checkpoint(best), wanted)
    report = report_on(predictions, rows, other, groups, notes=notes, version=__version__, **of_it)
    print_report(report)
    if record:
        record_figures(Path(model), report)
    if not no_report:
        options = ("best" if best else "", classes or "", "" if prior is None else f"prior-{Path(prior).name}")
        place = out or report_place(model, predictions.data, split, *options)
        typer.echo(f"report: {write_report(report, place)}")
    return None


def open_data(data: Path, split: str, model: str, dataset: str | None, classes: str | None) -> Rows:
    """The rows that `--data` and `--split` mean: an archive is one of `dataset`, else of what the model learnt from."""
    from emolens.evaluation.rows import open_rows
    from emolens.taxonomy import taxonomy

    name, options = _learnt_from(Path(model)) if dataset is None else (dataset, {})
    with progress() as told:
        rows = open_rows(data, split, name, options, told)
    return rows if classes is None else rows.in_classes(taxonomy(classes))


def predicted(model: str, rows: Rows | None, split: str, best: bool) -> Predictions:
    """The table of a model or run on `rows`, or a table that lies in a file. Raises `OptionError` without rows."""
    from emolens.evaluation.storing import is_table, read_predictions

    if is_table(Path(model)):
        return read_predictions(Path(model)).split(split)
    if rows is None:
        raise OptionError(f"{model} must be asked about pictures: give --data DIR")
    return _ask(model, rows, best)


def _ask(model: str, rows: Rows, best: bool) -> Predictions:
    from emolens.evaluation.asking import ask_model

    if not Path(model).is_dir():
        return ask_model(Path(model), rows)
    _needs_torch()
    from emolens.learn.predict import predict_run

    return predict_run(Path(model), rows, _checkpoint(best))


def _check_wishes(model: str, record: bool, prior: str | None, cam: Wanted, no_report: bool) -> None:
    """Raises `OptionError` for what cannot be done with what was given, before any work."""
    from emolens.models.prior import read_shares, way_to_uniform

    if record and (not model.endswith(".onnx") or prior is not None):
        raise OptionError("--record is for an ONNX model as it is: without --prior, and not for a run or a table")
    if cam and no_report:
        raise OptionError("--cam shows pictures in the report; leave out --no-report")
    if prior is not None and prior != "data" and way_to_uniform(prior) is None:
        read_shares(prior)  # a file that cannot be read is told before the model is asked
    check_net(model, cam)


def _check_table_wishes(model: str, data: Path | None, dataset: str | None, **wishes: object) -> None:
    """Raises `OptionError` for what only a model or run can be asked, where a table is judged."""
    from emolens.evaluation.storing import is_table

    if not is_table(Path(model)):
        return
    if given := [name for name, value in wishes.items() if value]:
        raise OptionError(f"--{given[0]} is for a model or run, and {model} holds its answers already; leave it out")
    if dataset is not None and data is None:
        raise OptionError("--dataset names what --data is an archive of; give --data too")


def _check_no_wishes(**wishes: object) -> None:
    """Raises `OptionError` for what is not there for models of stimuli maps."""
    if given := [name for name, value in wishes.items() if value]:
        raise OptionError(f"--{given[0]} is not for models of stimuli maps; leave it out")


def _learnt_from(model: Path) -> tuple[str, dict[str, Any]]:
    """The name of the data set that a model or run learnt from, and its options; FER+ where nothing tells."""
    from emolens.data.registry import names
    from emolens.models.classifier import read_card

    if model.is_dir():
        _needs_torch()
        from emolens.learn.runs import read_recipe

        wanted = read_recipe(model).data
        return wanted.name, dict(wanted.chosen)
    if model.suffix != ".onnx":
        return "ferplus", {}
    card = read_card(model)
    if card.dataset:
        return card.dataset, dict(card.dataset_options)
    return (card.taxonomy if card.taxonomy in names() else "ferplus"), {}  # a card of before it named its data set


def _cautions(model: str, rows: Rows) -> list[str]:
    """What to know beside the figures: what was learnt from, where that may be among the rows; of runs, how sure."""
    from emolens.models.classifier import read_card

    path = Path(model)
    if path.suffix == ".onnx":
        learnt = read_card(path).training_data
        return [f"The model learnt from: {learnt}. Rows among these flatter it."] if learnt else []
    if not path.is_dir():
        return []
    from emolens.learn.runs import read_recipe

    wanted = read_recipe(path).data
    if wanted.name != rows.name:
        return [UNCALIBRATED]
    # Of the published lists three quarters of `val` are in `train` too.
    from_val = getattr(wanted, "join_val", False) or getattr(wanted, "folds", 0) or wanted.name == "lists"
    if rows.split == "train" or (rows.split == "val" and from_val):
        return [UNCALIBRATED, f"The run learnt from {rows.split} of {rows.name} itself: these figures flatter it."]
    return [UNCALIBRATED, *_cut_otherwise(wanted.name, wanted.chosen, rows)]


def _cut_otherwise(name: str, chosen: dict[str, str], rows: Rows) -> list[str]:
    """The options that a run's set was read with, in a sentence, where the rows were read with others.

    Those decide which rows are in which part, but for the subset of FER+, which is judged on all of them.
    """
    from emolens.data.given import COMBINED
    from emolens.data.registry import reader

    if name in COMBINED:
        return []
    learnt, there = reader(name).chosen(chosen), reader(name).chosen(rows.options)
    others = [f"{one}={learnt[one]}" for one in learnt if one != "subset" and learnt[one] != there[one]]
    told = f"The run learnt from {name} read with {', '.join(others)}: rows of its train may be among these."
    return [told] if others else []


def _for_population(predictions: Predictions, prior: str, model: str, rows: Rows | None) -> tuple[Predictions, str]:
    """The table for a population, and the sentence that says so."""
    from emolens.evaluation.asking import for_population

    if Path(model).is_dir() and rows is not None and not predictions.prior:
        from emolens.learn.predict import train_prior

        predictions = replace(predictions, prior=train_prior(Path(model), rows))
    shifted, shares = for_population(predictions, prior)
    named = zip(predictions.taxonomy.classes, predictions.prior, shares.tolist(), strict=True)
    told = ", ".join(f"{name} {new:.3f} ({old:.3f})" for name, old, new in named)
    return shifted, f"Re-weighted by --prior {Path(prior).name} to these shares (its answers carried): {told}."


def _checkpoint(best: bool) -> str:
    return "best" if best else "last"


def _needs_torch() -> None:
    if find_spec("torch") is None:
        raise MissingExtra("a run folder", "learn")


def needs_statistics(what: str) -> None:
    """Raises `MissingExtra` where scipy, scikit-learn or matplotlib is not installed."""
    if any(find_spec(name) is None for name in ("scipy", "sklearn", "matplotlib")):
        raise MissingExtra(what, "evaluate")
