"""How results look on a terminal: bars, tables, short lines, the summary. Built on rich; loaded when a command runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

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
TOP = 3


class Screen:
    """Writes results for people to the standard output, or to the standard error where data takes the output."""

    def __init__(self, to_stderr: bool = False, width: int | None = None) -> None:
        self.console = Console(stderr=to_stderr, highlight=False, width=width, soft_wrap=False)
        plain = not self.console.encoding.lower().startswith("utf")
        self.shades = "#=-." if plain else "█▓▒░"
        self.dot, self.times = (" - ", " x ") if plain else (" · ", " \N{MULTIPLICATION SIGN} ")

    def photo(self, result: PhotoResult) -> None:
        """One picture in full: a row per face, then the group."""
        self.console.print(self._title(result))
        if not result.ok:
            return
        if result.expressions:
            self.console.print(self._faces(result.expressions))
        elif result.faces:
            for number, face in enumerate(result.faces, start=1):
                box = ", ".join(f"{v:.0f}" for v in face.box)
                self.console.print(f"  {number:>3}  box {box}   score {face.score:.2f}", style="dim")
        if result.group:
            self.console.print(self._group(result.group.prediction))
        self.console.print()

    def line(self, result: PhotoResult) -> None:
        """One picture in one line."""
        self.console.print(self._title(result, short=True), no_wrap=True, overflow="ellipsis", crop=True)

    def summary(self, results: Tally) -> None:
        """Counts over many pictures: what was read, faces, what they show, how the groups look."""
        statuses = self.dot.join(f"{n} {_spoken(s)}" for s, n in results.statuses.most_common())
        self.console.print(
            f"\n[bold]{_n(results.pictures, 'picture')}[/]{self.dot}{_n(results.faces, 'face')}{self.dot}{statuses}"
        )
        for what, counts in (("faces show", results.labels), ("groups look", results.groups)):
            if counts:
                self.console.print(self._counts(what, counts))

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

    def _title(self, result: PhotoResult, short: bool = False) -> Text:
        title = Text(result.source, style="bold", overflow="ellipsis", no_wrap=short)
        if not result.ok:
            problem = result.message.removeprefix(f"{result.source}: ")
            return title.append(f"  {_spoken(result.status)}: {problem}", style="not bold red")
        faces = _n(len(result.faces), "face") if result.faces else "no face found"
        details = [] if short else [f"{result.size[0]}{self.times}{result.size[1]}"]
        title.append("  " + self.dot.join([*details, faces]), style="not bold" if result.faces else "not bold yellow")
        if not short:
            title.append(f"{self.dot}{result.detector}", style="not bold dim")
        for counts in [Counter(_label(p) for p in result.expressions)] if short else []:
            for label, n in counts.most_common():
                title.append(f"{self.dot}{n} {label}", style=f"not bold {STYLES.get(label, 'dim')}")
        if short and result.group:
            label = _label(result.group.prediction)
            title.append(f"{self.dot}group ", style="not bold")
            title.append(label, style=f"not bold {STYLES.get(label, 'dim')}")
        return title

    def _faces(self, expressions: Sequence[Prediction]) -> Table:
        table = Table(box=None, padding=(0, 1), pad_edge=True, header_style="dim", show_edge=False)
        table.add_column("#", justify="right", style="dim")
        table.add_column("shows", no_wrap=True)
        table.add_column("sure", justify="right", no_wrap=True)
        table.add_column("distribution, the three likeliest", no_wrap=True)
        table.add_column("entropy", justify="right", style="dim", no_wrap=True)
        for number, prediction in enumerate(expressions, start=1):
            label = _label(prediction)
            table.add_row(
                str(number),
                Text(label, style=STYLES.get(label, "dim")),
                f"{prediction.confidence:.0%}",
                self._bar(prediction).append("  ").append(_likeliest(prediction, self.dot)),
                f"{prediction.entropy:.2f}",
            )
        return table

    def _group(self, said: Prediction) -> Text:
        label = _label(said)
        line = Text("  group looks ", style="bold").append(label, style=f"bold {STYLES.get(label, 'dim')}")
        line.append(f" {said.confidence:.0%}  ", style="not bold").append(self._bar(said, in_order=True)).append("  ")
        shares = zip(said.taxonomy.classes, said.distribution.tolist(), strict=True)
        return line.append(self.dot.join(f"{name} {share:.0%}" for name, share in shares), style="not bold")

    def _bar(self, said: Prediction, in_order: bool = False) -> Text:
        """A distribution as one bar of cells, likeliest class first, its colour and shade by rank."""
        cells = max(8, min(24, self.console.width - 66))
        ranks = np.argsort(-said.distribution, kind="stable")
        order = range(len(ranks)) if in_order else ranks
        ends = np.rint(np.cumsum([said.distribution[n] for n in order]) * cells).astype(int)
        bar = Text()
        for n, length in zip(order, np.diff(ends, prepend=0), strict=True):
            shade = self.shades[min(int(np.flatnonzero(ranks == n)[0]), len(self.shades) - 1)]
            bar.append(shade * int(length), style=STYLES.get(said.taxonomy.classes[n], "dim"))
        return bar

    def _counts(self, what: str, counts: Counter[str]) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False, title=None)
        total, most = sum(counts.values()), max(counts.values())
        for number, (label, n) in enumerate(counts.most_common()):
            style = STYLES.get(label, "dim")
            bar = Text(self.shades[0] * max(1, round(24 * n / most)), style=style)
            table.add_row(
                Text(what if number == 0 else "", style="dim"),
                Text(label, style=style),
                str(n),
                f"{n / total:.0%}",
                bar,
            )
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


def _likeliest(said: Prediction, dot: str) -> str:
    top = np.argsort(-said.distribution, kind="stable")[:TOP]
    return dot.join(f"{said.taxonomy.classes[n]} {said.distribution[n]:.0%}" for n in top)


def _n(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _spoken(status: str) -> str:
    return {"ok": "with faces", "no_face": "without a face"}.get(status, status.replace("_", " "))
