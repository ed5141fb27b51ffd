"""`emolens models`: what is known by name, under which terms, and how it gets here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.leaving import USAGE, fail
from emolens.cli.printing import field, progress, write_json
from emolens.errors import EmolensError

if TYPE_CHECKING:
    from emolens.models.card import ModelCard
    from emolens.models.catalogue import Entry

app = typer.Typer(
    help="List, show and fetch models, with the licences of code, data and weights.", no_args_is_help=False
)

Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON instead; - is standard output.")]
Commercial = Annotated[
    bool, typer.Option("--commercial-only", help="Leave out models whose data terms forbid commercial use.")
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_models(commercial_only: Commercial = False, json: Json = None) -> None:
    """Name every known model, whether it is on this machine, and its licences."""
    from emolens.models.catalogue import entries, is_here

    found = entries(commercial_only=commercial_only)
    if json:
        return write_json(json, [{**asdict(e), "size": e.size, "here": is_here(e)} for e in found])
    for entry in found:
        _show_entry(entry)
    if not found:
        typer.echo("no model fits")
    return None


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name from the list, or an ONNX file.")],
    json: Json = None,
) -> None:
    """Show one model: where it comes from, its terms, and the card with its metrics and limits."""
    from emolens.models.catalogue import ASSETS, entry
    from emolens.models.classifier import read_card

    known: Entry | None = None
    card: ModelCard | None
    if Path(name).suffix == ".onnx":
        if not Path(name).is_file():
            fail(f"{name}: no such file; give a model file or a name from 'emolens models list'")
        card = read_card(Path(name))
    else:
        known = entry(name)
        card = read_card(ASSETS / known.files[0].name) if known.source == "shipped" else None
    if json:
        return write_json(
            json, {"entry": asdict(known) if known else None, "card": card.model_dump() if card else None}
        )
    if known:
        _show_entry(known, files=True)
    if card:
        _show_card(card)
    return None


@app.command("fetch")
def fetch_model(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A name from the list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all that are not here.")] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Into this folder, not the cache; with --all a copy of every model."),
    ] = None,
) -> None:
    """Bring weights to this machine; every byte is checked against the pinned sha256.

    With --all a model that cannot be fetched does not hold up the others; the exit code is then 2.
    """
    from emolens.models.catalogue import entries, entry
    from emolens.models.fetch import fetch

    if (name is None) != everything:
        fail("name one model, or give --all; 'emolens models list' shows the names")
    failed = 0
    for each in entries() if name is None else [entry(name)]:
        try:
            with progress("bytes") as step:
                place = fetch(each, to, progress=step)
            typer.echo(f"{each.name}: {place}")
        except EmolensError as error:
            failed += 1
            typer.echo(f"emolens: {error}", err=True)
    if failed:
        raise typer.Exit(USAGE)


@app.command("trace")
def trace_model(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX model of task evoked, with its card.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write to this file; by default in its place.")
    ] = None,
) -> None:
    """Let a model of what pictures evoke tell what in them does: an output `evidence` in its graph.

    Its other answers stay as they are, to the bit. `emolens export` does the same for new models.
    """
    from emolens.models.evidence import add_evidence

    if not model.is_file():
        fail(f"{model}: no such model file; 'emolens models list' shows what is here")
    place = out or model
    if place.suffix != ".onnx":
        fail(f"--out is {place}; a model goes into a file that ends in .onnx, its card beside it; name one")
    card = add_evidence(model, place)
    typer.echo(f"{card.name}: {place} ({place.stat().st_size / 1e6:.2f} MB) gives maps now")


def _show_entry(entry: Entry, files: bool = False) -> None:
    from emolens.models.catalogue import is_here

    place = {"shipped": "ships with emolens", "dependency": "comes with a dependency", "fetch": "to be fetched"}
    here = "here" if is_here(entry) else f"not here: emolens models fetch {entry.name}"
    typer.secho(entry.name, bold=True, nl=False)
    typer.echo(f"  {entry.task}, {entry.size / 1e6:.1f} MB, {place[entry.source]}, {here}")
    field("what", entry.summary)
    field("version", entry.version)
    _terms(entry.licences)
    if files:
        for file in entry.files:
            field("sha256", f"{file.sha256}  {file.name}")
        for url in entry.urls:
            field("from", url)
    typer.echo()


def _terms(licences: Any) -> None:
    field("code", licences.code)
    field("data", licences.data)
    field("weights", licences.weights)
    field(
        "commercial", "allowed by its data terms" if licences.commercial else "its data terms forbid it or are silent"
    )


def _show_card(card: ModelCard) -> None:
    typer.secho(f"card of {card.name} {card.version}", bold=True)
    field("what", card.summary)
    field("labels", ", ".join(card.labels))
    whole = f", whole pictures {card.picture}" if card.picture else ""
    field("input", f"{card.colour}, {card.size} x {card.size} px{whole}")
    field("data", card.training_data)
    field("training", card.training)
    for metric in card.metrics:
        span = "" if metric.low is None or metric.high is None else f"  [{metric.low:.3g}, {metric.high:.3g}]"
        field(metric.name, f"{metric.value:.4g}{span}  n = {metric.n:,}, {metric.subset}")
    field("limits", card.limits or "none stated")
    _terms(card.licences)
    field("sha256", card.sha256 or "not stated")
