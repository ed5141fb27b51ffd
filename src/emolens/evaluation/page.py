"""A report as one HTML page: light and dark, no script, and nothing is asked of any server (its policy forbids it)."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from PIL import Image

from emolens.evaluation.curves import operating_points
from emolens.evaluation.embedding import MOST
from emolens.evaluation.expression import Judgement
from emolens.evaluation.groups import SWAPPED, GroupFigures
from emolens.evaluation.page_parts import cell, framed, notes, number, section, signed, table
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.report import Report, Shown

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "top2_accuracy": "top-2 accuracy",
    "kl": "KL divergence",
    "chebyshev": "Chebyshev distance",
    "cosine": "cosine similarity",
    "intersection": "intersection",
    "clark": "Clark distance",
    "clark_normalised": "Clark distance / √K",
    "canberra": "Canberra distance",
    "canberra_normalised": "Canberra distance / K",
    "accuracy_keyword": "accuracy against the keyword",
    "valence_ccc": "valence, concordance (CCC)",
    "valence_pearson": "valence, Pearson's r",
    "arousal_ccc": "arousal, concordance (CCC)",
    "arousal_pearson": "arousal, Pearson's r",
    "ece_confidence": "calibration error (ECE)",
    "aurc": "risk-coverage area (AURC)",
}
MEANING = {
    "expression": "Apparent expression, not feeling: a label says how a face looked to those who labelled it.",
    "group": "How groups looked to those who labelled them, not what anybody in them felt.",
    "evoked": "What pictures made those feel who were asked; nothing about the people in the pictures.",
}
"""Task -> what its labels are."""
FOOTER = (
    " Intervals are 95 % percentile bootstraps over rows; those of precision, recall, the accuracy of a group and the "
    "bars of the reliability diagram are Wilson's. figures.json beside this page holds every number, "
    "predictions.parquet every row."
)
LOWER = ("kl", "chebyshev", "clark", "clark_normalised", "canberra", "canberra_normalised", "ece_confidence", "aurc")
"""Figures that are better the lower they are."""
KEY = ("accuracy", "balanced_accuracy", "macro_f1", "kl", "ece_confidence")
FIGURES_BELOW = (
    "↓ lower is better, of the others higher. ECE by chance alone is what a perfectly calibrated model would show at "
    "this n."
)
ABSTAINING = (
    "Dashed: a model that is right as often as it says; bars are 95 % intervals. Dotted: the error where every row is "
    "answered. The table: what remains, and how often it is right, where less sure rows are not answered."
)
TIED = "A class that as many people named as the label is not wrong here."
CAPTIONS = "Below each: what the model said and how sure it was, what people said and how many of them, the row's id."
PICTURE = 96
"""Smaller pictures are shown this wide at least, so that a face of 48 pixels is not a stamp."""


def report_page(report: Report, drawn: dict[str, str]) -> str:
    """The page of a report; `drawn` has its plots as SVG."""
    first = report.judgements[0]
    rows = first.predictions
    about = [_rows(first), *([f"sha256 of the model {rows.sha[:12]}…"] if rows.sha else [])]
    here = f"Here and below: {_rows(first)}." if len(report.judgements) > 1 else ""
    wrong = f"{len(report.worst)} of {(~rows.among_tops).sum():,} wrong answers, the surest. {TIED} {CAPTIONS}"
    sections = [
        _key(first),
        notes(report.notes),
        section("Every figure", _figures(report.judgements), FIGURES_BELOW),
        section("Classes", drawn["classes"] + _classes(first), here),
        section("Confusion", drawn["confusion"], "Rows add up to 100 %; below each share its count."),
        section("Confidence, and what abstaining buys", _confidence(first, drawn), ABSTAINING),
        _comparisons(report),
        *(section(f"By {name}", _groups(groups)) for name, groups in report.groups.items()),
        _sources(report.sources),
        section("Training", drawn["training"]) if "training" in drawn else "",
        _embedding(rows, drawn),
        _wall("Worst errors", report.worst, wrong),
        _wall("Where the net looked", report.looked, f"Grad-CAM: bright where the net looked. {CAPTIONS}"),
    ]
    return framed(
        report.title, ", ".join(about), sections, MEANING[rows.task] + FOOTER + f" Made by emolens {report.version}."
    )


def _rows(judgement: Judgement) -> str:
    return f"{judgement.subset or 'all rows'}, n = {len(judgement.predictions):,}"


def _key(judgement: Judgement) -> str:
    cells = "".join(
        f"<div><span>{TITLES[name]}</span><b>{number(figure.value)}</b>"
        f"<span>{number(figure.low)} to {number(figure.high)}</span></div>"
        for name in KEY
        if (figure := judgement.figures[name])
    )
    return f'<div class="key">{cells}</div>'


def _figures(judgements: Sequence[Judgement]) -> str:
    names = [(escape(one.subset or "all rows"), len(one.predictions)) for one in judgements]
    heads = ["", *(f"{name}<br><small>n = {n:,}</small>" for name, n in names)]
    rows = [
        [
            f"{title} ↓" if name in LOWER else title,
            *(cell(one.figures[name]) if name in one.figures else "&ndash;" for one in judgements),
        ]
        for name, title in TITLES.items()
        if name in judgements[0].figures
    ]
    rows.append(["ECE by chance alone", *(number(one.ece_floor) for one in judgements)])
    return table(heads, rows)


def _classes(judgement: Judgement) -> str:
    rows = [
        [escape(one.name), f"{one.n:,}", f"{one.predicted:,}", cell(one.precision), cell(one.recall), cell(one.f1)]
        for one in judgement.classes
    ]
    return table(["class", "n", "predicted", "precision", "recall", "F1"], rows)


def _confidence(judgement: Judgement, drawn: dict[str, str]) -> str:
    rows = [
        [f"{point['coverage']:.0%}", f"{point['accuracy']:.4f}", f"{point['threshold']:.3f}"]
        for point in operating_points(judgement.risk)
    ]
    points = table(["answered", "accuracy", "--abstain-below"], rows)
    both = "".join(f"<figure>{drawn[name]}</figure>" for name in ("reliability", "risk_coverage"))
    return f'<div class="two">{both}</div>{points}'


def _comparisons(report: Report) -> str:
    rows = [
        [
            escape(one.subset or "all rows"), f"{one.gained} / {one.lost}", f"{one.p_value:.2g}",
            *(signed(one.differences[name]) for name in ("accuracy", "macro_f1", "kl")),
        ]
        for one in report.comparisons
    ]  # fmt: skip
    if not rows:
        return ""
    heads = ["this minus the other", "gained / lost", "McNemar p", "accuracy", "macro F1", "KL"]
    below = (
        "Gained: rows that only this model has right; lost: only the other. McNemar's exact test, two-sided; intervals "
        "by the paired bootstrap over rows."
    )
    return section(f"Against {report.comparisons[0].second}", table([escape(head) for head in heads], rows), below)


def _groups(groups: Iterable[GroupFigures]) -> str:
    names = ("accuracy", "balanced_accuracy", "macro_f1", "kl")
    rows = [[escape(one.value), f"{one.n:,}", *(cell(one.figures[name]) for name in names)] for one in groups]
    return table(["group", "n", *(TITLES[name] for name in names)], rows)


def _sources(sources: Sequence[GroupFigures]) -> str:
    return section("The sets apart", _groups(sources), SWAPPED) if sources else ""


def _embedding(rows: Predictions, drawn: dict[str, str]) -> str:
    if rows.features is None:
        return ""
    if "embedding" not in drawn:
        return section("Features", "", "Not drawn: the features are too few, alike in all rows, or no numbers.")
    some = f"{MOST:,} of {len(rows):,} rows" if len(rows) > MOST else "all rows"
    below = f"t-SNE of the features of {some}, coloured by what people said: a look, not a measurement."
    return section("Features", drawn["embedding"], f"{below} Distances mean little.")


def _wall(title: str, shown: Sequence[Shown], below: str) -> str:
    if not shown:
        return ""
    pairs = " pairs" if shown[0].heat is not None else ""
    return section(title, f'<div class="wall{pairs}">{"".join(_shown(one) for one in shown)}</div>', below)


def _shown(one: Shown) -> str:
    text = f"{one.id}: {one.said}; {one.truth}"
    images = f'<img src="{_data(one.picture)}" alt="{escape(text)}">'
    if one.heat is not None:
        images = f'<div class="pair">{images}<img src="{_data(one.heat)}" alt="where the net looked"></div>'
    lines = f"<b>{escape(one.said)}</b><br>{escape(one.truth)}<br><code>{escape(one.id)}</code>"
    return f"<figure>{images}<figcaption>{lines}</figcaption></figure>"


def _data(picture: np.ndarray) -> str:
    image = Image.fromarray(picture)
    if image.width < PICTURE:
        image = image.resize((PICTURE, round(image.height * PICTURE / image.width)), Image.Resampling.BICUBIC)
    image.thumbnail((2 * PICTURE, 2 * PICTURE))
    content = io.BytesIO()
    image.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
