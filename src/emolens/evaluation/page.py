"""A report as one HTML page: light and dark, no script, and nothing is asked of any server (its policy forbids it)."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from string import Template

import numpy as np
from PIL import Image

from emolens.evaluation.curves import operating_points
from emolens.evaluation.expression import Judgement
from emolens.evaluation.groups import SWAPPED, GroupFigures
from emolens.evaluation.metrics import Estimate
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
    "ece_confidence": "calibration error (ECE)",
    "aurc": "risk-coverage area (AURC)",
}
KEY = ("accuracy", "balanced_accuracy", "macro_f1", "kl", "ece_confidence")
PICTURE = 96
"""Smaller pictures are shown this wide at least, so that a face of 48 pixels is not a stamp."""


def report_page(report: Report, drawn: dict[str, str]) -> str:
    """The page of a report; `drawn` has its plots as SVG."""
    first = report.judgements[0]
    table = first.predictions
    about = [f"{first.subset or 'all rows'}, n = {len(table)}", *([f"model {table.sha[:12]}"] if table.sha else [])]
    sections = [
        _key(first),
        _list(report.notes),
        _section("Every figure", _figures(report.judgements)),
        _section("Classes", drawn["classes"] + _classes(first)),
        _section("Confusion", drawn["confusion"], "Rows add up to 100 %; counts below."),
        _section("Confidence, and what abstaining buys", _confidence(first, drawn)),
        _comparisons(report),
        *(_section(f"By {name}", _groups(groups)) for name, groups in report.groups.items()),
        _sources(report.sources),
        _section("Training", drawn["training"]) if "training" in drawn else "",
        _embedding(drawn),
        _wall("Worst errors", report.worst, "Wrong answers given with the most confidence."),
        _wall("Where the net looked", report.looked, "Grad-CAM of what the net said: the picture, and its heat on it."),
    ]
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(report.title),
        about=escape(", ".join(about)),
        content="\n".join(sections),
        version=escape(report.version),
    )


def _section(title: str, content: str, below: str = "") -> str:
    note = f'<p class="faint">{escape(below)}</p>' if below else ""
    return f"<section><h2>{escape(title)}</h2>{content}{note}</section>"


def _key(judgement: Judgement) -> str:
    cells = "".join(
        f"<div><span>{TITLES[name]}</span><b>{_number(figure.value)}</b>"
        f"<span>{_number(figure.low)} to {_number(figure.high)}</span></div>"
        for name in KEY
        if (figure := judgement.figures[name])
    )
    return f'<div class="key">{cells}</div>'


def _list(notes: Sequence[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>' if notes else ""


def _figures(judgements: Sequence[Judgement]) -> str:
    heads = ["", *(f"{one.subset or 'all rows'}<br><small>n = {len(one.predictions)}</small>" for one in judgements)]
    rows = [[title, *(_cell(one.figures[name]) for one in judgements)] for name, title in TITLES.items()]
    rows.append(["ECE by chance alone", *(_number(one.ece_floor) for one in judgements)])
    return _table(heads, rows)


def _classes(judgement: Judgement) -> str:
    rows = [
        [escape(one.name), str(one.n), str(one.predicted), _cell(one.precision), _cell(one.recall), _cell(one.f1)]
        for one in judgement.classes
    ]
    return _table(["class", "n", "predicted", "precision", "recall", "F1"], rows)


def _confidence(judgement: Judgement, drawn: dict[str, str]) -> str:
    rows = [
        [f"{point['coverage']:.0%}", f"{point['accuracy']:.4f}", f"{point['threshold']:.3f}"]
        for point in operating_points(judgement.risk)
    ]
    points = _table(["answered", "accuracy", "--abstain-below"], rows)
    both = "".join(f"<figure>{drawn[name]}</figure>" for name in ("reliability", "risk_coverage"))
    return f'<div class="two">{both}</div>{points}'


def _comparisons(report: Report) -> str:
    rows = [
        [
            escape(one.subset or "all rows"), f"{one.gained} / {one.lost}", f"{one.p_value:.2g}",
            *(_signed(one.differences[name]) for name in ("accuracy", "macro_f1", "kl")),
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
    return _section(f"Against {report.comparisons[0].second}", _table([escape(head) for head in heads], rows), below)


def _groups(groups: Iterable[GroupFigures]) -> str:
    names = ("accuracy", "balanced_accuracy", "macro_f1", "kl")
    rows = [[escape(one.value), str(one.n), *(_cell(one.figures[name]) for name in names)] for one in groups]
    return _table(["group", "n", *(TITLES[name] for name in names)], rows)


def _sources(sources: Sequence[GroupFigures]) -> str:
    return _section("The sets apart", _groups(sources), SWAPPED) if sources else ""


def _embedding(drawn: dict[str, str]) -> str:
    if "embedding" not in drawn:
        return ""
    below = "t-SNE of the features, coloured by what people said: a look, not a measurement; distances mean little."
    return _section("Features", drawn["embedding"], below)


def _wall(title: str, shown: Sequence[Shown], below: str) -> str:
    if not shown:
        return ""
    pairs = " pairs" if shown[0].heat is not None else ""
    return _section(title, f'<div class="wall{pairs}">{"".join(_shown(one) for one in shown)}</div>', below)


def _shown(one: Shown) -> str:
    text = f"{one.said}; {one.truth}"
    images = f'<img src="{_data(one.picture)}" alt="{escape(text)}">'
    if one.heat is not None:
        images = f'<div class="pair">{images}<img src="{_data(one.heat)}" alt="where the net looked"></div>'
    return f"<figure>{images}<figcaption><b>{escape(one.said)}</b><br>{escape(one.truth)}</figcaption></figure>"


def _data(picture: np.ndarray) -> str:
    image = Image.fromarray(picture)
    if image.width < PICTURE:
        image = image.resize((PICTURE, round(image.height * PICTURE / image.width)), Image.Resampling.BICUBIC)
    image.thumbnail((2 * PICTURE, 2 * PICTURE))
    content = io.BytesIO()
    image.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Heads and cells are HTML."""
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(figure: Estimate) -> str:
    if math.isnan(figure.value):
        return "&ndash;"
    return f"{_number(figure.value)} <small>{_number(figure.low)}&ndash;{_number(figure.high)}</small>"


def _signed(figure: Estimate) -> str:
    return f"{figure.value:+.4f} <small>{figure.low:+.4f} &hellip; {figure.high:+.4f}</small>"


def _number(value: float) -> str:
    return "&ndash;" if math.isnan(value) else f"{value:.4f}"
