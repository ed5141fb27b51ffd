"""`emolens study`: an old claim re-examined, from data to a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emolens.cli.evaluate import needs_statistics
from emolens.cli.printing import progress

JUDGED = "group_ensemble"
"""The study that trains nothing: it judges outputs that were published, and needs no torch."""


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For example emotion_wheel or group_ensemble.")],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Emotion6, FER2013, EmotionROI or group outputs, as the study needs.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures, plots and page go.")],
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Repetitions, for the spread over seeds.")] = 3,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="Of the nets that a study trains.")] = 20,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Also score as the source did: training pictures, KL / classes.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Of the recipe of stimuli_condition, as net.size=96. Repeatable."),
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="CPU threads; by default all cores.")] = None,
) -> None:
    """Repeat a study: results.json, plots and a page in --out."""
    if name == JUDGED:
        _judge(data, out)
        return
    from emolens.cli.learn import needs_torch

    needs_torch()
    import torch

    from emolens.data.given import prepared_folder
    from emolens.learn.studies import Effort
    from emolens.learn.studies import study as known

    if threads:
        torch.set_num_threads(threads)
    chosen = known(name)
    with progress() as told:
        prepared = prepared_folder(data, chosen.data, told)
    effort = Effort(seeds, epochs, as_published, tuple(settings or ()))
    typer.echo(f"written: {chosen.run(prepared, out, effort, lambda line: typer.echo(line, err=True))}")


def _judge(data: Path, out: Path) -> None:
    needs_statistics(f"emolens study {JUDGED}")
    from emolens.evaluation.group_study import run

    typer.echo(f"written: {run(data, out, lambda line: typer.echo(line, err=True))}")
