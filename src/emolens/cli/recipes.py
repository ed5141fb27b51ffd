"""`emolens recipes`: what can be trained by name, and every setting that `--set` takes."""

from __future__ import annotations

import inspect
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.printing import field, write_json

if TYPE_CHECKING:
    from emolens.learn.config import Recipe

COLUMNS = ("name", "data", "net", "epochs", "after")


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this one with all its settings.")] = None,
    legacy: Annotated[bool, typer.Option("--legacy", help="As the recipe's source was, its faults included.")] = False,
    json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="The same as JSON; - is standard output.")
    ] = None,
) -> None:
    """Name every recipe of 'emolens train', or show the settings of one."""
    from emolens.errors import OptionError
    from emolens.learn.recipes import RECIPES, recipe

    if name is not None:
        found = _whole(name, recipe(name, legacy), legacy)
        return write_json(json, found) if json else _show(found)
    if legacy:
        raise OptionError("--legacy shows one recipe as its source was; name it")
    listed = [_listed(each, recipe(each)) for each in RECIPES]
    if json:
        return write_json(json, listed)
    for task in dict.fromkeys(one["task"] for one in listed):
        _print(task, [one for one in listed if one["task"] == task])
    typer.echo("All settings of one: emolens recipes NAME. Its data: emolens data list.")
    return None


def _listed(name: str, recipe: Recipe) -> dict[str, Any]:
    from emolens.learn.config import BackboneNet

    net = recipe.net
    return {
        "name": name,
        "task": recipe.task,
        "data": recipe.data.name,
        "net": net.backbone if isinstance(net, BackboneNet) else net.name,
        "epochs": recipe.optim.epochs,
        "source": recipe.source,
    }


def _whole(name: str, recipe: Recipe, variant: bool) -> dict[str, Any]:
    from emolens.learn.config.described import described
    from emolens.learn.recipes import RECIPES, legacies

    about = inspect.getdoc(RECIPES[name]) or ""
    settings = [asdict(one) | {"text": one.text} for one in described(recipe)]
    has = {"legacy": name in legacies(), "variant": variant}  # whether there is one, and whether this is it
    return {**_listed(name, recipe), "about": about, **has, "settings": settings}


def _show(found: dict[str, Any]) -> None:
    typer.secho(found["name"], bold=True)
    for paragraph in found["about"].split("\n\n"):
        field("", " ".join(paragraph.split()))
    field("after", found["source"].removeprefix("after "))
    field("legacy", "--legacy is the source as it was" if found["legacy"] else "no variant with the source's faults")
    typer.echo()
    shown = _table("setting", "value", "what for")
    for one in found["settings"]:
        choices = f"one of {', '.join(one['choices'])}" if one["choices"] else ""
        shown.add_row(one["name"], one["text"], "; ".join(part for part in (choices, one["about"]) if part))
    _console().print(shown)
    variant = " --legacy" if found["variant"] else ""
    typer.echo(f"Change one by: emolens train {found['name']}{variant} --data DIR --set SETTING=VALUE")


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    shown = _table(*COLUMNS)
    for one in rows:
        shown.add_row(one["name"], one["data"], one["net"], str(one["epochs"]), paper(one["source"]))
    console = _console()
    console.print(title, style="italic")
    console.print(shown)
    console.print()


def paper(source: str) -> str:
    """The first paper of a source in brief: `Gong, Wang, Wu 2025, Information Sciences 704` is `Gong et al. 2025`."""
    named = re.match(r"(?:after )?(.*?)\s(\d{4})\b", source)
    if named is None:
        return source
    authors, year = named.groups()
    first, *others = authors.split(", ")
    return f"{first} et al. {year}" if others else f"{authors} {year}"


def _table(*columns: str) -> Any:
    from rich.table import Table

    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for at, column in enumerate(columns):
        shown.add_column(column, no_wrap=at == 0, overflow="fold")
    return shown


def _console() -> Any:
    from emolens.cli.console import Paper

    return Paper(highlight=False, markup=False)
