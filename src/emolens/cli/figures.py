"""Figures on a terminal, values beside their intervals, and in a model's card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emolens.cli.printing import table

if TYPE_CHECKING:
    from emolens.evaluation.groups import GroupFigures
    from emolens.evaluation.metrics import Estimate
    from emolens.evaluation.report import Report


def print_report(report: Report) -> None:
    """The figures of every subset, the classes of the first, and what else was asked for."""
    from emolens.evaluation.groups import SWAPPED

    for judgement in report.judgements:
        found = [(name, spread(figure)) for name, figure in judgement.figures.items()]
        lines = [*found, ("ece_floor", [f"{judgement.ece_floor:.4f}", ""])]
        title = f"{report.title}: {judgement.subset or 'all rows'}, n = {len(judgement.predictions):,}"
        table(title, ("figure", "value", "95 % interval"), [(name, *cells) for name, cells in lines])
    first = report.judgements[0]
    table(
        f"classes: {first.subset or 'all rows'}, n = {len(first.predictions):,}",
        ("class", "n", "precision", "recall", "95 % interval", "F1"),
        [(c.name, f"{c.n:,}", spread(c.precision)[0], *spread(c.recall), spread(c.f1)[0]) for c in first.classes],
    )
    for name, groups in report.groups.items():
        _print_groups(f"by {name}", groups)
    if report.sources:
        _print_groups("the sets apart", report.sources, [SWAPPED])
    for one in report.comparisons:
        rows = [
            (name, f"{gap.value:+.4f}", f"{gap.low:+.4f} to {gap.high:+.4f}") for name, gap in one.differences.items()
        ]
        note = f"right only here {one.gained}, only there {one.lost}; McNemar's exact p = {one.p_value:.2g}"
        table(f"minus {one.second}: {one.subset or 'all rows'}", ("figure", "gap", "95 % interval"), rows, [note])
    for note in report.notes:
        typer.echo(note)


def record_figures(model: Path, report: Report) -> None:
    """Write the figures into the card beside an ONNX model, in place of those of the same rows."""
    from emolens.evaluation.expression import card_metrics
    from emolens.models.classifier import read_card

    card = read_card(model)
    metrics = [metric for judgement in report.judgements for metric in card_metrics(judgement)]
    judged = {metric.subset for metric in metrics}
    kept = [metric for metric in card.metrics if metric.subset not in judged]
    card.model_copy(update={"metrics": (*kept, *metrics)}).write(model.with_suffix(".json"))
    typer.echo(f"recorded: {len(metrics)} figures in {model.with_suffix('.json')}, beside {len(kept)} of other rows")


def _print_groups(title: str, groups: Iterable[GroupFigures], notes: Sequence[str] = ()) -> None:
    names = ("accuracy", "balanced_accuracy", "macro_f1", "kl")
    rows = [
        (one.value, f"{one.n:,}", *spread(one.figures["accuracy"]), *(spread(one.figures[n])[0] for n in names[1:]))
        for one in groups
    ]
    table(title, ("group", "n", "accuracy", "95 % interval", "balanced", "macro F1", "KL"), rows, notes)


def spread(figure: Estimate) -> list[str]:
    """A figure and its interval as two cells; blank where it is not defined."""
    if figure.value != figure.value:
        return ["", ""]
    return [f"{figure.value:.4f}", f"{figure.low:.4f} to {figure.high:.4f}"]
