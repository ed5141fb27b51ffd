"""From predictions to a report: what `emolens evaluate` does once it has a table."""

from __future__ import annotations

from collections.abc import Sequence

from emolens.evaluation.compare import compare
from emolens.evaluation.evoked_figures import mean_predictor
from emolens.evaluation.expression import Judgement, judge
from emolens.evaluation.groups import by_attribute, by_source
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.report import Report, Shown
from emolens.evaluation.rows import Rows, views
from emolens.evaluation.training import Curves
from emolens.evaluation.walls import Cams, chosen_cams, named_cams, worst_errors

SINGLE = "The rows have one label each, no votes: KL is the negative log-likelihood of the label."


def report_on(
    predictions: Predictions,
    rows: Rows | None = None,
    against: Predictions | None = None,
    by: Sequence[str] = (),
    training: Curves | None = None,
    cams: Cams | None = None,
    looked: int | Sequence[str] = 0,
    notes: Sequence[str] = (),
    version: str = "",
) -> Report:
    """Judge a table on the named subsets of its rows; without `rows`, on its rows as they are, and without pictures.

    What pictures evoke is judged beside a mean predictor. `against` is another table of the same rows. `looked`: in how
    many pictures `cams` are shown, or the ids of those. Raises `UnknownName` for an attribute in `by` that the rows
    lack, and `DataError` where tables or rows do not align.
    """
    groups = {name: by_attribute(predictions, name) for name in by}
    tables = [predictions] if rows is None else views(predictions, rows)
    others = [] if against is None else [against] if rows is None else views(against, rows)
    comparisons = [compare(one, other) for one, other in zip(tables, others, strict=False)]
    shares = (rows.mean_of_train(predictions.taxonomy) if rows else ()) or predictions.prior
    means = [mean_predictor(tables[0], shares)] if predictions.task == "evoked" and shares else []
    judgements: list[Judgement] = [judge(table) for table in (*tables, *means)]
    worst = [] if rows is None else worst_errors(tables[0], rows)
    return Report(
        f"{predictions.name} on {predictions.data or 'given predictions'}",
        judgements,
        comparisons,
        judge(others[0]) if others else None,
        groups,
        by_source(tables[0]),
        training,
        worst,
        [] if rows is None or cams is None else _cams(tables[0], predictions, rows, cams, looked),
        [*notes, *_about_labels(tables[0])],
        version,
    )


def _about_labels(table: Predictions) -> list[str]:
    """What to know of the labels: that there are no votes, or that some votes are tied."""
    if not table.voted:
        return [SINGLE]
    tied, either = int((table.tops.sum(axis=1) > 1).sum()), float(table.among_tops.mean())
    told = (
        f"In {tied:,} of {len(table):,} rows several classes have the most votes, and the first of them counts as the "
        f"label. Accuracy where any of them counts: {either:.4f}."
    )
    return [told] if tied else []


def _cams(
    shown: Predictions, whole: Predictions, rows: Rows, cams: Cams, looked: int | Sequence[str]
) -> Sequence[Shown]:
    """Of the rows that the report is about, or of any row that was asked about, where it is named."""
    if isinstance(looked, int):
        return chosen_cams(shown, rows, cams, looked)
    return named_cams(whole, rows, cams, looked)
