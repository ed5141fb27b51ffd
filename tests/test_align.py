"""Alignment against hand arithmetic, scikit-image's estimator and pictures whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emolens.faces.align import box_matrices, frame_faces, frame_matrices, similarity, warp
from emolens.models.card import Framing
from emolens.records import Face

POINTS = np.array([[0.33, 0.38], [0.69, 0.38], [0.5, 0.6], [0.36, 0.8], [0.66, 0.8]])
FRAMING = Framing(
    source="made up",
    n=1,
    points={"default": POINTS.tolist(), "turned": (POINTS[:, ::-1]).tolist()},
    box={"default": (0.1, 0.0, 0.8, 1.0)},
)


def moved(points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + shift


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(st.floats(-3.1, 3.1), st.floats(0.5, 400), st.floats(-900, 900), st.floats(-900, 900))
def test_a_similarity_is_undone(angle: float, scale: float, x: float, y: float) -> None:
    seen = moved(POINTS, angle, scale, (x, y))
    (matrix,) = similarity(seen[None], POINTS * 48)
    assert apply(matrix, seen) == pytest.approx(POINTS * 48, abs=1e-6)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx((48 / scale) ** 2)


def test_agrees_with_scikit_image() -> None:
    transform = pytest.importorskip("skimage.transform")
    noisy = moved(POINTS, 0.4, 90, (40, 70)) + np.random.default_rng(0).normal(0, 6, (7, 5, 2))
    for seen, matrix in zip(noisy, similarity(noisy, POINTS * 48), strict=True):
        reference = transform.SimilarityTransform.from_estimate(seen, POINTS * 48)
        assert matrix == pytest.approx(reference.params[:2], abs=1e-9)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    (matrix,) = similarity((POINTS * [-1, 1])[None], POINTS)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_box_by_hand() -> None:
    (matrix,) = box_matrices(np.array([[100.0, 50.0, 180.0, 150.0]]), np.array([0.1, 0.0, 0.8, 1.0]) * 50)
    assert matrix == pytest.approx(np.array([[0.5, 0, 25 - 70], [0, 0.5, 25 - 50]]))  # centre (140, 100) to (25, 25)


def test_identity_gives_the_picture_back() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    assert (warp(picture, np.eye(2, 3), (40, 30)) == picture).all()


def test_a_shift_by_whole_pixels_is_exact_and_repeats_the_edge() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    shifted = warp(picture, np.array([[1.0, 0, 5], [0, 1, 0]]), (20, 20))
    assert (shifted[:, 5:] == picture[:, :15]).all()
    assert (shifted[:, :5] == picture[:, :1]).all()


def test_a_frame_outside_the_picture_is_its_edge() -> None:
    picture = np.full((8, 8, 3), 7, np.uint8)
    picture[:, -1] = 200
    assert (warp(picture, np.array([[1.0, 0, -100], [0, 1, 0]]), (6, 6)) == 200).all()


@pytest.mark.parametrize("scale", [1.8, 2.0, 2.7, 3.3, 3.9, 6.25, 11.0])
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_shrinking_does_not_alias(scale: float, angle: float) -> None:
    """Stripes one pixel wide are finer than the frame can show: they must become grey."""
    side = int(60 * scale)
    picture = np.zeros((side, side, 3), np.uint8)
    picture[:, ::2] = 255
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    centre = np.array([24, 24]) - turn @ [side / 2, side / 2]
    view = warp(picture, np.column_stack([turn, centre]), (48, 48))
    assert abs(view.astype(float) - 127.5).max() < 40


@pytest.mark.parametrize("scale", [2, 4, 6])
def test_shrinking_by_a_whole_factor_is_near_pillow(scale: int) -> None:
    picture = pytest.importorskip("skimage.data").astronaut()[: 48 * scale, 96 : 96 + 48 * scale]
    reference = np.asarray(Image.fromarray(picture).resize((48, 48), Image.Resampling.LANCZOS))
    ours = warp(picture, np.eye(2, 3) / scale, (48, 48))
    assert np.abs(ours.astype(float) - reference).mean() < 2.5


def test_growing_is_near_pillow() -> None:
    small = pytest.importorskip("skimage.data").astronaut()[60:100, 200:240]
    reference = np.asarray(Image.fromarray(small).resize((160, 160), Image.Resampling.BICUBIC))
    ours = warp(small, np.array([[4.0, 0, 0], [0, 4, 0]]), (160, 160))
    assert np.abs(ours.astype(float) - reference).mean() < 1.5


def test_colour_stays_and_grey_is_pillows() -> None:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[..., 0], picture[..., 2] = 200, 40
    face = Face(np.float32([10, 0, 90, 100]), 1.0)
    (colour,) = frame_faces(picture, [face], FRAMING, 48)
    assert (colour == [200, 0, 40]).all()
    (grey,) = frame_faces(picture, [face], FRAMING, 48, grey=True)
    assert grey.shape == (48, 48)
    assert (grey == np.asarray(Image.fromarray(picture).convert("L"))[0, 0]).all()


def test_landmarks_place_the_face_and_the_box_stands_in() -> None:
    seen = moved(POINTS, 0.2, 130, (300, 200)).astype(np.float32)
    box = np.float32([310, 200, 414, 330])
    with_points, without = Face(box, 1.0, seen), Face(box, 1.0)
    first, second = frame_matrices([with_points, without], FRAMING, 96)
    assert apply(first, seen) == pytest.approx(POINTS * 96, abs=1e-3)
    assert apply(second, box.reshape(2, 2)) == pytest.approx(np.array([[9.6, 0], [86.4, 96]]), abs=1e-3)


def test_each_detector_has_its_own_framing() -> None:
    face = Face(np.float32([0, 0, 80, 100]), 1.0, (POINTS * 100).astype(np.float32))
    default, turned, unknown = (frame_matrices([face], FRAMING, 48, name)[0] for name in ("default", "turned", "else"))
    assert (default == unknown).all()
    assert np.abs(default - turned).max() > 0.1


def test_a_turned_face_comes_out_upright() -> None:
    picture = pytest.importorskip("skimage.data").astronaut()
    eyes = np.float32([[203, 104], [247.5, 104.5], [224, 127.7], [204, 143], [243, 143.7]])
    face = Face(np.float32([178, 65, 269, 176]), 1.0, eyes)
    rotated = np.asarray(Image.fromarray(picture).rotate(30, Image.Resampling.BICUBIC))
    turn = np.deg2rad(-30)  # Pillow turns against the clock, y points down
    there = moved(eyes - 256, turn, 1.0, (256, 256)).astype(np.float32)
    (upright,), (again,) = (
        frame_faces(p, [f], FRAMING, 48, grey=True)
        for p, f in ((picture, face), (rotated, replace(face, landmarks=there)))
    )
    assert np.abs(upright.astype(float) - again).mean() < 4


def test_no_faces_give_an_empty_batch() -> None:
    assert frame_faces(np.zeros((9, 9, 3), np.uint8), [], FRAMING, 48).shape == (0, 48, 48, 3)
    assert frame_faces(np.zeros((9, 9, 3), np.uint8), [], FRAMING, 48, grey=True).shape == (0, 48, 48)


def test_landmarks_that_coincide_fall_back_to_the_box() -> None:
    box = np.float32([10, 0, 90, 100])
    collapsed = Face(box, 1.0, np.full((5, 2), 50, np.float32))
    first, second = frame_matrices([collapsed, Face(box, 1.0)], FRAMING, 48)
    assert first == pytest.approx(second)
