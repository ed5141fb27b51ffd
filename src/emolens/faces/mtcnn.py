"""MTCNN: three nets in a cascade, each looking closer at what the one before let through.

Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks". PNet runs over
a pyramid of the picture and answers for each cell of 12 px; RNet and ONet look at crops of 24 and 48 px. The crops of
all pictures of a batch go through RNet, and then through ONet, together.

The arithmetic of boxes is that of the authors' release as facenet-pytorch has it, but for two numbers that spare a
third of the crops: PNet lets through scores from .7, not .6, and of two boxes that RNet kept the weaker goes at an
overlap of .6, not .7. AP at IoU .5 on 54 group photos at 640 px (benchmarks/detectors.py): .708 with both, .717 with
the authors' numbers, .713 for facenet-pytorch, .670 for the mtcnn package.

A large face has few cells to see it, and the first two nets drop one in eight. So large squares in which nobody was
found are looked at again: PNet and RNet let through much more of them, and ONet must be surer than else (`AGAIN`). What
the first look found stays as it is; AP on the same photos is .707 with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emolens.errors import OptionError
from emolens.faces.boxes import containment, squared
from emolens.faces.detector import check_picture
from emolens.faces.found import Found, as_faces, joined
from emolens.faces.mtcnn_weights import load_graphs
from emolens.models.session import Net
from emolens.records import Face

CELL, STRIDE = 12, 2  # px of a level: what one answer of PNet looks at, and how far away the next one is
SAME_LEVEL, OVERLAP, REFINED = 0.5, 0.7, 0.6  # intersection over union above which the weaker of two boxes is dropped
AGAIN = (0.25, 0.1, 0.95)  # least scores at the second look; at .9 a film of one person showed faces that are none
LARGE = 7  # faces that the shorter side of the picture holds no more than so often in a row are looked for twice
APART, ELSEWHERE = 0.5, 0.25  # overlap at the second look, and how much of a square a face of the first may hold
SHARPER = 0.5  # octaves: levels and crops come from a finer one than needed; the nets learnt on unsmoothed pixels
MOST_CELLS = 4000  # of one level, the best first; crowds of a thousand faces stay below, noise does not
CROPS_A_RUN = {"rnet": 32, "onet": 8}  # their activations fit in the cache of one core: ONet is a tenth slower at 32
PIXELS_A_RUN = 1 << 22  # a batch of large pictures is cut up, so that memory does not grow with the caller's batch


@dataclass(frozen=True)
class _View:
    """A picture as the nets see it: planes (1, 3, H, W) float32, 0 to 255, at 1, 1/2, 1/4, ... of its size.

    `reduced` is how many pixels of the original one pixel of the first octave stands for.
    """

    octaves: list[np.ndarray]
    reduced: int


class MTCNN:
    """Face boxes with five landmarks.

    `min_face_size` is the height in pixels of the smallest face to look for, 12 at the least; the time falls with its
    square. `factor` is the ratio between two levels of the pyramid. `thresholds` are the least scores that the three
    nets let through at the first look; the authors have (.6, .7, .7). The second look has its own (`AGAIN`), of which a
    lower one given here counts for the first two nets, a higher one for the last. `threads` bounds the threads inside
    one operator.

    `max_side` bounds the longer side, in pixels, of what the nets look at; None means no bound. Larger pictures are
    first averaged down by the smallest whole factor that fits; boxes are in pixels of the picture all the same. So up
    to 2048 px nothing is lost, and from there to 4096 px a face must be 40 px high, to 6144 px 60.

    Raises `OptionError` for a value that makes no sense, `ModelError` where the weights are missing or are others.
    """

    name = "mtcnn"

    def __init__(
        self,
        min_face_size: float = 20,
        factor: float = 0.709,
        thresholds: Sequence[float] = (0.7, 0.7, 0.7),
        max_side: int | None = 2048,
        threads: int | None = None,
    ) -> None:
        _check_options(min_face_size, factor, thresholds, max_side)
        self.min_face_size, self.factor, self.max_side = min_face_size, factor, max_side
        self._least = [_logit(threshold) for threshold in thresholds]
        first, second, sure = map(_logit, AGAIN)
        self._again = [min(self._least[0], first), min(self._least[1], second), max(self._least[2], sure)]
        self._nets = {name: Net(content, threads) for name, content in load_graphs().items()}
        self._sessions = {name: net.all_cores for name, net in self._nets.items()}
        self._first = {name: session.get_outputs()[0].name for name, session in self._sessions.items()}

    def on_one_core(self) -> MTCNN:
        """The same detector, run by the thread that calls it alone, so that others look at other pictures meanwhile."""
        other = copy(self)
        other._sessions = {name: net.one_core for name, net in self._nets.items()}
        return other

    def detect(self, image: np.ndarray) -> list[Face]:
        """The faces of one picture, RGB uint8 (H, W, 3), by falling score."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """The faces of each picture; sizes may differ."""
        return [faces for group in _groups(images) for faces, _ in self._detect_group(group)]

    def detect_with_features(self, images: Sequence[np.ndarray]) -> list[tuple[list[Face], np.ndarray]]:
        """As `detect_batch`, and for each face the last hidden layer of O-Net: float32 (F, 256), row for row."""
        found = [one for group in _groups(images) for one in self._detect_group(group, features=True)]
        return [(faces, np.zeros((0, 256), np.float32) if rows is None else rows) for faces, rows in found]

    def _detect_group(
        self, images: Sequence[np.ndarray], features: bool = False
    ) -> list[tuple[list[Face], np.ndarray | None]]:
        views = [self._view(check_picture(image)) for image in images]
        proposed = [self._propose(view) for view in views]
        boxes = [self._strongest(one, self._least[0], OVERLAP) for one in proposed]
        found = self._refine(views, boxes, self._least, REFINED, features)
        rest = [_elsewhere(*three) for three in zip(views, proposed, found, strict=True)]
        boxes = [self._strongest(one, self._again[0], APART) for one in rest]
        again = self._refine(views, boxes, self._again, APART, features)
        return [as_faces(joined(both), view.reduced, OVERLAP) for *both, view in zip(found, again, views, strict=True)]

    def _refine(
        self, views: list[_View], boxes: list[np.ndarray], least: list[float], overlap: float, features: bool
    ) -> list[Found]:
        """What RNet and ONet let through of the boxes of each view."""
        found = self._look(views, boxes, "rnet", least[1])
        found = [one[self._nms(one.boxes, one.logits, overlap)] for one in found]
        return self._look(views, [squared(one.shifted()) for one in found], "onet", least[2], features)

    def _strongest(self, found: Found, least: float, overlap: float) -> np.ndarray:
        """Squares (N, 4) around the boxes whose logit is `least` or more and that overlap no better one."""
        found = found[found.logits >= least]
        return squared(found.boxes[self._nms(found.boxes, found.logits, overlap)])

    def _run(self, graph: str, **feeds: np.ndarray) -> np.ndarray:
        """The first output of a graph."""
        answer: np.ndarray = self._sessions[graph].run([self._first[graph]], feeds)[0]
        return answer

    def _view(self, image: np.ndarray) -> _View:
        """The octaves, down to the last whose shorter side still holds a cell."""
        reduced = math.ceil(max(image.shape) / self.max_side) if self.max_side else 1
        if reduced > 1:
            image = np.asarray(Image.fromarray(image).reduce(reduced))
        octaves = [self._run("planes", image=image[None])]
        while min(octaves[-1].shape[2:]) >= 2 * CELL:
            octaves.append(self._run("halve", planes=octaves[-1]))
        return _View(octaves, reduced)

    def _propose(self, view: _View) -> Found:
        """PNet over the pyramid: boxes that may hold a face, in pixels of the view; of large ones unlikely ones too."""
        shorter = min(view.octaves[0].shape[2:])
        smallest = max(self.min_face_size / view.reduced, min(self.min_face_size, 20))
        scale, levels = CELL / smallest, [Found(np.zeros((0, 4), np.float32), np.zeros((0, 5), np.float32))]
        while shorter * scale >= CELL:
            large = shorter * scale <= LARGE * CELL
            levels.append(self._level(view, scale, self._again[0] if large else self._least[0]))
            scale *= self.factor
        return joined(levels)

    def _level(self, view: _View, scale: float, least: float) -> Found:
        """PNet on the view made `scale` times as large; boxes in pixels of the view, after their shifts."""
        octave = min(max(0, math.floor(-math.log2(scale) - SHARPER)), len(view.octaves) - 1)
        planes = view.octaves[octave]
        height, width = (max(CELL, round(side * 2**octave * scale)) for side in planes.shape[2:])
        cells = self._run("pnet", planes=planes, size=np.array([1, 3, height, width], np.int64))[0]
        rows, columns = _best_cells(cells[0], least)
        corners = np.stack([columns, rows, columns, rows], axis=1) * STRIDE
        squares = (corners + np.array([1, 1, CELL, CELL])).astype(np.float32)  # as the authors count, from 1
        answers = cells[:, rows, columns].T
        kept = self._nms(squares, answers[:, 0], SAME_LEVEL)
        pixel = np.array([planes.shape[3] / width, planes.shape[2] / height] * 2, np.float32) * 2**octave
        boxes = (squares[kept] + answers[kept, 1:5] * (CELL - 1)) * pixel
        return Found(boxes, answers[kept])

    def _look(
        self, views: list[_View], boxes: list[np.ndarray], net: str, least: float, features: bool = False
    ) -> list[Found]:
        """RNet or ONet on every box of every picture; keeps those whose logit is more than `least`."""
        side = {"rnet": 24, "onet": 48}[net]
        crops = np.concatenate([self._crops(view, some, side) for view, some in zip(views, boxes, strict=True)])
        names, step = ["answers", "features"] if features else ["answers"], CROPS_A_RUN[net]
        starts = range(0, max(1, len(crops)), step)
        runs = [self._sessions[net].run(names, {"crops": crops[i : i + step]}) for i in starts]
        ends = np.cumsum([len(some) for some in boxes])[:-1]
        outputs = [np.split(np.concatenate(output), ends) for output in zip(*runs, strict=True)]
        found = [Found(*rows) for rows in zip(boxes, *outputs, strict=True)]
        return [one[one.logits > least] for one in found]

    def _crops(self, view: _View, boxes: np.ndarray, side: int) -> np.ndarray:
        """What the boxes hold, cut off at the edges of the picture: (N, 3, side, side), 0 to 255."""
        height, width = view.octaves[0].shape[2:]
        inside = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        sizes = np.maximum(boxes[:, 2] - boxes[:, 0], 1) / side
        octaves = np.clip(np.floor(np.log2(sizes) - SHARPER), 0, len(view.octaves) - 1).astype(np.int64)
        crops = np.empty((len(boxes), 3, side, side), np.float32)
        for octave in np.unique(octaves):
            rows = np.flatnonzero(octaves == octave)
            places = (inside[rows] / 2**octave).astype(np.float32)
            pictures = np.zeros(len(rows), np.int64)
            crops[rows] = self._run(f"crop{side}", planes=view.octaves[octave], boxes=places, pictures=pictures)
        return crops

    def _nms(self, boxes: np.ndarray, scores: np.ndarray, overlap: float) -> np.ndarray:
        """Rows by falling score, without those that overlap a better one by more than `overlap`."""
        if not len(boxes):
            return np.zeros(0, np.int64)
        limit = np.array([overlap], np.float32)
        return self._run("nms", boxes=boxes[None], scores=scores[None, None], overlap=limit)[:, 2]


def _elsewhere(view: _View, proposed: Found, found: Found) -> Found:
    """The large ones of what was proposed, where nobody was found."""
    squares = squared(proposed.boxes)
    large = LARGE * (squares[:, 2] - squares[:, 0]) >= min(view.octaves[0].shape[2:])
    proposed, squares = proposed[large], squares[large]
    held = containment(squares, found.shifted()).max(axis=1, initial=0)
    return proposed[np.asarray(held <= ELSEWHERE)]


def _logit(score: float) -> float:
    return math.log(score / (1 - score))


def _best_cells(logits: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(logits >= least)
    if len(rows) > MOST_CELLS:
        best = np.argpartition(-logits[rows, columns], MOST_CELLS)[:MOST_CELLS]
        rows, columns = rows[best], columns[best]
    return rows, columns


def _groups(images: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Cuts a batch where its pictures hold more pixels than a run should."""
    group: list[np.ndarray] = []
    pixels = 0
    for image in images:
        if group and pixels + image.size // 3 > PIXELS_A_RUN:
            yield group
            group, pixels = [], 0
        group.append(image)
        pixels += image.size // 3
    if group:
        yield group


def _check_options(min_face_size: float, factor: float, thresholds: Sequence[float], max_side: int | None) -> None:
    if not CELL <= min_face_size < math.inf:
        raise OptionError(f"min_face_size={min_face_size} is not allowed; give pixels, {CELL} or more")
    if not 0.1 <= factor <= 0.95:
        raise OptionError(f"factor={factor} is not allowed; give a ratio from 0.1 to 0.95, such as 0.709")
    if len(thresholds) != 3 or not all(0 < threshold < 1 for threshold in thresholds):
        raise OptionError(f"thresholds={tuple(thresholds)} are not allowed; give three scores between 0 and 1")
    if max_side is not None and max_side < 64:
        raise OptionError(f"max_side={max_side} is not allowed; give pixels, 64 or more, or None for no bound")
