"""How a command ends before its time: one line of error, or a signal after which everything written is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import typer

Item = TypeVar("Item")

USAGE = 2
"""Exit code where the user must change something."""
READER_LEFT = 13
"""The number of the signal SIGPIPE, which not every system names."""


def fail(message: str, code: int = USAGE) -> NoReturn:
    """One line on the standard error, and out."""
    typer.echo(f"emolens: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


class Signals:
    """Ends a loop at Ctrl-C, a request to terminate or a reader who leaves, but never in the middle of one turn of it.

    `came` is the number of the signal, 0 while there was none. A second one ends the turn too.
    """

    def __init__(self) -> None:
        self.came = 0
        self._in_a_turn = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, action in self._before.items():
            signal.signal(number, action)

    def until_one_comes(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, up to the one during or after which a signal came."""
        try:
            for item in items:
                self._in_a_turn = True
                yield item
                self._in_a_turn = False
                if self.came:
                    return
        except KeyboardInterrupt:
            if not self.came:
                raise

    @contextmanager
    def in_one_turn(self) -> Iterator[None]:
        """Around what has to be whole, as the end of all files: a signal is noted, and a second one ends this too."""
        self._in_a_turn = True
        try:
            yield
        finally:
            self._in_a_turn = False

    @contextmanager
    def or_reader_leaves(self) -> Iterator[None]:
        """Around an output that is read as it comes, as in `emolens ... | head`: its end is the end of the loop."""
        try:
            yield
        except BrokenPipeError:
            self.came = self.came or READER_LEFT

    def _note(self, number: int, _: FrameType | None) -> None:
        hurry, self.came = bool(self.came), number
        if hurry or not self._in_a_turn:
            raise KeyboardInterrupt
