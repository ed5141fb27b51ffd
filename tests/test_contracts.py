"""What holds for every detector, whatever is inside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from emolens.errors import LabelError
from emolens.faces import load_detector
from emolens.faces.detector import FaceDetector, FixedDetector
from emolens.records import Face

DATA = Path(os.environ.get("EMOLENS_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
YUNET = DATA.parent / "models" / "yunet_n_dynamic.onnx"
WITH_WEIGHTS = [
    "mtcnn",
    pytest.param("yunet", marks=pytest.mark.skipif(not YUNET.exists(), reason=f"{YUNET} is not there")),
]
made: dict[str, FaceDetector] = {
    "fixed": FixedDetector([Face(np.array([5, 5, 15, 20], np.float32), s) for s in (0.7, 0.9)])
}


@pytest.fixture(params=["fixed", *WITH_WEIGHTS])
def detector(request) -> FaceDetector:
    return detector_named(request.param)


@pytest.fixture(params=WITH_WEIGHTS)
def seeing(request) -> FaceDetector:
    return detector_named(request.param)


def detector_named(name: str) -> FaceDetector:
    if name not in made:
        made[name] = load_detector(str(YUNET) if name == "yunet" else name)
    return made[name]


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return pytest.importorskip("skimage.data").astronaut()


def boxes(faces: list[Face]) -> np.ndarray:
    return np.array([face.box for face in faces]).reshape(-1, 4)


def test_it_is_a_detector_and_says_its_name(detector):
    assert isinstance(detector, FaceDetector)
    assert detector.name in {"fixed", "mtcnn", "yunet"}


def test_faces_come_by_falling_score_in_checked_records(detector, astronaut):
    faces = detector.detect(astronaut)
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 and isinstance(score, float) for score in scores)
    assert all(face.box.dtype == np.float32 for face in faces)
    assert all(face.landmarks is None or face.landmarks.dtype == np.float32 for face in faces)


def test_a_batch_gives_what_each_picture_gives_alone(detector, astronaut):
    pictures = [astronaut, astronaut[:300], np.zeros((40, 200, 3), np.uint8), astronaut[::-1].copy(), astronaut]
    for alone, together in zip(map(detector.detect, pictures), detector.detect_batch(pictures), strict=True):
        np.testing.assert_allclose(boxes(alone), boxes(together), atol=1e-2)
        np.testing.assert_allclose([f.score for f in alone], [f.score for f in together], atol=1e-4)
    assert list(detector.detect_batch([])) == []


def test_the_picture_is_left_as_it_was(detector, astronaut):
    picture = astronaut.copy()
    picture.flags.writeable = False
    detector.detect(picture)
    np.testing.assert_array_equal(picture, astronaut)


def test_what_is_no_rgb_picture_is_refused(detector, astronaut):
    for wrong in (astronaut[..., 0], astronaut.astype(np.float32)):
        with pytest.raises(LabelError, match="uint8"):
            detector.detect(wrong)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 400), (400, 3), (90, 120)])
def test_nothing_is_found_where_nothing_is(seeing, size):
    for value in (0, 128, 255):
        assert seeing.detect(np.full((*size, 3), value, np.uint8)) == []


def test_the_astronaut_has_one_face_with_its_points_where_they_belong(seeing, astronaut):
    faces = [face for face in seeing.detect(astronaut) if face.score > 0.8]
    assert len(faces) == 1
    x1, y1, x2, y2 = faces[0].box
    assert 150 < x1 < 200 < 250 < x2 < 290  # her face, read off the picture
    assert 40 < y1 < 90 < 150 < y2 < 210
    left_eye, right_eye, nose, left_mouth, right_mouth = faces[0].landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_mirrored_picture_has_the_mirrored_face(seeing, astronaut):
    there, back = seeing.detect(astronaut)[0], seeing.detect(np.ascontiguousarray(astronaut[:, ::-1]))[0]
    width, side = astronaut.shape[1], there.box[2] - there.box[0]
    mirrored = np.array([width - back.box[2], back.box[1], width - back.box[0], back.box[3]])
    assert np.abs(mirrored - there.box).max() < 0.1 * side
    points = back.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [width, 0]  # left and right are as seen in the picture
    assert np.abs(points - there.landmarks).max() < 0.06 * side


def test_the_face_moves_and_grows_with_the_picture(seeing, astronaut):
    one = seeing.detect(astronaut)[0]
    crop = np.ascontiguousarray(astronaut[20:320, 60:400])
    side = one.box[2] - one.box[0]
    moved = np.array([60, 20, 60, 20])
    assert np.abs(seeing.detect(crop)[0].box + moved - one.box).max() < 0.1 * side
    twice = astronaut.repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(seeing.detect(twice)[0].box / 2 - one.box).max() < 0.15 * side
