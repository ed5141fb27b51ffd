"""How a watched video looks on a terminal: progress with frames a second, then a line for each person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from emolens.cli.console import STYLES, Screen
from emolens.pictures.limits import as_shown
from emolens.pictures.sources import source_name
from emolens.watching.lanes import Course, Lane
from emolens.watching.overlay import clock
from emolens.watching.summary import Summary

if TYPE_CHECKING:
    from emolens.records import FrameResult
    from emolens.video import VideoReader

PEOPLE = 20
"""So many people have a line: those seen longest."""


class VideoScreen:
    """Writes for people to the standard output; nothing at all when `quiet`."""

    def __init__(self, quiet: bool = False) -> None:
        self._screen = None if quiet else Screen()
        self._shown = False

    @contextmanager
    def progress(self, reader: VideoReader) -> Iterator[Callable[[FrameResult], None]]:
        """A bar while frames go by; gives what tells it of one. Nothing where nobody watches."""
        console = self._screen.console if self._screen else None
        if console is None or not console.is_terminal:
            yield lambda result: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
        rest = () if reader.live else (TimeRemainingColumn(),)
        with Progress(*columns, *rest, console=console, transient=True) as bar:
            task = bar.add_task("", total=reader.count, speed="")
            started, taken = monotonic(), 0

            def step(result: FrameResult) -> None:
                nonlocal taken
                taken += 1
                speed = f"{taken / max(1e-3, monotonic() - started):.1f} frames/s"
                said = f"{clock(result.time_s, False)}  frame {result.frame + 1:,}"
                bar.update(task, completed=result.frame + 1, description=said, speed=speed)

            yield step

    def summary(self, summary: Summary, folder: Path | None, written: list[str]) -> None:
        """Everyone and the group, and what was written."""
        if self._screen is None or not summary.frames:
            return
        from emolens.watching.timeline import DOT, headline

        console, dot = self._screen.console, self._screen.dot
        title = Text(as_shown(summary.source), style="bold")
        said = dot.join(part for part in (*headline(summary).split(DOT), summary.detector) if part)
        missed = summary.detector and not summary.faces
        console.print(title.append(f"  {said}", style="yellow" if missed else "not bold"))
        table = self._table(summary)
        if table.row_count:
            console.print(table)
        if folder:
            console.print(Text(f"written to {source_name(folder)}: {', '.join(written)}", style="dim"))
        console.print()
        self._shown = bool(summary.faces) or self._shown

    def notice(self) -> None:
        """What the numbers are not."""
        if self._screen and self._shown:
            self._screen.notice()

    def _table(self, summary: Summary) -> Table:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column("person", justify="right", style="dim", no_wrap=True, min_width=6)
        table.add_column("seen", no_wrap=True)
        table.add_column("for", justify="right", no_wrap=True)
        table.add_column("shares of that time", no_wrap=True)
        table.add_column("changes", justify="right", no_wrap=True)
        from emolens.watching.timeline import strips

        found = strips(summary, PEOPLE)
        for strip in found:
            name = strip.title.removeprefix("person ")
            self._row(table, name, strip.lane, strip.course, style="" if strip.kind == "faces" else "bold")
        more = len(summary.people()) - sum(strip.kind == "faces" for strip in found)
        if more > 0:
            table.caption = f"and {more} more, seen more briefly"
        return table

    def _row(self, table: Table, name: str, lane: Lane, taken: Course, style: str = "") -> None:
        seen = f"{clock(lane.first_s)}-{clock(lane.last_s)}"
        table.add_row(name, seen, clock(lane.duration), self._shares(lane), str(len(taken.changes)), style=style)

    def _shares(self, lane: Lane) -> Text:
        """The shares of time as one bar of cells, and the largest in words."""
        assert self._screen is not None
        cells = max(8, min(24, self._screen.console.width - 72))
        shares = lane.shares()
        bar, done, total = Text(), 0, 0.0
        for rank, (label, share) in enumerate(shares):
            total += share
            shade = self._screen.shades[min(rank, len(self._screen.shades) - 1)]
            bar.append(shade * (round(total * cells) - done), style=STYLES.get(label, "dim"))
            done = round(total * cells)
        words = self._screen.dot.join(f"{label} {share:.0%}" for label, share in shares[: self._screen.top])
        return bar.append(f"  {words}")
