"""A short report on stimuli maps: figures.json, rows.csv, examples and a page."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from emolens.evaluation.map_pairs import Judged, write_rows
from emolens.evaluation.metrics import Estimate
from emolens.files import replacing_report
from emolens.places import FIGURES

PREDICTORS = {"map": "map", "centre": "centre prior", "mean": "mean of other truths"}
LOWER = ("mae", "mse", "kl")
"""Figures that are better the lower they are."""
SHOWN = 3
"""So many of the best, the middle and the worst pictures are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture, RGB uint8 (H, W, 3), its predicted and its true map, float32 (H, W) each, and what is said of it."""

    picture: np.ndarray
    found: np.ndarray
    truth: np.ndarray
    said: str


def telling(judged: Judged, each: int = SHOWN) -> list[int]:
    """Places of the pictures with the highest, the middle and the lowest correlation, at most `each` of a kind."""
    order = np.argsort(-judged.figures["map"]["cc"], kind="stable")
    middle = max(0, (len(order) - each) // 2)
    chosen = [*order[:each], *order[middle : middle + each], *order[-each:]]
    return [int(at) for at in dict.fromkeys(chosen)]


def write_map_report(judged: Judged, about: dict[str, Any], examples: Sequence[Example], folder: Path) -> Path:
    """Write the folder whole or not at all, in place of a report that was there. Returns its page.

    Raises `OutputError` where `folder` holds something else or cannot be written.
    """
    summary = judged.summary()
    with replacing_report(folder, FIGURES) as draft:
        found = {who: {name: asdict(one) for name, one in figures.items()} for who, figures in summary.items()}
        told = {"about": about, "n": len(judged.names), "figures": found}
        (draft / FIGURES).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        write_rows(judged, draft / "rows.csv")
        figure = examples_plot(examples)
        FigureCanvasAgg(figure)
        figure.savefig(draft / "examples.png", dpi=110, bbox_inches="tight")
        (draft / "index.html").write_text(_page(about, summary, len(judged.names)), encoding="utf-8")
    return folder / "index.html"


def examples_plot(examples: Sequence[Example]) -> Figure:
    """A row each: the picture, the map that was found, the true one."""
    figure = Figure(figsize=(6.6, 2.1 * len(examples)))
    axes = figure.subplots(len(examples), 3, squeeze=False)
    for row, one in zip(axes, examples, strict=True):
        for axis, shown, title in zip(
            row, (one.picture, one.found, one.truth), (one.said, "found", "true"), strict=True
        ):
            axis.imshow(shown, cmap="gray", vmin=0, vmax=1 if shown.ndim == 2 else 255)
            axis.set_title(title, fontsize=8)
            axis.set_axis_off()
    return figure


def _page(about: dict[str, Any], summary: dict[str, dict[str, Estimate]], n: int) -> str:
    heads = "".join(f"<th>{PREDICTORS[who]}" for who in summary)
    lines = "\n".join(
        f"<tr><td>{name} ({'lower' if name in LOWER else 'higher'} is better)"
        + "".join(f"<td>{_cell(found.get(name))}" for found in summary.values())
        for name in summary["map"]
    )
    facts = ", ".join(f"{html.escape(str(key))}: {html.escape(str(value))}" for key, value in about.items())
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Stimuli maps</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2em;max-width:60em}}table{{border-collapse:collapse}}
td,th{{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}}td:first-child,th:first-child{{text-align:left}}
img{{max-width:100%}}</style>
<h1>Stimuli maps</h1><p>{facts}; n = {n} pictures.
<p>Each figure is the mean over pictures at their own size, with its 95 % bootstrap interval over pictures. Beside the
map stands what knows nothing of the picture: a hill in the middle, and the mean of the other pictures' true maps.
<table><tr><th>figure{heads}</tr>
{lines}
</table>
<h2>Examples</h2><p>Best, middle and worst by correlation: the picture, the map that was found, the true one.
<p><img src="examples.png" alt="pictures with found and true maps"></html>
"""


def _cell(figure: Estimate | None) -> str:
    return "" if figure is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
