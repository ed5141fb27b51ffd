"""Faces numbered through a video by how they move and overlap; nothing about how a face looks is compared or kept.

Two rounds as in Zhang et al. 2022, "ByteTrack: Multi-Object Tracking by Associating Every Detection Box": sure
detections choose their tracks first, unsure ones only continue what is left. A third, our own, lets a face that was
seen but once, and whose speed nobody knows, have gone further: who crosses the picture would else be new at every look.
Furthest goes a face that can be no other, since one alone has come and one alone of its size has gone near by.
Overlap is that of enlarged boxes, as in Yang et al. 2023, "Hard to Track Objects with Irregular Motions and Similar
Appearances? Make It Easier by Buffering the Matching Space", since a small face can move by more than its own side
between two frames. Motion is an alpha-beta filter, the steady state of a Kalman filter with constant velocity; what is
not seen slows down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emolens.faces.assignment import best_pairs
from emolens.records import Face

SURE = 0.8  # a score from which a face is numbered at once; below it, once it was seen `HITS` times
HITS = 3
PATIENCE_S = 1.0  # how long a face may be out of sight and keep its number
BUFFER = 0.3  # of its sides, by which a box is enlarged on each side before overlaps are taken
STRAY = 4.0  # sides a second by which the box of a face that was seen once is enlarged further ...
MOST_BUFFER = 1.2  # ... but not beyond this: two sides from where it was
DASH, FURTHEST = 12.0, 3.0  # sides a second, and sides at the most, that a face may have gone if it can be no other ...
AS_LARGE = 1.25  # ... of those that came and went meanwhile: within this ratio of its size
LEAST_OVERLAP = 0.3  # of two enlarged boxes, intersection over union: less than 0.86 of a side from where it should be
RESIZED = 2.0  # between two sightings a face does not become larger or smaller than this
SLOWING_S = 0.3  # after this time out of sight a face has 1 / e of its speed left
STEADYING_S = 0.1  # over which a speed is averaged: detectors jitter by a pixel or two


@dataclass(slots=True)
class _Track:
    """One face through time: where it was seen last, and how fast its centre moves in pixels a second."""

    face: Face
    seen_s: float
    velocity: np.ndarray
    hits: int = 1
    number: int | None = None

    def shift(self, time_s: float) -> np.ndarray:
        """How far the centre has moved at `time_s` since it was seen, float64 (2,)."""
        away = max(0.0, time_s - self.seen_s)
        return self.velocity * (SLOWING_S * (1 - math.exp(-away / SLOWING_S)))

    def see(self, face: Face, time_s: float) -> None:
        """Take over a detection."""
        step = max(time_s - self.seen_s, 1e-3)
        measured = (_centre(face.box) - _centre(self.face.box)) / step
        share = 1.0 if self.hits == 1 else 1 - math.exp(-step / STEADYING_S)
        self.velocity = self.velocity + share * (measured - self.velocity)
        self.face, self.seen_s, self.hits = face, time_s, self.hits + 1


class Tracker:
    """Numbers the faces of one video, frame after frame; numbers count from 1 and are never used again.

    `patience_s`: how long a face may be missing, in seconds, and keep its number. `sure`: the score from which a face
    is numbered at once. A face below it is left out until it was seen `HITS` times in a row: what a detector takes for
    a face in a single frame is seldom one.
    """

    def __init__(self, patience_s: float = PATIENCE_S, sure: float = SURE) -> None:
        self.patience_s, self.sure = patience_s, sure
        self._tracks: list[_Track] = []
        self._numbered, self._time_s, self._before_s = 0, 0.0, 0.0

    def update(self, faces: Sequence[Face], time_s: float, size: tuple[int, int]) -> list[Face]:
        """The faces found in the frame at `time_s`, in the same order, with their numbers; unsure ones are left out.

        `size` is the (width, height) of the frame: a face that moved out of it has gone and does not come back.
        """
        self._before_s, self._time_s = self._time_s, time_s
        self._tracks = [track for track in self._tracks if self._waits(track, time_s, size)]
        found: dict[int, _Track] = {}
        for sure in (True, False):
            self._continue(faces, [i for i, face in enumerate(faces) if (face.score >= self.sure) == sure], found)
        self._catch_up(faces, found)
        for i, face in enumerate(faces):
            if i not in found:
                found[i] = _Track(face, time_s, np.zeros(2))
                self._tracks.append(found[i])
        numbered = [replace(face, track_id=self._number(found[i])) for i, face in enumerate(faces)]
        return [face for face in numbered if face.track_id is not None]

    def predict(self, time_s: float, size: tuple[int, int]) -> list[Face]:
        """Where the faces of the last `update` are by now, if they went on as they moved, by falling score.

        Their points move along with them, their score stays that of the detection.
        """
        here = [track for track in self._tracks if track.seen_s == self._time_s and track.number is not None]
        moved = [(track, _moved(track.face, track.shift(time_s))) for track in here]
        return sorted(
            (replace(face, track_id=track.number) for track, face in moved if _inside(face.box, size)),
            key=lambda face: -face.score,
        )

    def end(self) -> None:
        """End every track: what follows is another scene."""
        self._tracks = []

    def _waits(self, track: _Track, time_s: float, size: tuple[int, int]) -> bool:
        """Whether a track may still go on: a face without a number has to be there in every frame that is looked at."""
        if track.number is None and track.seen_s < self._before_s:
            return False
        here = _inside(_moved(track.face, track.shift(time_s)).box, size)
        missing = track.seen_s < self._before_s  # at two looks a second and less a face may go on from one to the next
        return here and (not missing or time_s - track.seen_s <= self.patience_s)

    def _continue(self, faces: Sequence[Face], rows: list[int], found: dict[int, _Track]) -> None:
        """Give the faces in `rows` to the tracks that have none yet, so that the overlaps are largest together."""
        free = [track for track in self._tracks if track not in found.values()]
        if not rows or not free:
            return
        boxes = np.stack([faces[i].box for i in rows]).astype(np.float64)
        last = np.stack([track.face.box for track in free]).astype(np.float64)
        shifts = np.stack([track.shift(self._time_s) for track in free])
        overlaps = np.maximum(_overlaps(boxes, last), _overlaps(boxes, last + np.tile(shifts, 2)))
        self._pair(faces, rows, free, overlaps, found)

    def _catch_up(self, faces: Sequence[Face], found: dict[int, _Track]) -> None:
        """Give the faces that are left to tracks that were seen in the last frame looked at, and never before."""
        seen = found.values()
        free = [t for t in self._tracks if t.hits == 1 and t.seen_s == self._before_s and t not in seen]
        rows = [i for i in range(len(faces)) if i not in found]
        if not rows or not free:
            return
        boxes = np.stack([faces[i].box for i in rows]).astype(np.float64)
        last = np.stack([track.face.box for track in free]).astype(np.float64)
        buffer = min(MOST_BUFFER, BUFFER + STRAY * (self._time_s - self._before_s))
        self._pair(faces, rows, free, _overlaps(boxes, last, buffer), found)
        free = [track for track in free if track not in seen]
        self._dashed(faces, [i for i in rows if i not in found], free, found)

    def _dashed(self, faces: Sequence[Face], rows: list[int], free: list[_Track], found: dict[int, _Track]) -> None:
        """Give a face that has come to a track that has gone, where neither could belong to any other.

        Who runs past the camera goes further between two looks than boxes reach; that one person left and another of
        the same size came beside in the same instant is less likely.
        """
        if not rows or not free:
            return
        boxes = np.stack([faces[i].box for i in rows]).astype(np.float64)
        last = np.stack([track.face.box for track in free]).astype(np.float64)
        reach = min(FURTHEST, DASH * (self._time_s - self._before_s))
        near = _distances(boxes, last) <= reach
        for row, column in np.argwhere(near & (near.sum(axis=0) == 1) & (near.sum(axis=1, keepdims=True) == 1)):
            free[column].see(faces[rows[row]], self._time_s)
            found[rows[row]] = free[column]

    def _pair(
        self, faces: Sequence[Face], rows: list[int], free: list[_Track], overlaps: np.ndarray, found: dict[int, _Track]
    ) -> None:
        for row, column in best_pairs(overlaps, LEAST_OVERLAP):
            free[column].see(faces[rows[row]], self._time_s)
            found[rows[row]] = free[column]

    def _number(self, track: _Track) -> int | None:
        if track.number is None and (track.face.score >= self.sure or track.hits >= HITS):
            self._numbered += 1
            track.number = self._numbered
        return track.number


def _centre(box: np.ndarray) -> np.ndarray:
    centre: np.ndarray = (box[:2].astype(np.float64) + box[2:]) / 2
    return centre


def _moved(face: Face, shift: np.ndarray) -> Face:
    by = shift.astype(np.float32)
    points = None if face.landmarks is None else face.landmarks + by
    return replace(face, box=face.box + np.tile(by, 2), landmarks=points)


def _inside(box: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether the centre of a box lies in a picture of (width, height)."""
    x, y = _centre(box)
    return bool(0 <= x < size[0] and 0 <= y < size[1])


def _overlaps(boxes: np.ndarray, others: np.ndarray, buffer: float = BUFFER) -> np.ndarray:
    """Intersection over union of the enlarged boxes (N, 4) and (M, 4), (N, M); 0 where the sizes differ too much."""
    one, two = _enlarged(boxes, buffer)[:, None], _enlarged(others, buffer)[None]
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=2)
    areas, other_areas = ((b[..., 2:] - b[..., :2]).prod(axis=2) for b in (one, two))
    ratio = np.sqrt(areas / other_areas)
    alike = (ratio <= RESIZED) & (ratio >= 1 / RESIZED)
    found: np.ndarray = np.where(alike, shared / (areas + other_areas - shared), 0.0)
    return found


def _distances(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of their sides lie between the centres of boxes (N, 4) and (M, 4), (N, M); inf where sizes differ."""
    sides, other_sides = (np.sqrt((b[:, 2:] - b[:, :2]).prod(axis=1)) for b in (boxes, others))
    ratio = sides[:, None] / other_sides
    gaps = (boxes[:, None, :2] + boxes[:, None, 2:] - others[:, :2] - others[:, 2:]) / 2
    found: np.ndarray = np.hypot(gaps[..., 0], gaps[..., 1]) / np.sqrt(sides[:, None] * other_sides)
    return np.where((ratio <= AS_LARGE) & (ratio >= 1 / AS_LARGE), found, np.inf)


def _enlarged(boxes: np.ndarray, buffer: float) -> np.ndarray:
    margin = buffer * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
