"""The wheel study's figures as JSON, plots and a page."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from emolens.errors import OutputError
from emolens.files import replacing
from emolens.learn.studies.heads import Taught

COLUMNS = {
    "kl": "KL, nats",
    "chebyshev": "Chebyshev",
    "clark": "Clark",
    "canberra": "Canberra",
    "cosine": "cosine",
    "intersection": "intersection",
    "accuracy_keyword": "accuracy, keyword",
    "accuracy_top": "accuracy, top class",
}


def write_report(out: Path, about: dict[str, Any], rows: Sequence[dict[str, Any]], taught: Sequence[Taught]) -> Path:
    """Write everything, the page last; return the page. Raises `OutputError` where `out` cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with replacing(out / "results.json") as draft:
            draft.write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n", encoding="utf-8")
        _save(_curves(taught), out / "curves.png")
        _save(_heat_maps(taught, about["classes"]), out / "priors.png")
        _save(_intervals(rows), out / "held_out.png")
        page = out / "index.html"
        with replacing(page) as draft:
            draft.write_text(_page(about, rows), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out}: cannot write the study ({error.strerror}); choose another --out") from None
    return page


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as draft:
        figure.savefig(draft, format="png", dpi=110, bbox_inches="tight")


def _curves(taught: Sequence[Taught]) -> Figure:
    """Held-out KL by epoch, corrected heads on the left, legacy heads on the right."""
    figure = Figure(figsize=(12, 5))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, legacy in zip(axes, (False, True), strict=True):
        arms = [each for each in taught if each.arm.legacy is legacy and _of_the_grid(each)]
        for each in arms:
            style = "--" if each.arm.prior == "trained" else "-"
            label = each.arm.name.rsplit(", ", 1)[0]
            axis.plot(
                np.arange(1, len(each.curve) + 1), each.curve[:, 0], style, color=_colour(each.arm.init), label=label
            )
        axis.set_title("legacy head (ReLU, dropout on the logits)" if legacy else "corrected head")
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    axes[0].set_ylabel("held-out KL, nats")
    return figure


def _of_the_grid(each: Taught) -> bool:
    arm = each.arm
    return arm.on == "logits" and not arm.smoothing and not arm.emd and arm.label > 0


def _colour(init: str) -> str:
    order = ("none", "original", "eye", "rand", "corr", "corr_softmax", "corr_log_softmax")
    return f"C{order.index(init)}"


def _heat_maps(taught: Sequence[Taught], classes: Sequence[str]) -> Figure:
    """The wheel layer before and after it was trained, of each initialisation, corrected head."""
    shown = [each for each in taught if each.arm.prior == "trained" and not each.arm.legacy and _of_the_grid(each)]
    figure = Figure(figsize=(2.6 * len(shown), 5.6))
    axes = figure.subplots(2, len(shown), squeeze=False)
    for column, each in enumerate(shown):
        matrices = (each.before, each.after)
        for row, matrix in enumerate(matrices):
            assert matrix is not None
            _heat(axes[row, column], matrix, classes, f"{each.arm.init}, {'after' if row else 'before'}")
    figure.tight_layout()
    return figure


def _heat(axis: Any, matrix: np.ndarray, classes: Sequence[str], title: str) -> None:
    bound = float(np.abs(matrix).max()) or 1.0
    axis.imshow(matrix, cmap="RdBu_r", vmin=-bound, vmax=bound)
    for (row, column), value in np.ndenumerate(matrix):
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=5,
                  color="white" if abs(value) > 0.6 * bound else "black")  # fmt: skip
    axis.set_xticks(range(len(classes)), classes, rotation=90, fontsize=6)
    axis.set_yticks(range(len(classes)), classes, fontsize=6)
    axis.set_title(title, fontsize=8)


def _intervals(rows: Sequence[dict[str, Any]]) -> Figure:
    """Held-out KL of every row with its interval, best first."""
    ordered = sorted(rows, key=lambda row: -row["figures"]["kl"]["value"])
    figure = Figure(figsize=(9, 0.24 * len(ordered) + 1))
    axis = figure.subplots()
    for at, row in enumerate(ordered):
        kl = row["figures"]["kl"]
        colour = "C3" if "legacy" in row["name"] else ("C0" if "corrected" in row["name"] else "0.4")
        axis.plot([kl["low"], kl["high"]], [at, at], color=colour)
        axis.plot(kl["value"], at, "o", color=colour, markersize=4)
    axis.set_yticks(range(len(ordered)), [row["name"] for row in ordered], fontsize=7)
    axis.set_xlabel(
        "held-out KL, nats, 95 % interval over pictures (red: legacy head, blue: corrected, grey: baseline)"
    )
    axis.grid(alpha=0.3, axis="x")
    return figure


def _page(about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    published = any("as_published" in row for row in rows)
    extra = "<th>as published: accuracy on training pictures<th>as published: KL / classes" if published else ""
    heads = "".join(f"<th>{html.escape(name)}" for name in COLUMNS.values()) + extra
    body = "\n".join(_table_row(row, published) for row in rows)
    facts = ", ".join(f"{key.replace('_', ' ')}: {html.escape(_shown(value))}" for key, value in about.items())
    plots = "".join(f'<p><img src="{name}.png" alt="{name}">' for name in ("held_out", "curves", "priors"))
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>The emotion wheel</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2em}}table{{border-collapse:collapse}}
td,th{{padding:.2em .6em;text-align:right;border-bottom:1px solid #ddd}}td:first-child{{text-align:left}}
img{{max-width:100%}}small{{color:#666}}</style>
<h1>Does the emotion wheel hurt?</h1><p>{facts}.
<p>Every figure is on held-out pictures; brackets are 95 % bootstrap intervals over pictures, &plusmn; the standard
deviation over seeds.
<table><tr><th>{heads}</tr>
{body}
</table>{plots}</html>
"""


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _table_row(row: dict[str, Any], published: bool) -> str:
    cells = [f"<td>{html.escape(row['name'])}"]
    for name in COLUMNS:
        figure = row["figures"][name]
        spread = "" if figure["seed_sd"] is None else f" &plusmn;{figure['seed_sd']:.3f}"
        cells.append(f"<td>{figure['value']:.3f}<small> [{figure['low']:.3f}, {figure['high']:.3f}]{spread}</small>")
    if published:
        scored = row.get("as_published")
        cells += [f"<td>{scored['accuracy']:.1%}", f"<td>{scored['kl_per_class']:.4f}"] if scored else ["<td>", "<td>"]
    return f"<tr>{''.join(cells)}</tr>"
