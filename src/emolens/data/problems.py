"""What is wrong with a data set: raised at the first fault, or collected and counted, but never passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from emolens.errors import DataError

Kind = Literal["missing", "path", "unreadable", "size", "label", "distribution", "value", "box", "row", "repeated"]
"""missing: a named file is absent. path: a path leaves the root. unreadable: a file that cannot be decoded.
size: a picture or map of the wrong size. label: a label outside the taxonomy. distribution: probabilities that do not
sum to 1 or votes that are none. value: valence, arousal or dominance outside its scale. box: a box that is none.
row: a row with the wrong fields. repeated: an id that came before."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Item = TypeVar("Item")
Made = TypeVar("Made")


class Fault(DataError):  # noqa: N818 - as the other errors of emolens are named
    """One fault of one row or file. `kind` sorts it, `where` names the file and the row, `what` says the rest."""

    def __init__(self, kind: Kind, where: str, what: str) -> None:
        self.kind, self.where, self.what = kind, where, what
        super().__init__(f"{where}: {what}")


@dataclass(eq=False)
class Problems:
    """Where readers report. `strict` raises the first fault; else all are counted and the first `keep` of a kind kept.

    `left_out` counts the rows that a rule of the data set leaves out (a subset, an unlabelled sequence): no faults,
    but told all the same.
    """

    strict: bool = True
    keep: int = 20
    counts: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, list[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, fault: Fault) -> None:
        """Raise the fault, or count it."""
        if self.strict:
            raise fault
        self.counts[fault.kind] += 1
        kept = self.examples.setdefault(fault.kind, [])
        if len(kept) < self.keep:
            kept.append(str(fault))

    def leave_out(self, reason: str, rows: int = 1) -> None:
        """Count rows that a rule leaves out."""
        if rows:
            self.left_out[reason] += rows

    def each(self, items: Iterable[Item], make: Callable[[Item], Made | None]) -> Iterator[Made]:
        """`make(item)` for each item, without those that are faults (reported) or None (left out by the maker)."""
        for item in items:
            try:
                made = make(item)
            except Fault as fault:
                self.add(fault)
                continue
            if made is not None:
                yield made

    @property
    def total(self) -> int:
        """The number of faults."""
        return sum(self.counts.values())
