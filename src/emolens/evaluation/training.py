"""The curves of a training run, from the CSV that it logged."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

SHARES = ("accuracy", "f1", "recall", "precision")
"""What is in a name whose values lie from 0 to 1 and should rise."""


@dataclass(frozen=True, slots=True)
class Curves:
    """`lines`: name -> epochs and values."""

    lines: dict[str, tuple[list[float], list[float]]]

    def by_kind(self) -> tuple[list[str], list[str]]:
        """The names of losses and divergences, and those of shares."""
        shares = [name for name in self.lines if any(part in name for part in SHARES)]
        return [name for name in self.lines if name not in shares], shares


def training_curves(run: Path) -> Curves | None:
    """The curves of a run folder, over all the times that it was resumed; None where it logged nothing.

    An epoch that was trained twice, before and after a resume, has its last value.
    """
    versions = sorted(run.glob("metrics/version_*/metrics.csv"), key=lambda path: int(path.parent.name[8:]))
    files = versions or [*run.glob("metrics.csv")]
    points: dict[str, dict[float, float]] = defaultdict(dict)
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                _add(row, points)
    lines = {name: ([*at], [*at.values()]) for name, known in points.items() if (at := dict(sorted(known.items())))}
    return Curves(lines) if lines else None


def _add(row: dict[str, str], points: dict[str, dict[float, float]]) -> None:
    if not row.get("epoch"):
        return
    for name, text in row.items():
        if text and name not in ("epoch", "step"):
            points[name][float(row["epoch"])] = float(text)
