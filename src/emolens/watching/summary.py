"""What a whole video showed: each person's shares of time and changes, the group over time, key moments.

How it is counted. A frame stands for the time until the next analysed frame, but for no longer than three times the
interval before it (or a second, if that is more), so that a stalled stream does not count as a long smile. A label's
share of time is the share of a person's frames, so weighted, in which it was the most probable; `unsure` are those that
abstained. Changes are read from the centred mean of the distributions over `lanes.SMOOTHING_S`: a change is a moment at
which another label takes the lead there and holds it for `lanes.HOLD_S`; none is read across an absence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emolens.records import FrameResult, Prediction
from emolens.watching.lanes import GAP_S, HOLD_S, SMOOTHING_S, Change, Course, Lane, Lanes, course
from emolens.watching.moments import Moments

SCHEMA_VERSION = 1
NOTICE = "Apparent expression, not feeling: what a face shows is not what a person feels."
GROUP, EVOKED = "group", "evoked"
Said = tuple[int | str, Prediction]


class Summary:
    """Gathers a video frame by frame; memory does not grow with its length, only with the number of people.

    `numbers` are those of all faces, `damaged` counts frames that could not be read, where somebody counts them.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.moments = Moments()
        self.detector = ""
        self.numbers = set[int]()
        self.frames, self.faces, self.most_faces, self.damaged = 0, 0, 0, 0
        self.first_s, self.last_s, self.seconds, self.seconds_with_faces = 0.0, 0.0, 0.0, 0.0
        self._lanes = Lanes()
        self._people: list[tuple[int, Lane, Course]] = []
        self._wholes: dict[str, tuple[Lane, Course]] = {}
        self._models: dict[str, str] = {}
        self._size = (0, 0)
        self._waiting: tuple[float, list[tuple[Lane, str]], bool] | None = None  # the last frame, whose time is open
        self._interval: float | None = None  # seconds

    def add(self, result: FrameResult, drawn: Callable[[], np.ndarray] | None = None) -> None:
        """One analysed frame; `drawn` gives its annotated picture for the key moments, if it is to be kept."""
        self._close(result.time_s)
        if not self.frames:
            self.first_s, self.detector, self._size = result.time_s, result.detector, result.size
        self.last_s = result.time_s
        self.frames += 1
        self.faces += len(result.faces)
        self.most_faces = max(self.most_faces, len(result.faces))
        self.numbers.update(face.track_id for face in result.faces if face.track_id is not None)
        seen = [(self._note(key, said, result), _label(said)) for key, said in _said(result)]
        self._waiting = (result.time_s, seen, bool(result.faces))
        self.moments.add(result, drawn)

    def _note(self, key: int | str, said: Prediction, result: FrameResult) -> Lane:
        self._models[said.model] = said.model_sha
        return self._lanes.add(key, said.taxonomy.classes, result.time_s, result.frame, said.distribution)

    def _close(self, now: float | None) -> None:
        """Give the frame before this one its time; the last of all stands for as long as the one before it did."""
        if self._waiting is None:
            return
        since, seen, with_faces = self._waiting
        stands: float = self._interval or 0.0
        if now is not None:
            interval = max(0.0, now - since)
            stands = interval if self._interval is None else min(interval, max(1.0, 3 * self._interval))
            self._interval = stands or self._interval
        self.seconds += stands
        self.seconds_with_faces += stands * with_faces
        for lane, label in seen:
            lane.seconds[label] = lane.seconds.get(label, 0.0) + stands
        self._waiting = None

    def finish(self) -> None:
        """Count the last frame and read the courses. To be called once, before anything is asked for."""
        self._close(None)
        read = {key: (lane, course(lane, self.step)) for key, lane in self._lanes.lanes.items()}
        self._people = [(key, *read[key]) for key in sorted(k for k in read if isinstance(k, int))]
        self._wholes = {key: one for key, one in read.items() if isinstance(key, str)}

    @property
    def step(self) -> float:
        """The usual time from one point of a course to the next, in seconds."""
        return max(self._lanes.width, self.seconds / max(1, self.frames))

    def people(self) -> list[tuple[int, Lane, Course]]:
        """(track, lane, course) of everyone, in the order of their numbers."""
        return self._people

    def group(self) -> tuple[Lane, Course] | None:
        """The group over time; None where it was not asked for or no face was seen."""
        return self._wholes.get(GROUP)

    def evoked(self) -> tuple[Lane, Course] | None:
        """What the frames evoke over time; None where it was not asked for."""
        return self._wholes.get(EVOKED)

    def record(self) -> dict[str, Any]:
        """Everything as a JSON-ready record."""
        wholes = {name: self._told(*self._wholes[name]) if name in self._wholes else None for name in (GROUP, EVOKED)}
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "size": list(self._size),
            "frames": self.frames,
            "damaged": self.damaged,
            "first_s": _seconds(self.first_s),
            "last_s": _seconds(self.last_s),
            "seconds": _seconds(self.seconds),
            "seconds_with_faces": _seconds(self.seconds_with_faces),
            "faces": self.faces,
            "most_faces": self.most_faces,
            "detector": self.detector,
            "models": self._models,
            "method": {"smoothing_s": SMOOTHING_S, "hold_s": HOLD_S, "gap_s": GAP_S, "resolution_s": _short(self.step)},
            "people": [{"track_id": key, **self._told(lane, taken)} for key, lane, taken in self.people()],
            **wholes,
            "moments": [
                {"kind": m.kind, "says": m.says, "time_s": _seconds(m.time_s), "frame": m.frame, "track_id": m.track_id}
                for m in self.moments.list()
            ],
            "notice": NOTICE,
        }

    def _told(self, lane: Lane, taken: Course) -> dict[str, Any]:
        shares = lane.shares()
        return {
            "first_s": _seconds(lane.first_s),
            "last_s": _seconds(lane.last_s),
            "first_frame": lane.first_frame,
            "last_frame": lane.last_frame,
            "frames": lane.frames,
            "seconds": _seconds(lane.duration),
            "main": shares[0][0],
            "time_shares": {label: _short(share) for label, share in shares},
            "mean_distribution": {c: _short(p) for c, p in zip(lane.classes, lane.mean(), strict=True)},
            "changes": [_told_change(change) for change in taken.changes],
        }


def _told_change(change: Change) -> dict[str, Any]:
    return {
        "time_s": _seconds(change.time_s),
        "frame": change.frame,
        "from": change.before,
        "to": change.after,
        "shift": _short(change.shift),
    }


def _said(result: FrameResult) -> list[Said]:
    """What was said about each numbered face, about the group, and about the whole picture."""
    pairs = zip(result.faces, result.expressions, strict=False)
    said: list[Said] = [(face.track_id, one) for face, one in pairs if face.track_id is not None]
    if result.group is not None:
        said.append((GROUP, result.group.prediction))
    if (evoked := result.evoked) is not None:
        said.append((EVOKED, evoked))
    return said


def _label(said: Prediction) -> str:
    return "unsure" if said.abstained else said.label


def _seconds(value: float) -> float:
    """To the millisecond, also after hours."""
    return round(float(value), 3)


def _short(value: float) -> float:
    """Six significant digits."""
    return float(f"{float(value):.6g}")
