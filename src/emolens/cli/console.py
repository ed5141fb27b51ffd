"""How results look on a terminal: bars, tables, short lines, the summary. Built on rich; loaded when a command runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from emolens.limits import as_shown
from emolens.records import PhotoResult, Prediction

STYLES = {
    "anger": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "happiness": "#f0e442",
    "sadness": "#3a8ee6",  # the blue of the drawings is too dark on a black terminal
    "surprise": "#56b4e9",
    "neutral": "grey70",
    "contempt": "#e69f00",
    "negative": "#d55e00",
    "positive": "#56b4e9",
}
NOTICE = "Apparent expression, not feeling: what a face shows is not what a person feels."


class _Paper(Console):
    """A console that tells when its reader has left, where rich would leave without a word and with exit code 1."""

    def on_broken_pipe(self) -> None:
        """End as every other output does."""
        raise BrokenPipeError


class Screen:
    """Writes results for people to the standard output, or to the standard error where data takes the output."""

    def __init__(self, to_stderr: bool = False, width: int | None = None, provider: str = "") -> None:
        self.console = _Paper(stderr=to_stderr, highlight=False, width=width, soft_wrap=False)
        plain = not self.console.encoding.lower().startswith("utf")
        self.shades = "#=-." if plain else "█▓▒░"
        self.dot, self.times, self.more = (" - ", " x ", "~") if plain else (" · ", " \N{MULTIPLICATION SIGN} ", "…")
        device = provider.removesuffix("ExecutionProvider")
        self.device = [f"on {device}"] if device not in ("", "CPU") else []  # named where it is not what all have
        self.longest = 0  # characters of the longest source to come, so that lines align
        self.top = 3 if self.console.width >= 96 else 2  # classes named beside a bar

    def photo(self, result: PhotoResult) -> None:
        """One picture in full: a row per face, then the group."""
        self.console.print(self._title(result))
        if not result.ok:
            return
        if result.faces:
            self.console.print(self._table(result))
        self.console.print()

    def line(self, result: PhotoResult) -> None:
        """One picture in one line."""
        self.console.print(self._short(result), no_wrap=True, overflow="ellipsis", crop=True)

    def summary(self, results: Tally) -> None:
        """Counts over many pictures: what was read, faces, what they show, how the groups look."""
        statuses = self.dot.join(f"{n} {_spoken(s)}" for s, n in results.statuses.most_common())
        counted = self.dot.join([_n(results.faces, "face"), statuses, *self.device])
        self.console.print(f"\n[bold]{_n(results.pictures, 'picture')}[/]{self.dot}{counted}")
        counts = {"faces show": results.labels, "groups look": results.groups}
        if any(counts.values()):
            self.console.print(self._counts(counts))

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[], None]]:
        """A progress bar while pictures go by; gives what moves it on by one. Nothing where nobody watches."""
        console = self.console if self.console.is_terminal else Console(stderr=True)
        columns = (TextColumn("{task.completed}/{task.total} pictures"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=total)
            yield lambda: bar.advance(task)

    def notice(self) -> None:
        """What the numbers are not."""
        self.console.print(NOTICE, style="dim")

    def _title(self, result: PhotoResult) -> Text:
        title = Text(as_shown(result.source), style="bold")
        if not result.ok:
            return title.append(f"  {_problem(result)}", style="not bold red")
        details = [f"{result.size[0]}{self.times}{result.size[1]}", _faces(result), result.detector, *self.device]
        return title.append("  " + self.dot.join(details), style="not bold" if result.faces else "not bold yellow")

    def _short(self, result: PhotoResult) -> Text:
        most = max(20, self.console.width * 2 // 5)
        name = as_shown(result.source)  # a file name may hold line ends and commands to the terminal
        name = name if len(name) <= most else f"{self.more}{name[1 - most :]}"
        line = Text(f"{name:<{min(self.longest, most)}}  ")
        if not result.faces:
            problem = "no face found" if result.ok else _problem(result)
            return line.append(problem, style="yellow" if result.ok else "red")
        line.append(_faces(result))
        if result.group and len(result.faces) > 1:
            label = _label(result.group.prediction)
            line.append(f"{self.dot}group ").append(label, style=f"bold {_style(label)}")
        for label, n in Counter(_label(p) for p in result.expressions).most_common():
            line.append(self.dot).append(f"{n} {label}" if len(result.faces) > 1 else label, style=_style(label))
        return line

    def _table(self, result: PhotoResult) -> Table:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column("face", justify="right", style="dim", no_wrap=True, min_width=5)
        table.add_column("shows", no_wrap=True)
        table.add_column("sure", justify="right", no_wrap=True)
        table.add_column("distribution", no_wrap=True)
        table.add_column("entropy", justify="right", style="dim", no_wrap=True)
        for number, prediction in enumerate(result.expressions, start=1):
            self._row(table, str(number), prediction)
        if result.group:
            self._row(table, "group", result.group.prediction)
        return table

    def _row(self, table: Table, name: str, said: Prediction) -> None:
        label = _label(said)
        top = np.argsort(-said.distribution, kind="stable")[: self.top]
        shares = self.dot.join(f"{said.taxonomy.classes[n]} {said.distribution[n]:.0%}" for n in top)
        bar = self._bar(said).append(f"  {shares}")
        sure = f"{said.confidence:.0%}"
        table.add_row(name, Text(label, style=_style(label)), sure, bar, f"{said.entropy:.2f}",
                      style="bold" if name == "group" else "")  # fmt: skip

    def _bar(self, said: Prediction) -> Text:
        """A distribution as one bar of cells, likeliest class first; colour tells the class, shade the rank."""
        cells = max(8, min(24, self.console.width - (80 if self.top == 3 else 65)))
        order = np.argsort(-said.distribution, kind="stable")
        ends = np.rint(np.cumsum(said.distribution[order]) * cells).astype(int)
        bar = Text()
        for rank, (n, length) in enumerate(zip(order, np.diff(ends, prepend=0), strict=True)):
            shade = self.shades[min(rank, len(self.shades) - 1)]
            bar.append(shade * int(length), style=_style(said.taxonomy.classes[n]))
        return bar

    def _counts(self, counts: dict[str, Counter[str]]) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False)
        for column in range(5):
            table.add_column(justify="right" if column in (2, 3) else "left", no_wrap=True)
        for what, labels in counts.items():
            total = sum(labels.values())
            for number, (label, n) in enumerate(labels.most_common()):
                bar = Text(self.shades[0] * max(1, round(24 * n / total)), style=_style(label))
                shown = Text(label, style=_style(label))
                table.add_row(Text("" if number else what, style="dim"), shown, str(n), f"{n / total:.0%}", bar)
        return table


class Tally:
    """Counts over the results of a run, so that none of them is kept."""

    def __init__(self) -> None:
        self.pictures = self.faces = 0
        self.statuses: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.groups: Counter[str] = Counter()

    def add(self, result: PhotoResult) -> None:
        """Count one picture."""
        self.pictures += 1
        self.faces += len(result.faces)
        self.statuses[result.status] += 1
        self.labels.update(_label(p) for p in result.expressions)
        if result.group:
            self.groups[_label(result.group.prediction)] += 1

    @property
    def unread(self) -> dict[str, int]:
        """How many pictures could not be read, by status."""
        return {s: n for s, n in self.statuses.items() if s not in ("ok", "no_face")}


def _label(prediction: Prediction) -> str:
    return "unsure" if prediction.abstained else prediction.label


def _style(label: str) -> str:
    return STYLES.get(label, "dim")


def _faces(result: PhotoResult) -> str:
    return _n(len(result.faces), "face") if result.faces else "no face found"


def _problem(result: PhotoResult) -> str:
    return f"{_spoken(result.status)}: {result.message.removeprefix(f'{as_shown(result.source)}: ')}"


def _n(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _spoken(status: str) -> str:
    return {"ok": "with faces", "no_face": "without a face"}.get(status, status.replace("_", " "))
