"""What crosses from one room to another: frozen records, checked at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from emolens.errors import LabelError
from emolens.taxonomy import Taxonomy

Status = Literal["ok", "no_face", "abstained", "not_found", "unreadable", "too_small", "too_large", "fetch_failed"]
READ: tuple[Status, ...] = ("ok", "no_face")
"""The statuses of pictures that were read."""
Task = Literal["expression", "group", "evoked", "stimuli"]

LOWEST, HIGHEST = 1.0, 9.0
"""The ends of valence and arousal: the scale of the self-assessment manikin (Bradley, Lang 1994), as in Emotion6."""
ONE_MAP = 0.95
"""From this mean correlation on, the maps of several emotions are one map: what they tell apart is noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a picture.

    `box` is float32 (4,): x1, y1, x2, y2 in pixels of the original picture, x2 > x1 and y2 > y1; it may reach past the
    edge. `score` is the detector's, 0 to 1. `landmarks` is float32 (5, 2) in the same pixels: left eye, right eye,
    nose, left mouth corner, right mouth corner, as seen in the picture; None where a detector has none.
    `track_id` numbers a face through a video.
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray | None = None
    track_id: int | None = None

    def __post_init__(self) -> None:
        if self.box.shape != (4,):
            raise LabelError(f"a box has shape {self.box.shape}, needs (4,): x1, y1, x2, y2")
        if not (self.box[2] > self.box[0] and self.box[3] > self.box[1]):
            raise LabelError(f"box {self.box.tolist()} is empty or not x1, y1, x2, y2")
        if self.landmarks is not None and self.landmarks.shape != (5, 2):
            raise LabelError(f"landmarks have shape {self.landmarks.shape}, need (5, 2)")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A distribution over a taxonomy, for one face or for a whole picture.

    `distribution` is float32 (K,), sums to 1 and is calibrated to how people's votes spread. `confidence` is the
    calibrated probability that the top label is right; where no second calibration exists it is the top probability.
    The two answer different questions and neither may stand in for the other. `model` names the model, `model_sha`
    is the hex sha256 of its weights, empty where there are none. `valence` and `arousal`, 1 to 9, come with what a
    picture evokes, from a model that gives them: 5 is neither unpleasant nor pleasant, neither calming nor exciting.
    """

    task: Task
    taxonomy: Taxonomy
    distribution: np.ndarray
    confidence: float
    model: str
    face: Face | None = None
    abstained: bool = False
    model_sha: str = ""
    valence: float | None = None
    arousal: float | None = None

    def __post_init__(self) -> None:
        if self.distribution.shape != (len(self.taxonomy),):
            raise LabelError(
                f"distribution has shape {self.distribution.shape}, {self.taxonomy.name} needs ({len(self.taxonomy)},)"
            )
        if not abs(float(self.distribution.sum()) - 1) < 1e-3 or float(self.distribution.min()) < 0:
            raise LabelError(f"not a distribution: {self.distribution.tolist()}")
        for name, value in (("valence", self.valence), ("arousal", self.arousal)):
            if value is not None and not LOWEST <= value <= HIGHEST:
                raise LabelError(f"{name} is {value}, needs a number from {LOWEST:g} to {HIGHEST:g}")

    @property
    def label(self) -> str:
        """The class with the largest probability; the first of equals."""
        return self.taxonomy.classes[int(self.distribution.argmax())]

    @property
    def entropy(self) -> float:
        """Shannon entropy in nats, 0 (certain) to log K (uniform)."""
        p = self.distribution[self.distribution > 0].astype(np.float64)
        return float(max(0.0, -(p * np.log(p)).sum()))

    def probability(self, name: str) -> float:
        """The probability of one class, by its name or an alias."""
        return float(self.distribution[self.taxonomy.index(name)])


@dataclass(frozen=True, slots=True, eq=False)
class GroupAffect:
    """How the group looks: a prediction over negative / neutral / positive and what each face brought to it.

    `contributions` has one weight per face, in the order of the faces of the picture; they sum to 1. It is empty where
    a trained model answered, which does not tell.
    """

    prediction: Prediction
    contributions: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StimuliMap:
    """What in a picture evokes it: a weight from 0 to 1 for each place, 1 where most of it comes from.

    `seen` is float32 (h, w), at the resolution of the model's view of the picture; `weights` is at the picture's own,
    `size` (width, height) in pixels. `emotions` is float32 (K, h, w), one map for each class of `taxonomy`, or None
    where these were not asked for. Weights of different maps do not compare: each is scaled by itself.
    """

    seen: np.ndarray
    size: tuple[int, int]
    model: str
    model_sha: str = ""
    taxonomy: Taxonomy | None = None
    emotions: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check_weights(self.seen, 2)
        if min(self.size) < 1:
            raise LabelError(f"a map of size {self.size}, needs the width and height of a picture")
        if self.emotions is not None:
            _check_weights(self.emotions, 3)
            classes = () if self.taxonomy is None else self.taxonomy.classes
            if self.emotions.shape != (len(classes), *self.seen.shape):
                raise LabelError(f"maps of shape {self.emotions.shape}, needs {(len(classes), *self.seen.shape)}")

    @property
    def weights(self) -> np.ndarray:
        """The map at the size of the picture, float32 (H, W), made anew each time."""
        return self._enlarged(self.seen)

    def of(self, name: str) -> np.ndarray:
        """The map of one emotion, by its name or an alias, float32 (H, W). Raises `LabelError` where there are none."""
        if self.emotions is None or self.taxonomy is None:
            raise LabelError(f"no map of {name!r}: maps of single emotions were not asked for; analyze by_emotion=True")
        return self._enlarged(self.emotions[self.taxonomy.index(name)])

    @property
    def agreement(self) -> float | None:
        """The mean Pearson correlation between the maps of any two emotions; None where there are not two."""
        if self.emotions is None or len(self.emotions) < 2:
            return None
        flat = self.emotions.reshape(len(self.emotions), -1).astype(np.float64)
        flat = flat - flat.mean(axis=1, keepdims=True)
        flat /= np.maximum(np.sqrt((flat**2).sum(axis=1, keepdims=True)), 1e-12)
        return float((flat @ flat.T)[np.triu_indices(len(flat), 1)].mean())

    @property
    def is_one_map(self) -> bool:
        """Whether the maps of the emotions agree so well (`ONE_MAP`) that they are one."""
        return self.agreement is not None and self.agreement > ONE_MAP

    @property
    def centre(self) -> tuple[float, float] | None:
        """The map's centre of mass, x and y in pixels of the picture; None for a map without weight."""
        total = float(self.seen.sum())
        if not total:
            return None
        across, down = self._places()
        return (float((self.seen * across).sum()) / total, float((self.seen * down[:, None]).sum()) / total)

    @property
    def spread(self) -> float | None:
        """The root of the mean squared distance of the weight from `centre`, in pixels; None for one without weight."""
        if self.centre is None:
            return None
        across, down = self._places()
        squares = (across - self.centre[0]) ** 2 + (down[:, None] - self.centre[1]) ** 2
        return float(np.sqrt((self.seen * squares).sum() / self.seen.sum()))

    def share_on(self, faces: Sequence[Face]) -> float:
        """The share of the map's weight that lies in the boxes of faces, 0 to 1."""
        total, (across, down) = float(self.seen.sum()), self._places()
        covered = np.zeros(self.seen.shape, bool)
        for x1, y1, x2, y2 in (face.box.tolist() for face in faces):
            covered |= ((down >= y1) & (down < y2))[:, None] & (across >= x1) & (across < x2)
        return float(self.seen[covered].sum()) / total if total else 0.0

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the columns (w,) and the rows (h,) of `seen` lie, in pixels of the picture."""
        (height, width), (wide, high) = self.seen.shape, self.size
        return (np.arange(width) + 0.5) * (wide / width), (np.arange(height) + 0.5) * (high / height)

    def _enlarged(self, values: np.ndarray) -> np.ndarray:
        if values.shape == self.size[::-1]:
            return values
        return np.asarray(Image.fromarray(values).resize(self.size, Image.Resampling.BILINEAR))


def _check_weights(values: np.ndarray, axes: int) -> None:
    if values.ndim != axes or values.size == 0 or values.dtype != np.float32:
        raise LabelError(f"a map is {values.dtype} {values.shape}, needs float32 with {axes} axes")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN fails too
        raise LabelError(f"a map has weights from {low:.4g} to {high:.4g}, needs [0, 1]")


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """Everything said about one picture.

    `status` is `ok`, `no_face` (faces were looked for and none was found: an answer, not an error) or the status of the
    error that kept the picture from being read, whose text is then `message`. `expressions` has one prediction per
    face, in the order of `faces`, or is empty where that task was not asked for. `evoked` is what the picture evokes in
    those who look at it, and `stimuli` what in it does so, where these were asked for, be there a face or not. `size`
    is (width, height) in pixels. `detector` names who looked for faces, empty where nobody did.
    """

    source: str
    status: Status
    size: tuple[int, int] = (0, 0)
    faces: tuple[Face, ...] = ()
    expressions: tuple[Prediction, ...] = ()
    group: GroupAffect | None = None
    detector: str = ""
    message: str = ""
    evoked: Prediction | None = None
    stimuli: StimuliMap | None = None

    def __post_init__(self) -> None:
        if self.evoked is not None and self.evoked.task != "evoked":
            raise LabelError(f"what a picture evokes cannot be a prediction of task {self.evoked.task!r}")
        if self.expressions and len(self.expressions) != len(self.faces):
            raise LabelError(f"{len(self.expressions)} expressions for {len(self.faces)} faces")

    @property
    def ok(self) -> bool:
        """Whether the picture could be read."""
        return self.status in READ


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult(PhotoResult):
    """Everything said about one frame of a video; the numbers of its faces are their `track_id`.

    `frame` counts the decoded frames from 0, `time_s` is when the frame is shown, in seconds from the start of the
    video. `detected` is False where the faces were not looked for but placed by how their tracks moved. `smoothed` has
    one prediction per face, averaged over the past of its track, whose `model` says so, or is empty where no smoothing
    was asked for; `expressions` are never smoothed. `group` is made from `expressions`. `pixels` is the frame, RGB
    uint8 (H, W, 3), upright, where it was asked for.
    """

    frame: int = 0
    time_s: float = 0.0
    detected: bool = True
    smoothed: tuple[Prediction, ...] = ()
    pixels: np.ndarray | None = None

    def __post_init__(self) -> None:
        PhotoResult.__post_init__(self)  # super() does not know a class with slots, which was made twice
        if self.smoothed and len(self.smoothed) != len(self.faces):
            raise LabelError(f"{len(self.smoothed)} smoothed expressions for {len(self.faces)} faces")
        if self.frame < 0:
            raise LabelError(f"frame {self.frame} is negative; frames count from 0")
