"""`emolens compare-maps`: stimuli maps beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emolens.errors import OptionError

if TYPE_CHECKING:
    from rich.table import Table

    from emolens.evaluation.map_pairs import Judged
    from emolens.evaluation.metrics import Estimate

BETTER = {"mae": "lower", "mse": "lower", "kl": "lower"}


def compare_maps(
    predicted: Annotated[Path, typer.Argument(metavar="PRED", help="A map, or a folder of maps.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="The true map, or a folder with the same names.")],
    out: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the figures of each picture too.")
    ] = None,
) -> None:
    """Compare stimuli maps with true ones: grey pictures of 8 or 16 bits, or .npy files with weights in [0, 1].

    Beside each figure stands what knows nothing of the picture: a hill in the middle, and the mean of the other truths.
    """
    from emolens.cli.console import Paper
    from emolens.evaluation.map_pairs import judge_maps, write_rows
    from emolens.maps import SUFFIXES

    if out is not None and out.suffix.lower() in SUFFIXES:
        raise OptionError(f"--csv is {out}, which may be a map; name a new file, such as figures.csv")
    judged = judge_maps(predicted, truth)
    Paper().print(maps_table(judged))
    if out is not None:
        write_rows(judged, out)
        typer.echo(f"written: {out} ({len(judged.names):,} {_maps(len(judged.names))})")


def maps_table(judged: Judged) -> Table:
    """Every figure beside those of what knows nothing of the picture."""
    from rich.table import Table

    from emolens.evaluation.maps import METRICS

    n = len(judged.names)
    summary = judged.summary()
    table = Table("figure", "better", *_headings(summary), title=f"{n:,} {_maps(n)}", header_style="bold")
    for metric in METRICS:
        table.add_row(
            metric, BETTER.get(metric, "higher"), *(_shown(found.get(metric), n) for found in summary.values())
        )
    return table


def _maps(count: int) -> str:
    return "map" if count == 1 else "maps"


def _headings(summary: Mapping[str, object]) -> list[str]:
    told = {"map": "map", "centre": "centre prior", "mean": "mean of other truths"}
    return [told[name] for name in summary]


def _shown(figure: Estimate | None, n: int) -> str:
    if figure is None:
        return "-"
    spread = "" if n == 1 else f"\n[{figure.low:.3f}, {figure.high:.3f}]"
    return f"{figure.value:.3f}" + (f" n={figure.n}" if figure.n != n else "") + spread
