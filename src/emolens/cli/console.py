"""How results look on a terminal: bars, tables, short lines, the summary. Built on rich; loaded when a command runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from emolens.cli.tally import Tally, spoken_label
from emolens.pictures.limits import as_shown
from emolens.records import PhotoResult, Prediction, StimuliMap

if TYPE_CHECKING:
    from emolens.models.card import ModelCard

STYLES = {
    "anger": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "happiness": "#f0e442",
    "sadness": "#3a8ee6",  # the blue of the drawings is too dark on a black terminal
    "surprise": "#56b4e9",
    "neutral": "grey70",
    "contempt": "#e69f00",
    # The four of Mikels' wheel that no face shows.
    "amusement": "#f0e442",
    "awe": "#56b4e9",
    "contentment": "#b2df8a",
    "excitement": "#e69f00",
    "negative": "#d55e00",
    "positive": "#56b4e9",
}
NOTICE = "Apparent expression, not feeling: what a face shows is not what a person feels."
EVOKES_NOTICE = "Evoked in viewers, on average over many; not felt by those in the picture."


class Paper(Console):
    """A console that tells when its reader has left, where rich would leave without a word and with exit code 1."""

    def on_broken_pipe(self) -> None:
        """End as every other output does."""
        raise BrokenPipeError


class Screen:
    """Writes results for people to the standard output, or to the standard error where data takes the output."""

    def __init__(
        self, to_stderr: bool = False, width: int | None = None, provider: str = "", cards: Sequence[ModelCard] = ()
    ) -> None:
        self._cards = cards  # of the models that answer
        self.console = Paper(stderr=to_stderr, highlight=False, width=width, soft_wrap=False)
        plain = not self.console.encoding.lower().startswith("utf")
        self.shades = "#=-." if plain else "█▓▒░"
        self.dot, self.times, self.more = (" - ", " x ", "~") if plain else (" · ", " \N{MULTIPLICATION SIGN} ", "…")
        device = provider.removesuffix("ExecutionProvider")
        self.device = [f"on {device}"] if device not in ("", "CPU") else []  # named where it is not what all have
        self.longest = 0  # characters of the longest source to come, so that lines align
        self.top = 3 if self.console.width >= 96 else 2  # classes named beside a bar

    def terms(self) -> None:
        """The terms of the data behind what pictures evoke, where they bind whoever uses the answers."""
        for card in self._cards:
            if card.task in ("evoked", "stimuli") and not card.licences.commercial:
                self.console.print(Text(f"{card.name} learnt from {card.licences.data}", style="dim"))

    def photo(self, result: PhotoResult) -> None:
        """One picture in full: a row per face, then the group, then what the picture evokes."""
        self.console.print(self._title(result))
        if not result.ok:
            return
        if result.faces or result.evoked:
            self.console.print(self._table(result))
        if result.stimuli:
            self.console.print(Text(f"  {self.dot.join(_map_told(result, result.stimuli))}", style="dim"))
        self.console.print()

    def beside_truth(self, figures: str) -> None:
        """How near the map above is to the true one."""
        self.console.print(Text(f"  beside the truth: {figures}"))

    def line(self, result: PhotoResult) -> None:
        """One picture in one line."""
        self.console.print(self._short(result), no_wrap=True, overflow="ellipsis", crop=True)

    def summary(self, results: Tally) -> None:
        """Counts over many pictures: what was read, faces, what they show, how the groups look."""
        read = "with faces" if results.looked else "read"
        statuses = self.dot.join(f"{n} {read if s == 'ok' else _spoken(s)}" for s, n in results.statuses.most_common())
        faces = [_n(results.faces, "face")] if results.looked else []
        counted = self.dot.join([*faces, statuses, *self.device])
        self.console.print(f"\n[bold]{_n(results.pictures, 'picture')}[/]{self.dot}{counted}")
        counts = {"faces show": results.labels, "groups look": results.groups, "pictures evoke": results.evoked}
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
        tasks = [card.task for card in self._cards]
        of_pictures = {"evoked", "stimuli"} & set(tasks)
        if not of_pictures or len(tasks) > len(of_pictures):
            self.console.print(NOTICE, style="dim")
        if of_pictures:
            self.console.print(EVOKES_NOTICE, style="dim")

    def _title(self, result: PhotoResult) -> Text:
        title = Text(as_shown(result.source), style="bold")
        if not result.ok:
            return title.append(f"  {_problem(result)}", style="not bold red")
        looked = [_faces(result), result.detector] if _looked_for_faces(result) else []
        details = [f"{result.size[0]}{self.times}{result.size[1]}", *looked, *self.device]
        nobody = result.status == "no_face"
        return title.append("  " + self.dot.join(details), style="not bold yellow" if nobody else "not bold")

    def _short(self, result: PhotoResult) -> Text:
        most = max(20, self.console.width * 2 // 5)
        name = as_shown(result.source)  # a file name may hold line ends and commands to the terminal
        name = name if len(name) <= most else f"{self.more}{name[1 - most :]}"
        line = Text(f"{name:<{min(self.longest, most)}}  ")
        if not result.ok:
            return line.append(_problem(result), style="red")
        parts = self._parts(result, with_faces=_looked_for_faces(result))
        return line.append_text(Text(self.dot).join(parts))

    def _parts(self, result: PhotoResult, with_faces: bool) -> Iterator[Text]:
        """What one line tells, the most telling first: a narrow terminal cuts the end off."""
        if with_faces:
            yield Text(_faces(result), style="" if result.faces else "yellow")
        if result.group and len(result.faces) > 1:
            yield _telling("group", spoken_label(result.group.prediction))
        if result.evoked:
            yield _telling("evokes", spoken_label(result.evoked))
        if result.stimuli:
            yield Text(_map_told(result, result.stimuli)[0])
        for label, n in Counter(spoken_label(p) for p in result.expressions).most_common():
            yield Text(f"{n} {label}" if len(result.faces) > 1 else label, style=_style(label))

    def _table(self, result: PhotoResult) -> Table:
        names = ("face", "shows") if result.faces else ("", "")
        table = self._columns(*names, 6 if result.evoked else 5)
        for number, prediction in enumerate(result.expressions, start=1):
            self._row(table, str(number), prediction)
        if result.group:
            self._row(table, "group", result.group.prediction)
        if result.evoked:
            self._row(table, "evokes", result.evoked)
            if affect := _affect(result.evoked, ", "):
                table.add_row("", "", "", Text(f"{affect}, of 1 to 9"), "")
        return table

    def _columns(self, who: str, does: str, width: int) -> Table:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column(who, justify="right", style="dim", no_wrap=True, min_width=width)
        table.add_column(does, no_wrap=True)
        table.add_column("sure", justify="right", no_wrap=True)
        table.add_column("distribution", no_wrap=True)
        table.add_column("entropy", justify="right", style="dim", no_wrap=True)
        return table

    def _row(self, table: Table, name: str, said: Prediction) -> None:
        label = spoken_label(said)
        top = np.argsort(-said.distribution, kind="stable")[: self.top]
        shares = self.dot.join(f"{said.taxonomy.classes[n]} {said.distribution[n]:.0%}" for n in top)
        bar = self._bar(said).append(f"  {shares}")
        sure = f"{said.confidence:.0%}"
        table.add_row(name, Text(label, style=_style(label)), sure, bar, f"{said.entropy:.2f}",
                      style="" if name.isdecimal() else "bold")  # fmt: skip

    def _bar(self, said: Prediction) -> Text:
        """A distribution as one bar of cells, likeliest class first; colour tells the class, shade the rank."""
        cells = max(8, min(24, self.console.width - (81 if self.top == 3 else 66)))
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


def _style(label: str) -> str:
    return STYLES.get(label, "dim")


def _faces(result: PhotoResult) -> str:
    return _n(len(result.faces), "face") if result.faces else "no face found"


def _telling(what: str, label: str) -> Text:
    return Text(f"{what} ").append(label, style=f"bold {_style(label)}")


def _looked_for_faces(result: PhotoResult) -> bool:
    """Whether the result says anything about faces, be it that there are none."""
    return bool(result.faces) or result.status == "no_face"


def _affect(said: Prediction, between: str = " ") -> str:
    """Valence and arousal in words; empty where the model gives none."""
    values = (("valence", said.valence), ("arousal", said.arousal))
    return between.join(f"{name} {value:.1f}" for name, value in values if value is not None)


def _map_told(result: PhotoResult, found: StimuliMap) -> list[str]:
    """Where the weight of a map lies, in words; first the centre, in shares of the picture."""
    if found.centre is None or found.spread is None:
        return ["the map is empty"]
    (x, y), (width, height) = found.centre, found.size
    told = [f"map centre {x / width:.0%} across, {y / height:.0%} down", f"spread {found.spread:.0f} px"]
    if result.faces:
        told.append(f"{found.share_on(result.faces):.0%} on faces")
    if found.agreement is not None:
        same = ": one map" if found.is_one_map else ""
        told.append(f"maps of the emotions correlate by {found.agreement:.2f}{same}")
    return told


def _problem(result: PhotoResult) -> str:
    return f"{_spoken(result.status)}: {result.message.removeprefix(f'{as_shown(result.source)}: ')}"


def _n(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _spoken(status: str) -> str:
    return {"ok": "with faces", "no_face": "without a face"}.get(status, status.replace("_", " "))
