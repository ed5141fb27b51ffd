"""Faces cut out of a picture in the framing that a model was trained on.

Coordinates are continuous: the pixel in row r and column c covers r to r + 1 and c to c + 1. A matrix (2, 3) takes a
point of the picture to a point of the frame, both in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from emolens.records import Face

if TYPE_CHECKING:
    from emolens.models.card import Framing


def frame_faces(
    image: np.ndarray,
    faces: Sequence[Face],
    framing: Framing,
    size: int,
    grey: bool = False,
    detector: str = "default",
) -> np.ndarray:
    """Each face of an RGB uint8 (H, W, 3) picture as the model knows faces: uint8 (F, size, size, 3).

    `detector` names who found the faces, for the part of the framing that was measured with it; a detector that was
    not measured gets the part called `default`. `grey` gives (F, size, size), Pillow's `L` of RGB (ITU-R 601). A frame
    that reaches past the picture is filled by repeating the pixels at the edge.
    """
    shape = (len(faces), size, size) if grey else (len(faces), size, size, 3)
    frames = np.empty(shape, np.uint8)
    for frame, matrix in zip(frames, frame_matrices(faces, framing, size, detector), strict=True):
        frame[...] = warp(image, matrix, (size, size), grey)
    return frames


def frame_matrices(faces: Sequence[Face], framing: Framing, size: int, detector: str = "default") -> np.ndarray:
    """Where the frame of each face lies, float64 (F, 2, 3): by five points, or else by the box.

    The box stands in where there are no points, and where they ask for a frame of less than half or more than twice
    its size: such points have collapsed.
    """
    points = np.array(framing.points.get(detector, framing.points["default"]), np.float64) * size
    place = np.array(framing.box.get(detector, framing.box["default"]), np.float64) * size
    matrices = box_matrices(np.array([face.box for face in faces], np.float64).reshape(-1, 4), place)
    for row, face in enumerate(faces):
        if face.landmarks is not None:
            (by_points,) = similarity(face.landmarks[None].astype(np.float64), points)
            if 0.5 < math.hypot(*by_points[:, 0]) / matrices[row, 0, 0] < 2:
                matrices[row] = by_points
    return matrices


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that take each of `source` (N, 5, 2) nearest to `target` (5, 2): float64 (N, 2, 3).

    Least squares (Umeyama, PAMI 13, 1991). In the plane a similarity is z -> a z + b over the complex numbers, where
    both are a plain regression and no mirror image can come out. Points that coincide give a scale of zero.
    """
    moving, fixed = source[..., 0] + 1j * source[..., 1], target[..., 0] + 1j * target[..., 1]
    mean, aim = moving.mean(axis=-1, keepdims=True), fixed.mean()
    spread = (np.abs(moving - mean) ** 2).sum(axis=-1)
    turn = ((moving - mean).conj() * (fixed - aim)).sum(axis=-1) / np.maximum(spread, 1e-12)
    return _matrices(turn, aim - turn * mean[..., 0])


def box_matrices(boxes: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Scale and shift that put each box (N, 4) x1 y1 x2 y2 at `place` (x, y, w, h): float64 (N, 2, 3).

    The shape of faces differs, that of the frame does not: centre and area agree, the sides only on average.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    scale = np.sqrt(place[2] * place[3] / sides.prod(axis=1))
    shift = place[:2] + place[2:] / 2 - scale[:, None] * (boxes[:, :2] + sides / 2)
    return _matrices(scale.astype(np.complex128), shift[:, 0] + 1j * shift[:, 1])


def _matrices(turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    top = np.stack([turn.real, -turn.imag, shift.real], axis=-1)
    return np.stack([top, np.stack([turn.imag, turn.real, shift.imag], axis=-1)], axis=-2)


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], grey: bool = False) -> np.ndarray:
    """The picture seen through `matrix` (2, 3): uint8 (h, w, 3), or (h, w) where `grey` or the picture is (H, W).

    A shrinking view averages over the pixels that it leaves out: first by a whole factor, then by two samples a pixel
    each way, so that fine texture turns to grey and not to moire.
    """
    height, width = size
    back = _inverse(matrix)
    scale = np.sqrt(abs(np.linalg.det(back[:, :2])))  # pixels of the picture per pixel of the frame
    samples = 2 if scale > 1 else 1
    factor = max(1, math.ceil(scale / samples - 0.25))
    patch, corner = _patch(image, back, size, margin=2 * factor + 2)
    source = Image.fromarray(patch)
    if grey and patch.ndim == 3:
        source = source.convert("L")
    source = source.reduce(factor) if factor > 1 else source
    linear, shift = back[:, :2] / (factor * samples), (back[:, 2] - corner) / factor
    coefficients = tuple(np.column_stack([linear, shift]).ravel().tolist())
    wide = (width * samples, height * samples)
    view = source.transform(wide, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    return np.asarray(view.reduce(samples) if samples > 1 else view)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def _patch(image: np.ndarray, back: np.ndarray, size: tuple[int, int], margin: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture under the frame, its edge repeated beyond the picture, and where (x, y) it begins."""
    height, width = size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ back[:, :2].T + back[:, 2]
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    high = np.ceil(corners.max(axis=0)).astype(int) + margin
    if (low >= 0).all() and (high <= image.shape[1::-1]).all():
        return image[low[1] : high[1], low[0] : high[0]], low
    rows = np.clip(np.arange(low[1], high[1]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(low[0], high[0]), 0, image.shape[1] - 1)
    return image[rows[:, None], columns], low
