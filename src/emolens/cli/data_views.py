"""How `emolens data` shows a data set and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from emolens.cli.printing import field, table

if TYPE_CHECKING:
    from emolens.data.base import DataReader
    from emolens.data.stats import Stats


def official(found: DataReader) -> int | None:
    """How many rows the set has, as published, with its default options; None where nobody says."""
    counts = [count for count in found.official() if not count.label]
    whole = [count.n for count in counts if not count.split]
    return whole[0] if whole else sum(count.n for count in counts) or None


def entry(name: str, found: DataReader) -> dict[str, Any]:
    """A data set as `data list --json` has it."""
    info = found.info
    options = {option.name: {"default": option.default, "allowed": list(option.allowed), "meaning": option.meaning}
               for option in found.options}  # fmt: skip
    return {
        "name": name,
        "title": info.title,
        "task": info.task,
        "n": official(found),
        "taxonomy": info.taxonomy.name if info.taxonomy else None,
        "classes": list(info.taxonomy.classes) if info.taxonomy else None,
        "terms": info.terms,
        "obtain": info.obtain,
        "layout": info.layout,
        "citation": info.citation,
        "options": options,
    }


def show(name: str, found: DataReader) -> None:
    """A data set as `data list` shows it."""
    info, n = found.info, official(found)
    size = f", {n:,} rows" if n else ""
    typer.secho(name, bold=True, nl=False)
    typer.echo(f"  {info.title}: {info.task}{size}")
    field("classes", ", ".join(info.taxonomy.classes) if info.taxonomy else "those of its files")
    field("terms", info.terms)
    field("obtain", info.obtain)
    field("files", info.layout)
    for option in found.options:
        field("option", f"--set {option.name}=...: {option.meaning} ({option.default!s})")
    typer.echo()


def show_stats(found: Stats) -> None:
    """Figures as tables: classes by split, mean distributions, values, the five commonest sizes."""
    splits = list(found.counts)
    totals = {split: sum(found.counts[split].values()) for split in splits}
    labels = list(dict.fromkeys(label for split in splits for label in found.counts[split]))
    rows = [(label, *(_share(found.counts[s].get(label, 0), totals[s]) for s in splits)) for label in labels]
    table("rows by class", ("class", *splits), [*rows, ("all", *(f"{totals[s]:,}" for s in splits))])
    if found.distributions:
        means = [(c, *(f"{d[k]:.3f}" for d in found.distributions.values())) for k, c in enumerate(found.classes)]
        table("mean distribution", ("class", *found.distributions), means)
    values = [(name, split, f"{v.n:,}", f"{v.mean:.3f}", f"{v.sd:.3f}")
              for split, spreads in found.values.items() for name, v in spreads.items()]  # fmt: skip
    if values:
        table("values", ("value", "split", "n", "mean", "sd"), values)
    sizes = [(f"{w} x {h}", f"{n:,}") for (w, h), n in list(found.sizes.items())[:5]]
    more = len(found.sizes) - len(sizes)
    table("sizes", ("pixels", "pictures"), sizes, [f"and {more:,} other sizes"] if more > 0 else ())


def _share(n: int, total: int) -> str:
    return f"{n:,} ({n / total:.1%})"
