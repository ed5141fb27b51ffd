"""Faces in the two framings that group systems learn from: SphereFace's by five points, and one by the eyes alone.

SphereFace (Liu et al. 2017) sees faces 112 high and 96 wide, turned, scaled and shifted until five points lie where
its authors put them. The hybrid group system kept faces on a canvas 96 high and 112 wide, the eyes level at 0.3 and 0.7
of its width and 0.3 of its height. Coordinates as in `emolens.faces.align`; a frame that reaches past the picture is
filled by repeating its edge, where the old systems left it black.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emolens.data.face_columns import ALIGNED, CANVAS
from emolens.faces.align import box_matrices, similarity, warp
from emolens.records import Face

SPHEREFACE_POINTS = np.array(
    [[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366], [33.5493, 92.3655], [62.7299, 92.2041]]
)
"""Left eye, right eye, nose, left and right mouth corner, in a frame of 96 x 112."""
EYES = np.array([[0.3 * CANVAS[1], 0.3 * CANVAS[0]], [0.7 * CANVAS[1], 0.3 * CANVAS[0]]])
"""Left and right eye on the canvas of 112 x 96: 44.8 px apart, 28.8 px below its top."""
SPHEREFACE_BOX = np.array([7.5, 10.3, 79.0, 105.8])
CANVAS_BOX = np.array([5.3, -24.3, 99.9, 132.1])
"""Where the box of MTCNN lies in each frame (x, y, w, h): medians over 144 faces of photos."""
GRID = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
"""Centres of the windows of a picture without a face, in shares of its width and height."""
GRID_AREA = CANVAS[0] * CANVAS[1] / (1920 * 1080)
"""Share of the picture that a window covers: the old system cut 112 x 96 px out of frames of 1920 x 1080."""


def sphereface_frames(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Each face of an RGB uint8 (H, W, 3) picture by five points: uint8 (F, 112, 96, 3)."""
    return _frames(image, _matrices(faces, slice(None), SPHEREFACE_POINTS, SPHEREFACE_BOX), ALIGNED)


def eye_frames(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Each face of an RGB uint8 (H, W, 3) picture by its eyes: uint8 (F, 96, 112, 3)."""
    return _frames(image, _matrices(faces, slice(2), EYES, CANVAS_BOX), CANVAS)


def grid_frames(image: np.ndarray) -> np.ndarray:
    """Four windows of an RGB uint8 (H, W, 3) picture without a face: uint8 (4, 96, 112, 3).

    Their centres are a quarter from the edges and their area is a fixed share, whatever the size of the picture; of
    1920 x 1080 pixels they are the very pixels that the old system cut out.
    """
    height, width = image.shape[:2]
    scale = math.sqrt(CANVAS[0] * CANVAS[1] / (GRID_AREA * width * height))
    half = np.array(CANVAS[::-1]) / 2
    shifts = half - scale * np.array(GRID) * (width, height)
    return _frames(image, np.array([[[scale, 0, x], [0, scale, y]] for x, y in shifts]), CANVAS)


def _frames(image: np.ndarray, matrices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    frames = np.empty((len(matrices), *size, 3), np.uint8)
    for frame, matrix in zip(frames, matrices, strict=True):
        frame[...] = warp(image, matrix, size)
    return frames


def _matrices(faces: Sequence[Face], which: slice, points: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Where the frames lie, float64 (F, 2, 3): by the points, or by the box where they are missing or have collapsed.

    Points have collapsed where they ask for less than half or more than twice the scale that the box asks for.
    """
    matrices = box_matrices(np.array([face.box for face in faces], np.float64).reshape(-1, 4), place)
    for row, face in enumerate(faces):
        if face.landmarks is not None:
            (by_points,) = similarity(face.landmarks[None, which].astype(np.float64), points)
            if 0.5 < math.hypot(*by_points[:, 0]) / matrices[row, 0, 0] < 2:
                matrices[row] = by_points
    return matrices
