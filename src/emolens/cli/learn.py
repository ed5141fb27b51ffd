"""`emolens train` and `export`: from data to a model with a card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emolens.cli.printing import progress
from emolens.errors import MissingExtra, OptionError, Stopped

if TYPE_CHECKING:
    from emolens.models.card import ModelCard

DataFolder = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="What 'emolens data prepare' wrote, or the archive itself.")
]


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name from 'emolens recipes'.")],
    data: DataFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder.", show_default="runs/RECIPE-SEED")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=C", help="Change a setting, as optim.lr=0.05. Repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    folds: Annotated[
        int | None, typer.Option(metavar="N", help="Train N times, each with another fold of train and val as val.")
    ] = None,
    legacy: Annotated[bool, typer.Option("--legacy", help="As the recipe's source was, its faults included.")] = False,
    devices: Annotated[int, typer.Option(metavar="N", help="GPUs a node, or processes where there is none.")] = 1,
    nodes: Annotated[int, typer.Option(metavar="N", help="Machines; start the command on each.")] = 1,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="CPU threads; by default all cores.")] = None,
) -> None:
    """Train a recipe into a run folder: checkpoints, metrics and the settings that repeat it."""
    needs_torch()
    import torch

    from emolens.learn.config import changed
    from emolens.learn.devices import Devices
    from emolens.learn.fit import fit
    from emolens.learn.folds import fit_folds
    from emolens.learn.recipes import recipe as known

    if threads:
        torch.set_num_threads(threads)
    chosen = changed(known(recipe, legacy), settings or [])
    run = out or Path("runs") / f"{chosen.name}-{chosen.seed}"
    prepared = _prepared(data, chosen.data.name, chosen.data.chosen)
    where = Devices(devices, nodes)
    try:
        if folds is None:
            lines = [f"trained: {fit(chosen, prepared, run, resume, devices=where)}"]
        else:
            lines = [str(one) for one in fit_folds(chosen, prepared, run, folds, resume, devices=where)]
    except Stopped as stopped:
        if where.place.rank:
            raise typer.Exit(128 + stopped.number) from None
        begun = any(run.glob("**/checkpoints/last.ckpt"))  # of a fold too
        raise Stopped(f"{stopped}, {'go on with --resume' if begun else 'begin again'}", stopped.number) from None
    if where.place.rank == 0:
        typer.echo("\n".join(lines))


def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders; several become one ensemble.")],
    data: DataFolder,
    out: Annotated[Path, typer.Option(metavar="FILE.onnx", help="The model; its card goes beside it.")],
    int8: Annotated[bool, typer.Option("--int8", help="Quantise the convolutions: smaller and faster.")] = False,
    best: Annotated[bool, typer.Option("--best", help="The epoch that was best on val, not the last.")] = False,
    tempered_as: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Take its temperatures, for runs that learnt from val.")
    ] = None,
) -> None:
    """Write runs as one ONNX model with its card: calibrated on val, and held to the net it came from."""
    needs_torch()
    from emolens.evaluation.calibration import at_its_bound
    from emolens.learn.export import export as write
    from emolens.learn.export_evoked import export_evoked
    from emolens.learn.export_group import export_group
    from emolens.learn.export_stimuli import export_stimuli
    from emolens.learn.runs import read_recipe

    if out.suffix != ".onnx":
        raise OptionError(f"--out is {out}, needs a name that ends in .onnx")
    which = "best" if best else "last"
    first = read_recipe(runs[0])
    if int8 and first.task in ("group", "stimuli"):
        raise OptionError(f"--int8 is not for runs of task {first.task}; leave it out")
    prepared = _prepared(data, first.data.name, first.data.chosen)
    if first.task == "evoked":
        card = export_evoked(_only(runs, "evoked"), prepared, out, int8, which)
    elif first.task == "group":
        card = export_group(_only(runs, "group"), prepared, out, which)
    elif first.task == "stimuli":
        return _told_of_maps(export_stimuli(_only(runs, "stimuli"), prepared, out, which), out)
    else:
        card = write(runs, prepared, out, int8, which, tempered_as)
    if card.parity:
        report = card.parity
        speeds = f"; {report.file_speed:,.0f} pictures/s, the net {report.net_speed:,.0f}" if report.file_speed else ""
        typer.echo(
            f"{report.kind}: same top label as the net on {report.top1_agreement:.2%} of {report.n} val pictures, "
            f"largest difference of a probability {report.max_difference:.1e}{speeds}"
        )
    typer.echo(f"temperature {card.temperature} (votes), {card.confidence_temperature} (top label)")
    if at_its_bound(card.temperature) or at_its_bound(card.confidence_temperature):
        typer.echo("emolens: warning: a temperature at its bound: what the net says hardly goes with the labels of val,"
                   " train for longer or with other settings", err=True)  # fmt: skip
    _written(out)
    return None


def _told_of_maps(card: ModelCard, out: Path) -> None:
    if card.parity:
        gap, n = card.parity.max_difference, card.parity.n
        typer.echo(f"float32: largest difference of a map from the net's {gap:.1e} on {n} val pictures")
    typer.echo(f"maps: {', '.join(card.labels)}")
    _written(out)


def _written(out: Path) -> None:
    typer.echo(f"written: {out} ({out.stat().st_size / 1e6:.2f} MB) and {out.with_suffix('.json')}")


def _only(runs: list[Path], task: str) -> Path:
    if len(runs) > 1:
        raise OptionError(f"{len(runs)} runs of task {task}, which are exported one by one; give one")
    return runs[0]


def _prepared(data: Path, name: str, options: Mapping[str, str]) -> Path:
    """What `--data` means: a prepared folder, or an archive, prepared into the cache first, with a progress bar."""
    from emolens.data.given import prepared_folder

    with progress() as told:
        return prepared_folder(data, name, told, **options)


def needs_torch() -> None:
    """Raises `MissingExtra` where what training needs is not installed."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("torch", "lightning")):
        raise MissingExtra("training", "learn")
