"""How key frames were chosen, drawn by matplotlib: the difference of frames, smoothed, and what was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emolens.errors import MissingExtra
from emolens.files import replacing
from emolens.preparing.frames import Chosen


def can_plot() -> bool:
    """Whether matplotlib is here."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def save_plot(chosen: Chosen, title: str, path: Path) -> None:
    """Draw and write an SVG: a PNG among the frames would be taken for one of them.

    Raises `MissingExtra` without matplotlib, `OutputError`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("the plot of key frames", "evaluate") from None
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    _draw(figure.subplots(), chosen, title)
    with replacing(path) as draft:
        figure.savefig(draft, format="svg", metadata={"Date": None})


def _draw(axes: Any, chosen: Chosen, title: str) -> None:
    taken = np.array(sorted(chosen.numbers), int)
    taken = taken[taken < len(chosen.times)]
    axes.plot(chosen.times, chosen.values, color="#b8bac0", linewidth=0.8, label="difference to the frame before (LUV)")
    axes.plot(chosen.times, chosen.curve, color="#2f6fdb", linewidth=1.6, label="smoothed")
    axes.plot(chosen.times[taken], chosen.curve[taken], "o", color="#d1590f", label=f"taken: {len(taken)}")
    # A cut is many times as large as all else and would press the curve flat.
    top = float(max(chosen.curve.max(initial=0) * 1.6, np.quantile(chosen.values, 0.98)))
    axes.set(xlabel="time (s)", ylabel="mean change of a pixel", title=title, ylim=(0, top or 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper right")
