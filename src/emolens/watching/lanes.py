"""What one person, or the group, shows over time, in memory that does not grow with the length of the video.

Time is cut into bins. There are `MOST_BINS` at the most: when a video outgrows them, every two become one, so the first
minutes of a clip are kept frame by frame and two hours to the second. Shares of time are counted exactly.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

FIRST_WIDTH = 1 / 64  # seconds: shorter than a frame of nearly every video
MOST_BINS = 8192
SMOOTHING_S = 1.0
"""Lines and changes are read from the centred mean over so many seconds."""
HOLD_S = 1.0
"""What leads must lead for so many seconds to count as a change."""
GAP_S = 1.0
"""A longer absence cuts a lane in two; no change is read across it."""

_COUNT, _TIME, _FRAME, _VALUES = 0, 1, 2, 3  # columns of a bin; the rest are the sums of the distributions


@dataclass(slots=True)
class Lane:
    """What was seen of one person or of the group. `seconds` counts the time for which each label led, `unsure` too."""

    classes: tuple[str, ...]
    first_s: float
    first_frame: int
    last_s: float = 0.0
    last_frame: int = 0
    frames: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    bins: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, bin_: int, time_s: float, frame: int, distribution: np.ndarray) -> None:
        """One frame in which it was seen; the distribution is float (K,)."""
        self.last_s, self.last_frame, self.frames = time_s, frame, self.frames + 1
        found = self.bins.get(bin_)
        if found is None:
            found = self.bins[bin_] = np.zeros(_VALUES + len(self.classes))
            found[_FRAME] = frame
        found[_COUNT] += 1
        found[_TIME] += time_s
        found[_VALUES:] += distribution

    def halve(self) -> None:
        """Make one bin of every two."""
        merged: dict[int, np.ndarray] = {}
        for bin_, values in self.bins.items():  # in the order of time, so the earlier frame stays
            if bin_ // 2 in merged:
                values[_FRAME] = 0
                merged[bin_ // 2] += values
            else:
                merged[bin_ // 2] = values
        self.bins = merged

    @property
    def duration(self) -> float:
        """Seconds for which it was seen."""
        return sum(self.seconds.values())

    def shares(self) -> list[tuple[str, float]]:
        """(label, share of the time for which it was seen), largest first; of one frame alone, its label."""
        total = self.duration
        ranked = sorted(self.seconds.items(), key=lambda item: -item[1])
        return [(label, seconds / total if total else 1 / len(ranked)) for label, seconds in ranked]

    def mean(self) -> np.ndarray:
        """The mean of its distributions, float64 (K,)."""
        total = np.sum(list(self.bins.values()), axis=0)
        return np.asarray(total[_VALUES:] / total[_COUNT])


class Lanes:
    """Lanes on one scale of time, by their key."""

    def __init__(self) -> None:
        self.width = FIRST_WIDTH
        self.lanes: dict[Hashable, Lane] = {}

    def add(self, key: Hashable, classes: tuple[str, ...], time_s: float, frame: int, distribution: np.ndarray) -> Lane:
        """One frame of one lane, which begins here if it is new. Gives the lane."""
        while time_s / self.width >= MOST_BINS:
            self.width *= 2
            for lane in self.lanes.values():
                lane.halve()
        lane = self.lanes.setdefault(key, Lane(classes, time_s, frame))
        lane.add(int(time_s / self.width), time_s, frame, distribution)
        return lane


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A moment at which another label took the lead. `shift`, 0 to 1: half the L1 distance of the means around it."""

    time_s: float
    frame: int
    before: str
    after: str
    shift: float


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A lane made ready to be read: `times` float64 (P,), `values` float64 (P, K) smoothed, rows sum to 1.

    `spans` are (first, end) points of the stretches without a gap, `step` is the time from one point to the next.
    """

    classes: tuple[str, ...]
    times: np.ndarray
    values: np.ndarray
    spans: tuple[tuple[int, int], ...]
    step: float
    changes: tuple[Change, ...]


def course(lane: Lane, step: float) -> Course:
    """The smoothed course of a lane and its changes; `step` is the usual time between points in seconds."""
    points = np.stack([lane.bins[bin_] for bin_ in sorted(lane.bins)])
    counts, frames = points[:, _COUNT], points[:, _FRAME].astype(int)
    times = points[:, _TIME] / counts
    cuts = np.flatnonzero(np.diff(times) > max(GAP_S, 3 * step)) + 1
    edges = [0, *cuts.tolist(), len(times)]
    spans = tuple(pairwise(edges))
    values = np.concatenate([_smoothed(times[a:b], counts[a:b], points[a:b, _VALUES:]) for a, b in spans])
    changes = [c for a, b in spans for c in _changes(lane.classes, times[a:b], frames[a:b], values[a:b], step)]
    return Course(lane.classes, times, values, spans, step, tuple(changes))


def _smoothed(times: np.ndarray, counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """The mean of all frames within half of `SMOOTHING_S` on either side of each point."""
    total = np.concatenate([np.zeros((1, sums.shape[1])), np.cumsum(sums, axis=0)])
    number = np.concatenate([[0], np.cumsum(counts)])
    low = np.searchsorted(times, times - SMOOTHING_S / 2 - 1e-9)
    high = np.searchsorted(times, times + SMOOTHING_S / 2 + 1e-9, "right")
    return np.asarray((total[high] - total[low]) / (number[high] - number[low])[:, None])


def _changes(
    classes: tuple[str, ...], times: np.ndarray, frames: np.ndarray, values: np.ndarray, step: float
) -> list[Change]:
    """The leads that hold for `HOLD_S` or longer; shorter ones belong to what was there before them."""
    leads = values.argmax(axis=1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(leads)) + 1])
    ends = np.append(times[starts[1:]], times[-1] + step)
    held: list[int] = []  # first points of the leads that count
    for start, length in zip(starts.tolist(), ends - times[starts], strict=True):
        if length >= HOLD_S - 1e-9 and (not held or leads[start] != leads[held[-1]]):
            held.append(start)
    found = []
    for number in range(1, len(held)):
        at, since = held[number], held[number - 1]
        until = held[number + 1] if number + 1 < len(held) else len(times)
        shift = np.abs(values[at:until].mean(axis=0) - values[since:at].mean(axis=0)).sum() / 2
        names = classes[leads[since]], classes[leads[at]]
        found.append(Change(float(times[at]), int(frames[at]), *names, float(shift)))
    return found
