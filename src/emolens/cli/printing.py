"""What several commands print alike: named fields, tables, JSON, progress."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer


def field(name: str, text: str) -> None:
    """A name and its text, wrapped beside it."""
    import shutil
    import textwrap

    width = max(60, min(100, shutil.get_terminal_size().columns))
    lead = f"  {name:<11} "
    typer.echo(
        textwrap.fill(text, width, initial_indent=lead, subsequent_indent=" " * len(lead), break_long_words=False)
    )


def write_json(target: str, content: Any) -> None:
    """JSON into a file, or to the standard output for `-`; pydantic models become their fields."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=lambda model: model.model_dump())
    if target == "-":
        typer.echo(text)
        return
    from emolens.files import replacing

    with replacing(Path(target)) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], notes: Iterable[str] = ()) -> None:
    """A table whose first column is text and whose others are numbers, with notes below."""
    from rich.table import Table

    from emolens.cli.console import Paper

    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for at, column in enumerate(columns):
        shown.add_column(column, justify="right" if at else "left", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    console = Paper(highlight=False, markup=False)
    console.print(title, style="italic", soft_wrap=True)  # as the table's own title it would break at its width
    console.print(shown)
    for note in notes:
        console.print(note, style="dim")
    console.print()


@contextmanager
def progress(unit: str = "rows") -> Iterator[Callable[..., None]]:
    """A bar where somebody watches; gives what is told how many are done and, where that is known, of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn(f"{{task.completed:,}} {unit}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)
