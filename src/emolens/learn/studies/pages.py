"""What the folders of studies have in common: results.json, plots and a page, the page last."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from emolens.errors import OutputError
from emolens.files import replacing

STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse}
td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}
img{max-width:100%}"""


def write_study(out: Path, results: Mapping[str, Any], plots: Mapping[str, Figure], title: str, body: str) -> Path:
    """Write `results.json`, each plot as PNG and `index.html` with `body`; return the page.

    Raises `OutputError` where `out` cannot be written.
    """
    page = out / "index.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with replacing(out / "results.json") as draft:
            draft.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        for name, figure in plots.items():
            FigureCanvasAgg(figure)
            with replacing(out / f"{name}.png") as draft:
                figure.savefig(draft, format="png", dpi=110, bbox_inches="tight")
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        with replacing(page) as draft:
            draft.write_text(f"{head}\n<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{body}</html>\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{out}: cannot write the study ({error.strerror}); choose another --out") from None
    return page


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all its texts are escaped."""
    lines = ["<tr>" + "".join(f"<{tag}>{html.escape(cell)}" for cell in row) for tag, row in _tagged(heads, rows)]
    return "<table>" + "\n".join(lines) + "</table>"


def _tagged(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return [("th", heads), *(("td", row) for row in rows)]


def heat_map(axis: Any, matrix: np.ndarray, names: Sequence[str], title: str, highest: float | None = None) -> None:
    """A square matrix of values from 0 up, its numbers in its cells."""
    top = highest or float(np.nanmax(matrix)) or 1.0
    axis.imshow(matrix, cmap="Blues", vmin=0, vmax=top)
    for (row, column), value in np.ndenumerate(matrix):
        colour = "white" if value > 0.6 * top else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_title(title, fontsize=9)
