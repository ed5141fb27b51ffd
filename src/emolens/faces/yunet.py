"""YuNet, the fast face detector, through ONNX Runtime.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023). The weights are
those that its authors publish (`emolens models fetch yunet`); how the twelve outputs become boxes follows OpenCV's
`FaceDetectorYN`, which the tests hold this file against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

from emolens.errors import ModelError, OptionError
from emolens.faces.boxes import without_overlaps
from emolens.faces.detector import check_picture
from emolens.models.session import Net
from emolens.records import Face

STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)
DEFAULT_MAX_SIDE = 1280
PIXELS_A_RUN = 1 << 21  # a batch of large pictures is cut up, so that memory does not grow with the caller's batch


class YuNet:
    """Face boxes with five landmarks, from one pass over the picture.

    `path` is a YuNet file with the twelve outputs of the 2023 release: the sizes n and s, with a free or a fixed input.
    `score_threshold` is the least sqrt(class x objectness) to report. Boxes that overlap a better one by more than
    `nms_threshold` (intersection over union) are dropped.

    `max_side` bounds the longer side, in pixels, of what the net looks at; None means 1280. Larger pictures are first
    averaged down by the smallest whole factor that fits, and the boxes are given in pixels of the picture all the same.
    The net finds faces from about 10 px of height. So up to 1280 px nothing is lost, from there to 2560 px a face must
    be about 20 px high, and to 3840 px about 30. Pass a large number to look at everything at full size, in a time
    that grows with the area. A file with a fixed input looks at that size at the most.

    Raises `ModelError` where the file is no YuNet, `OptionError` for a threshold or side that makes no sense.
    """

    name = "yunet"

    def __init__(
        self, path: str | Path, score_threshold: float = 0.6, nms_threshold: float = 0.3, max_side: int | None = None
    ) -> None:
        _check_options(score_threshold, nms_threshold, max_side)
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self._net = Net(Path(path))
        self._session = self._net.all_cores
        self._fixed = _fixed_size(self._session, Path(path))
        self.max_side = max_side or DEFAULT_MAX_SIDE

    def on_one_core(self) -> YuNet:
        """The same detector, run by the thread that calls it alone, so that others look at other pictures meanwhile."""
        other = copy(self)
        other._session = self._net.one_core
        return other

    def detect(self, image: np.ndarray) -> list[Face]:
        """The faces of one picture, RGB uint8 (H, W, 3), best score first."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """The faces of each picture, as one by one; sizes may differ. Pictures of one padded size share a run."""
        factors = [self._factor(check_picture(image)) for image in images]
        found: list[list[Face]] = [[] for _ in images]
        for rows, canvas in self._canvases([_reduced(*pair) for pair in zip(images, factors, strict=True)]):
            outputs = dict(zip(OUTPUTS, self._session.run(OUTPUTS, {"input": canvas}), strict=True))
            for position, row in enumerate(rows):
                one = {name: output[position] for name, output in outputs.items()}
                found[row] = self._faces(one, canvas.shape[3], factors[row])
        return found

    def _factor(self, image: np.ndarray) -> int:
        """By which whole number to shrink. An exact size would cost four times as much, and as much as the net."""
        limits = [min(side, self.max_side) for side in self._fixed or (self.max_side, self.max_side)]
        return max(-(-int(side) // limit) for side, limit in zip(image.shape[:2], limits, strict=True))

    def _canvases(self, images: Sequence[np.ndarray]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Groups of pictures with the same padded size: their rows and float32 (n, 3, H, W) in BGR, 0 to 255."""
        groups: dict[tuple[int, int], list[int]] = {}
        for row, image in enumerate(images):
            groups.setdefault(self._fixed or (_padded(image.shape[0]), _padded(image.shape[1])), []).append(row)
        for (height, width), rows in groups.items():
            count = 1 if self._fixed else max(1, PIXELS_A_RUN // (height * width))
            for start in range(0, len(rows), count):
                part = rows[start : start + count]
                yield part, _canvas([images[row] for row in part], height, width)

    def _faces(self, outputs: dict[str, np.ndarray], width: int, factor: int) -> list[Face]:
        scores, boxes, landmarks = decode(outputs, width, self.score_threshold)
        kept = without_overlaps(boxes, scores, self.nms_threshold)
        boxes, landmarks = boxes * np.float32(factor), landmarks * np.float32(factor)
        # YuNet gives the person's right eye first, which is the left one as seen in the picture: our order already.
        return [Face(box=boxes[k], score=float(scores[k]), landmarks=landmarks[k]) for k in kept]


def decode(outputs: dict[str, np.ndarray], width: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of the net that see a face: scores (n,), boxes x1 y1 x2 y2 (n, 4), landmarks (n, 5, 2), canvas pixels.

    `outputs` are the twelve outputs of one picture, each (cells, values); `width` is the width of the canvas.
    """
    parts = [_decode_stride(outputs, stride, width // stride, threshold) for stride in STRIDES]
    scores, boxes, landmarks = (np.concatenate(column) for column in zip(*parts, strict=True))
    real = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 1
    return scores[real], boxes[real], landmarks[real]


def _decode_stride(
    outputs: dict[str, np.ndarray], stride: int, columns: int, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    product = np.clip(outputs[f"cls_{stride}"][:, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][:, 0], 0, 1)
    cells = np.flatnonzero(product >= threshold * threshold)
    corner = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    regressed = outputs[f"bbox_{stride}"][cells]
    centre = (corner + regressed[:, :2]) * stride
    half = np.exp(regressed[:, 2:]) * (stride / 2)
    landmarks = (outputs[f"kps_{stride}"][cells].reshape(-1, 5, 2) + corner[:, None]) * stride
    return np.sqrt(product[cells]), np.concatenate([centre - half, centre + half], axis=1), landmarks


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    return image if factor == 1 else np.asarray(Image.fromarray(image).reduce(factor))


def _padded(length: int) -> int:
    return -(-length // STRIDES[-1]) * STRIDES[-1]


def _canvas(images: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    canvas = np.zeros((len(images), 3, height, width), np.float32)
    for plane, image in zip(canvas, images, strict=True):
        for channel in range(3):  # the net was trained on BGR: the one place where the planes trade places
            plane[2 - channel, : image.shape[0], : image.shape[1]] = image[:, :, channel]
    return canvas


def _fixed_size(session: ort.InferenceSession, path: Path) -> tuple[int, int] | None:
    """(height, width) where the file demands them, None where any size goes."""
    inputs, outputs = session.get_inputs(), {output.name for output in session.get_outputs()}
    shape = inputs[0].shape
    if len(inputs) != 1 or inputs[0].name != "input" or len(shape) != 4 or not outputs.issuperset(OUTPUTS):
        raise ModelError(
            f"{path} is no YuNet: it has the outputs {', '.join(sorted(outputs)[:4])}, a YuNet has {OUTPUTS[0]} to "
            f"{OUTPUTS[-1]}; get one with 'emolens models fetch yunet'"
        )
    return (shape[2], shape[3]) if isinstance(shape[2], int) and isinstance(shape[3], int) else None


def _check_options(score_threshold: float, nms_threshold: float, max_side: int | None) -> None:
    for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
        if not 0 < value <= 1:
            raise OptionError(f"{name} is {value}, needs to be above 0 and at most 1")
    if max_side is not None and max_side < STRIDES[-1]:
        raise OptionError(f"max_side is {max_side}, needs to be {STRIDES[-1]} pixels or more")
