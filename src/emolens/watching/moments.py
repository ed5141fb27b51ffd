"""Key moments of a video: the frames that show something most clearly, kept small while the video goes by."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emolens.records import FrameResult, Prediction

SIDE = 960
"""Pixels of the longer side of the kept picture of a moment: of full HD its words can still be read."""
LEAST = 0.4
"""A class with a lower probability than this, everywhere, has no clear moment."""
MARGIN = 0.02
"""A later frame must be clearer by so much to take the place of an earlier one."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame worth looking at. `kind` is a name, `says` a sentence, `jpeg` the picture as drawn, empty if not kept."""

    kind: str
    says: str
    time_s: float
    frame: int
    value: float
    track_id: int | None
    jpeg: bytes


class Moments:
    """Keeps, for every kind of moment, the frame that has most of it."""

    def __init__(self) -> None:
        self._kept: dict[str, Moment] = {}

    def add(self, result: FrameResult, drawn: Callable[[], np.ndarray] | None = None) -> None:
        """Look at one frame; `drawn` gives its picture, RGB uint8 (H, W, 3), and is called only if it is to be kept."""
        jpeg: bytes | None = None
        for kind, says, value, track in _candidates(result):
            best = self._kept.get(kind)
            if best is not None and value <= best.value + MARGIN:
                continue
            if jpeg is None:
                jpeg = _jpeg(drawn()) if drawn else b""
            self._kept[kind] = Moment(kind, says, result.time_s, result.frame, value, track, jpeg)

    def list(self) -> list[Moment]:
        """The moments in the order of time."""
        return sorted(self._kept.values(), key=lambda m: (m.time_s, m.kind))


def _candidates(result: FrameResult) -> Iterator[tuple[str, str, float, int | None]]:
    """(kind, sentence, how much of it, track) of everything that a frame shows."""
    if len(result.faces) > 1:
        yield "most_faces", f"Most faces: {len(result.faces)}", float(len(result.faces)), None
    said = result.group.prediction if result.group and len(result.faces) > 1 else None
    for name in ("negative", "positive") if said and not said.abstained else ():
        share = said.probability(name) if said else 0.0
        if share >= LEAST:
            yield f"group_{name}", f"The group at its most {name}: {share:.0%}", share, None
    if (evoked := result.evoked) and _is_clear(evoked):
        share = evoked.probability(evoked.label)
        yield f"evoked_{evoked.label}", f"Evokes {evoked.label} most: {share:.0%}", share, None
    for face, prediction in zip(result.faces, result.smoothed or result.expressions, strict=False):
        if _is_clear(prediction):
            label, share = prediction.label, prediction.probability(prediction.label)
            who = f", person {face.track_id}" if face.track_id is not None else ""
            yield f"clearest_{label}", f"Clearest {label}: {share:.0%}{who}", share, face.track_id


def _is_clear(said: Prediction) -> bool:
    return not said.abstained and said.label != "neutral" and said.probability(said.label) >= LEAST


def _jpeg(pixels: np.ndarray) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=85)
    return written.getvalue()
