"""What a data set holds, in figures: classes by split, mean distributions, valence and arousal, sizes of pictures."""

from __future__ import annotations

import io
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emolens.data.base import SPLITS, Picture, Record
from emolens.data.problems import Fault, Problems

VALUES = ("valence", "arousal", "dominance")
NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True)
class Spread:
    """`n` values, their mean and standard deviation (of the population)."""

    n: int
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Stats:
    """`classes`: in the set's order. `counts`: split -> label -> rows. `distributions`: split -> mean, over `classes`.

    `values`: split -> valence, arousal, dominance -> `Spread`. `sizes`: (width, height) as stored -> pictures, the
    most frequent first.
    """

    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    distributions: dict[str, tuple[float, ...]]
    values: dict[str, dict[str, Spread]]
    sizes: dict[tuple[int, int], int]

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "classes": list(self.classes),
            "counts": self.counts,
            "mean_distribution": {s: dict(zip(self.classes, d, strict=True)) for s, d in self.distributions.items()},
            "values": {
                split: {name: {"n": v.n, "mean": v.mean, "sd": v.sd} for name, v in values.items()}
                for split, values in self.values.items()
            },
            "sizes": [{"width": w, "height": h, "n": n} for (w, h), n in self.sizes.items()],
        }


class _Sums:
    """Sums over the rows of one split, so that no row is kept."""

    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        self.distributions, self.total = 0, np.zeros(0)
        self.values: dict[str, tuple[int, float, float]] = {}

    def add(self, record: Record) -> None:
        self.labels[record.label or NO_LABEL] += 1
        if record.distribution is not None:
            self.distributions += 1
            self.total = record.distribution.astype(np.float64) + (self.total if self.total.size else 0)
        for name in VALUES:
            value = getattr(record, name)
            if value is not None:
                n, mean, squares = self.values.get(name, (0, 0.0, 0.0))
                step = value - mean  # Welford: no difference of two large sums
                mean += step / (n + 1)
                self.values[name] = (n + 1, mean, squares + step * (value - mean))


def stats(
    records: Iterable[Record], problems: Problems | None = None, step: Callable[[], None] = lambda: None
) -> Stats:
    """Walk over records once, reading no more of a picture than its header. `step` is called after each.

    Pictures whose header cannot be read go to `problems` (by default the first raises a `Fault`); their rows count.
    """
    problems = problems if problems is not None else Problems()
    splits: dict[str, _Sums] = defaultdict(_Sums)
    sizes: Counter[tuple[int, int]] = Counter()
    classes: dict[str, None] = {}
    for record in records:
        classes |= dict.fromkeys(record.taxonomy.classes)
        splits[record.split].add(record)
        try:
            sizes[_size(record.picture, record.where)] += 1
        except Fault as fault:
            problems.add(fault)
        step()
    known = [split for split in SPLITS if split in splits]
    return Stats(
        classes=tuple(classes),
        counts={split: _in_order(splits[split].labels, classes) for split in known},
        distributions={s: tuple(splits[s].total / n) for s in known if (n := splits[s].distributions)},
        values={
            split: {name: Spread(n, mean, math.sqrt(q / n)) for name, (n, mean, q) in splits[split].values.items()}
            for split in known
            if splits[split].values
        },
        sizes=dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
    )


def _in_order(counts: Counter[str], classes: Iterable[str]) -> dict[str, int]:
    return {name: counts[name] for name in (*classes, NO_LABEL) if counts[name]}


def _size(picture: Picture, where: str) -> tuple[int, int]:
    if isinstance(picture, np.ndarray):
        return picture.shape[1], picture.shape[0]
    try:
        with Image.open(picture if isinstance(picture, Path) else io.BytesIO(picture)) as opened:
            width, height = opened.size
            return width, height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Fault("unreadable", where, f"no readable picture ({error})") from None
