"""The plots of a report. Each function gives a matplotlib figure; none touches pyplot or any global state.

Colours are four names that `on_page` turns into those of the page, so that one drawing serves light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from emolens.drawing.photo import COLOURS
from emolens.evaluation.classes import ClassFigures
from emolens.evaluation.curves import Reliability, RiskCoverage
from emolens.evaluation.metrics import share_estimate
from emolens.evaluation.training import Curves

INK, FAINT, ACCENT, SECOND, PAPER = "#1b1c1e", "#8b8d91", "#2f6fdb", "#d1590f", "#fefefd"
ON_PAGE = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
    PAPER: "var(--on-accent)",
}
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


Drawn = TypeVar("Drawn", bound=Callable[..., Figure])


def _styled(draw: Drawn) -> Drawn:
    """A function that draws in the style of all: it is asked for when axes are made, and again when a legend is."""

    @wraps(draw)
    def styled(*arguments: Any, **options: Any) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*arguments, **options)

    return cast(Drawn, styled)


@_styled
def confusion_plot(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """A confusion matrix (K, K): the share of each row as depth of colour and in percent, its counts below."""
    figure, axes = _new(1.2 + 0.78 * len(names), 0.9 + 0.58 * len(names))
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / totals
    for row, column in np.ndindex(*counts.shape):
        share = float(shares[row, column])
        cell = mpl.patches.Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=to_rgba(ACCENT, share), lw=0)
        axes.add_patch(cell)
        text = {"ha": "center", "va": "center", "color": PAPER if share > 0.6 else INK}
        axes.text(column, row - 0.12, _percent(share), fontsize=10, **text)
        axes.text(column, row + 0.24, f"{counts[row, column]:,}", fontsize=7, alpha=0.85, **text)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), [f"{n}  ({t:,})" for n, t in zip(names, counts.sum(axis=1), strict=True)])
    axes.set(xlabel="the model said", ylabel="people said (n)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _percent(share: float) -> str:
    """A share of a row; nothing for none, and some is never 0 %."""
    return "" if share == 0 else "<1%" if share < 0.005 else f"{share:.0%}"


@_styled
def classes_plot(classes: Sequence[ClassFigures]) -> Figure:
    """Precision and recall of every class that occurs, with their intervals."""
    shown = [one for one in classes if one.n or one.predicted]
    figure, axes = _new(7.2, 0.9 + 0.5 * len(shown))
    for name, colour, marker, shift in (("recall", ACCENT, "o", -0.14), ("precision", SECOND, "s", 0.14)):
        found = [getattr(one, name) for one in shown]
        at = np.arange(len(shown)) + shift
        axes.hlines(at, [f.low for f in found], [f.high for f in found], color=colour, lw=2)
        axes.plot([f.value for f in found], at, marker, color=colour, ms=6, label=name)
    axes.set_yticks(range(len(shown)), [f"{one.name}  (n = {one.n:,})" for one in shown])
    axes.set(xlim=(-0.02, 1.02), ylim=(len(shown) - 0.5, -0.6), xlabel="share, and its 95 % interval")
    axes.grid(axis="x", color=FAINT, alpha=0.25)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


@_styled
def reliability_plot(found: Reliability, title: str) -> Figure:
    """How often the model was right against how sure it said it was, and how many rows lie where."""
    figure, (top, bottom) = _new(4.6, 4.8, rows=2, ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=FAINT, ls="--", lw=1)
    pairs = zip(found.accuracy.tolist(), found.n.tolist(), strict=True)
    shares = [share_estimate(round(accuracy * n), n) for accuracy, n in pairs]
    bars = [[one.value - one.low for one in shares], [one.high - one.value for one in shares]]
    top.errorbar(found.confidence, found.accuracy, bars, fmt="o-", color=ACCENT, lw=1.5, ms=5, elinewidth=1)
    top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that was right", title=title)
    bottom.bar(found.confidence, found.n, width=0.045, color=ACCENT, alpha=0.7)
    bottom.set(xlim=(0, 1), ylabel="rows", xlabel="stated confidence")
    return figure


@_styled
def risk_plot(curves: Sequence[tuple[str, RiskCoverage]]) -> Figure:
    """Error against the share of rows that is answered, the surest first; one line a model."""
    figure, axes = _new(5.6, 4.2)
    for (name, curve), colour in zip(curves, (ACCENT, SECOND), strict=False):
        kept = np.unique(np.linspace(0, len(curve.risk) - 1, 400).astype(int))
        label = f"AURC {curve.area:.4f}: {name}".replace("$", r"\$")  # a dollar would begin a formula
        axes.plot(curve.coverage[kept], curve.risk[kept], color=colour, lw=2, label=label)
        axes.axhline(curve.risk[-1], color=colour, lw=0.8, ls=":")
    highest = max(float(curve.risk.max()) for _, curve in curves)
    axes.set(
        xlim=(0, 1),
        ylim=(0, max(1.25 * highest, 0.01)),
        xlabel="share answered, the surest first",
        ylabel="error among them",
    )
    axes.grid(color=FAINT, alpha=0.25)
    axes.legend(loc="upper left")
    return figure


@_styled
def training_plot(curves: Curves) -> Figure:
    """Losses and divergences on the left, shares on the right, by epoch."""
    figure, axes = _new(8.0, 3.4, columns=2)
    for one, names, what in zip(axes, curves.by_kind(), ("loss", "share"), strict=True):
        for name, colour, dash in zip(names, (ACCENT, SECOND, FAINT, INK), ("-", "-", "--", ":"), strict=False):
            epochs, values = curves.lines[name]
            one.plot(epochs, values, color=colour, ls=dash, lw=1.8, marker="o" if len(epochs) < 3 else "", label=name)
        one.set(xlabel="epoch", ylabel=what)
        one.grid(color=FAINT, alpha=0.25)
        if names:
            one.legend()
    return figure


@_styled
def embedding_plot(places: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> Figure:
    """Features on a plane, (N, 2), coloured by what people said."""
    figure, axes = _new(6.4, 5.4)
    for k, name in enumerate(names):
        rows = truth == k
        colour = np.array(COLOURS.get(name, (128, 128, 128))) / 255
        axes.scatter(
            *places[rows].T, s=9, color=colour, lw=0, alpha=0.8, label=f"{name} ({rows.sum():,})", rasterized=True
        )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2.5)
    return figure


def saved(figure: Figure, kind: str) -> bytes:
    """The figure as `png` or `svg`, on white."""
    content = io.BytesIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": "emolens"}):
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, dpi=160, facecolor="white", metadata=metadata)
    return content.getvalue()


def on_page(figure: Figure, name: str) -> str:
    """The figure as SVG inside a page: without ground, in the page's colours and font; ids are those of `name`."""
    content = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(content, format="svg", dpi=160, transparent=True, metadata={"Date": None, "Creator": None})
    svg = content.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL
    )  # its style is of the whole page
    svg = re.sub(r' id="[A-Za-z0-9.]+_[0-9]+"', "", svg)  # of groups that nothing refers to, alike in every plot
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit", svg)
    svg = re.sub(r'width="([0-9.]+)pt" height="[0-9.]+pt"', _as_wide_as_drawn, svg, count=1)
    svg = svg.replace('role="img"', f'role="img" aria-label="plot: {name.replace("_", " ")}"', 1)
    for colour, css in ON_PAGE.items():
        svg = svg.replace(colour, css)
    return svg


def _as_wide_as_drawn(found: re.Match[str]) -> str:
    return f'style="width:100%;max-width:{float(found[1]) * 4 / 3:.0f}px" role="img"'  # a point is 4/3 px


def _new(
    width: float, height: float, rows: int = 1, columns: int = 1, ratios: tuple[int, ...] | None = None
) -> tuple[Figure, Any]:
    """A figure and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, height_ratios=ratios, sharex="col" if rows > 1 else False)
