"""`emolens ensemble`: several predictions tables as one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer

from emolens.cli.destinations import check_folder
from emolens.cli.evaluate import needs_statistics
from emolens.cli.figures import spread
from emolens.cli.mistaken import check_tables
from emolens.cli.printing import table
from emolens.errors import OptionError, UnknownName

if TYPE_CHECKING:
    from emolens.evaluation.ensemble import Combined
    from emolens.evaluation.predictions import Predictions

Space = Literal["probabilities", "logits"]


def ensemble(
    tables: Annotated[
        list[str],
        typer.Argument(metavar="TABLE...", help="Predictions tables that hold both splits; FILE.npz#MODEL takes one."),
    ],
    choose_on: Annotated[str, typer.Option("--choose-on", metavar="SPLIT", help="Where weights are chosen.")] = "val",
    report: Annotated[str, typer.Option("--report", metavar="SPLIT", help="Where they are judged, once.")] = "test",
    of: Annotated[str, typer.Option("--of", metavar="WHAT", help="Combine probabilities or logits.")] = "probabilities",
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="W,W,...", help="Also judge these, one for each table.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write weights.json and one table for each method.")
    ] = None,
) -> None:
    """Combine models in every way side by side: mean, weights from a grid, weights by likelihood, a stack."""
    needs_statistics("emolens ensemble")
    from emolens.evaluation.ensemble import combine
    from emolens.evaluation.storing import read_tables

    if of not in get_args(Space):
        raise UnknownName("thing to combine", of, get_args(Space))
    check_tables(tables, f"{choose_on},{report}")
    if out is not None:
        check_folder(out)
    members = [one for name in tables for one in read_tables(Path(name))]
    found = combine(members, choose_on, report, cast(Space, of), None if weights is None else _numbers(weights))
    _print(members, found, choose_on, report, of)
    if out:
        _write(found, members, choose_on, report, out)
        typer.echo(f"written: {out}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--weights is {text!r}, needs numbers with commas, one for each table") from None


def _print(members: Sequence[Predictions], found: Sequence[Combined], choose_on: str, report: str, of: str) -> None:
    rows = [_row(one.name, "", one.split(choose_on), one.split(report)) for one in members]
    rows += [_row(one.method, _how(one), one.chosen, one.reported) for one in found]
    n = [len(members[0].split(name)) for name in (choose_on, report)]
    heads = ("", choose_on, report, "95 % interval", "macro F1", "KL", "weights")
    notes = [
        f"Chosen on {choose_on} (n = {n[0]:,}), which flatters simplex and nll there: a mean chooses nothing, and the "
        f"stack is shown on rows left out. Judged on {report} (n = {n[1]:,}).",
    ]
    best = _best(members, choose_on)
    against = f"Against {best.name}, the best alone on {choose_on}, McNemar's test on {report}:"
    notes += [against, *(f"  {one.method}: {_compared(one.reported, best.split(report))}" for one in found)]
    table(f"{len(members)} tables, {of}", heads, rows, notes)


def _best(members: Sequence[Predictions], choose_on: str) -> Predictions:
    from emolens.evaluation.metrics import hits

    known = [one.split(choose_on) for one in members]
    return members[max(range(len(members)), key=lambda at: hits(known[at].probabilities, known[at].targets).sum())]


def _compared(one: Predictions, other: Predictions) -> str:
    from emolens.evaluation.compare import mcnemar
    from emolens.evaluation.metrics import hits

    first, second = (hits(each.probabilities, other.targets) for each in (one, other))
    gained, lost = int((first > second).sum()), int((second > first).sum())
    return f"{gained} rows right that it has wrong, {lost} the other way, p = {mcnemar(gained, lost):.2g}"


def _row(name: str, how: str, chosen: Predictions, reported: Predictions) -> tuple[str, ...]:
    from emolens.evaluation.metrics import divergence, hits, mean_estimate

    known = hits(chosen.probabilities, chosen.targets).mean()
    accuracy = mean_estimate(hits(reported.probabilities, reported.targets))
    kl = divergence(reported.probabilities, reported.targets).mean()
    return name, f"{known:.4f}", *spread(accuracy), f"{_macro_f1(reported):.4f}", f"{kl:.4f}", how


def _macro_f1(rows: Predictions) -> float:
    from emolens.evaluation.classes import confusion, macro_f1

    return float(macro_f1(confusion(rows.truth, rows.guess, len(rows.taxonomy))))


def _how(one: Combined) -> str:
    weights = " ".join(f"{weight:.2f}".lstrip("0") or "0" for weight in one.weights)
    return ", ".join([*([weights] if weights else []), *(f"{name} {text}" for name, text in one.notes.items())])


def _write(found: Sequence[Combined], members: Sequence[Predictions], choose_on: str, report: str, out: Path) -> None:
    from emolens.evaluation.ensemble import figures
    from emolens.evaluation.predictions import joined
    from emolens.evaluation.storing import write_predictions
    from emolens.files import replacing

    content: dict[str, Any] = {
        "members": [one.name for one in members],
        "classes": members[0].taxonomy.classes,
        "methods": {
            one.method: {
                "weights": one.weights or None,
                "confidence_temperature": one.temperature,
                **one.notes,
                choose_on: figures(one.chosen),
                report: figures(one.reported),
            }
            for one in found
        },
    }
    for one in found:
        write_predictions(joined([one.chosen, one.reported]), out / f"{one.method}.parquet")
    with replacing(out / "weights.json") as draft:
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
