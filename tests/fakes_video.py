"""Frames of a video as `watch` would give them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from emolens.group import group_affect
from emolens.records import Face, FrameResult, Prediction
from emolens.taxonomy import FERPLUS, Taxonomy

SIZE = (320, 240)


def shows(label: str, share: float = 0.9, abstained: bool = False, face: Face | None = None) -> Prediction:
    """An expression with `share` on one label and the rest spread evenly."""
    distribution = np.full(len(FERPLUS), (1 - share) / (len(FERPLUS) - 1), np.float32)
    distribution[FERPLUS.index(label)] = share
    return Prediction("expression", FERPLUS, distribution, share, "net", face, abstained)


PICTURES = Taxonomy("pictures", ("calm", "nostalgia", "fear", "neutral"))


def evoking(number: int, time_s: float, label: str, share: float = 0.7, people: Sequence[str] = ()) -> FrameResult:
    """A frame that evokes a label, with people who each show one."""
    plain = frame(number, time_s, dict(enumerate(people, start=1)))
    distribution = np.full(len(PICTURES), (1 - share) / (len(PICTURES) - 1), np.float32)
    distribution[PICTURES.index(label)] = share
    said = Prediction("evoked", PICTURES, distribution, share, "picture_net")
    return replace(plain, evoked=said)


def face(track: int | None, left: float | None = None, top: float = 60.0, side: float = 60.0) -> Face:
    """A face of 60 px whose place follows from its track number, unless told."""
    x = 20 + 90.0 * ((track or 1) - 1) if left is None else left
    return Face(np.array([x, top, x + side, top + side], np.float32), 0.9, None, track)


def frame(number: int, time_s: float, people: Mapping[int, str | Prediction], source: str = "clip.mp4") -> FrameResult:
    """A frame in which the person of each track shows a label, or what is given."""
    faces = tuple(face(track) for track in people)
    said = tuple(shows(one) if isinstance(one, str) else one for one in people.values())
    group = group_affect(said, faces, SIZE)
    status = "ok" if faces else "no_face"
    return FrameResult(source, status, SIZE, faces, said, group, "fixed", frame=number, time_s=time_s)
