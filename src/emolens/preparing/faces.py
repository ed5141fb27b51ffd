"""The faces of many pictures: found, cut out, aligned and described, a picture a core and in flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from emolens.data.face_columns import PictureFaces
from emolens.errors import InputError, OptionError
from emolens.faces.group_frames import eye_frames, grid_frames, sphereface_frames
from emolens.faces.mtcnn import AGAIN, CELL, MTCNN
from emolens.models.session import cores
from emolens.pictures.decoding import decode
from emolens.preparing.wanted import Wanted
from emolens.records import Face

AHEAD = 4
"""Pictures a core that are begun before the oldest is done, so that none waits for a large one."""
GlobalFeatures = Callable[[list[np.ndarray]], np.ndarray]


@dataclass(frozen=True, slots=True)
class Settings:
    """What faces are looked for.

    `min_face`: pixels of the smallest. `min_score`: least score of the last net; the hybrid group system had .8, as
    here. `grid`: cut windows out of pictures without a face.
    """

    min_face: int = 20
    min_score: float = 0.8
    grid: bool = False

    def __post_init__(self) -> None:
        if self.min_face < CELL:
            raise OptionError(f"--min-face is {self.min_face}, needs pixels, {CELL} or more")
        if not 0 < self.min_score < 1:
            raise OptionError(f"--min-score is {self.min_score}, needs more than 0 and less than 1")

    def about(self) -> dict[str, Any]:
        """The settings in JSON's terms, as a prepared folder keeps them, and what of the detector may change."""
        return {
            "detector": MTCNN.name,
            "second_look": list(AGAIN),  # folders of before it have none: mixed with it they would hold two detectors
            "min_face": self.min_face,
            "min_score": self.min_score,
            "grid": self.grid,
        }


def find_faces(
    wanted: Iterable[Wanted],
    settings: Settings | None = None,
    global_features: GlobalFeatures | None = None,
    workers: int | None = None,
) -> Iterator[PictureFaces]:
    """Each picture with its faces, in order; the detector is made once. What cannot be read has a status and no face.

    `global_features` gives float32 (N, D) for pictures. So many pictures as there are `workers`, by default the `cores`
    of this process, are read and looked at side by side, each by one thread from the file to the row: small nets gain
    little from two, and larger batches only wait for their last picture.
    """
    settings = settings or Settings()
    least = (0.7, min(0.7, settings.min_score), settings.min_score)
    detector = MTCNN(settings.min_face, thresholds=least, threads=1)
    count = workers or cores()
    pool = ThreadPoolExecutor(count, thread_name_prefix="emolens-faces")
    waiting: deque[Future[PictureFaces]] = deque()
    try:
        for one in wanted:
            waiting.append(pool.submit(_looked_at, one, detector, settings, global_features))
            if len(waiting) > AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a slow URL must not hold up the one who closes


def _looked_at(
    one: Wanted, detector: MTCNN, settings: Settings, global_features: GlobalFeatures | None
) -> PictureFaces:
    _, picture = decode(one.picture)
    if isinstance(picture, InputError):
        return _unread(one, picture)
    ((faces, features),) = detector.detect_with_features([picture])
    whole: dict[str, Any] = {"global_features": global_features([picture])[0]} if global_features else {}
    return cut_out(one, picture, faces, features, grid=settings.grid, **whole)


def cut_out(
    wanted: Wanted, picture: np.ndarray, faces: Sequence[Face], features: np.ndarray, grid: bool = False, **more: Any
) -> PictureFaces:
    """The row of one picture, RGB uint8 (H, W, 3), from its faces with landmarks and their features (F, 256)."""
    if grid and not faces:
        more["grid"] = grid_frames(picture)
    return row_of(
        wanted,
        faces,
        size=(picture.shape[1], picture.shape[0]),
        features=features,
        crops=tuple(crop(picture, face.box) for face in faces),
        aligned=sphereface_frames(picture, faces),
        canvas=eye_frames(picture, faces),
        **more,
    )


def row_of(wanted: Wanted, faces: Sequence[Face], **columns: Any) -> PictureFaces:
    """A row with what its faces, all with landmarks, say by themselves; `columns` are those that take more."""
    return PictureFaces(
        id=wanted.id,
        split=wanted.split,
        label=wanted.label,
        source=wanted.source,
        status="ok" if faces else "no_face",
        boxes=np.array([face.box for face in faces], np.float32).reshape(-1, 4),
        scores=np.array([face.score for face in faces], np.float32),
        landmarks=np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2),
        **columns,
    )


def crop(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What a box holds, cut off at the edges, at least one pixel: uint8 (h, w, 3), a copy."""
    left, top, right, bottom = crop_edges(picture.shape[1], picture.shape[0], box)
    held: np.ndarray = picture[top:bottom, left:right].copy()  # a view would keep the whole picture until it is written
    return held


def crop_edges(width: int, height: int, box: np.ndarray) -> tuple[int, int, int, int]:
    """The edges left, top, right, bottom of a box in whole pixels inside a picture."""
    most = np.array([width, height])
    low = np.clip(np.floor(box[:2]), 0, most - 1).astype(int)
    high = np.clip(np.ceil(box[2:]), low + 1, most).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _unread(wanted: Wanted, error: InputError) -> PictureFaces:
    message = str(error).encode("utf-8", "backslashreplace").decode()
    return PictureFaces(
        id=wanted.id, split=wanted.split, label=wanted.label, source=wanted.source, status=error.status, message=message
    )
