"""The protocol, its stand-in, and detectors by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emolens.errors import LabelError, ModelError, NotFetched, NotFound, OptionError, UnknownName
from emolens.faces import DETECTORS, MTCNN, FaceDetector, FixedDetector, load_detector
from emolens.records import Face

PICTURE = np.zeros((30, 40, 3), np.uint8)


def face(score: float) -> Face:
    return Face(np.array([1, 2, 11, 22], np.float32), score)


def test_fixed_faces_come_by_falling_score_for_every_picture():
    detector = FixedDetector([face(0.2), face(0.9), face(0.5)])
    assert isinstance(detector, FaceDetector)
    assert [one.score for one in detector.detect(PICTURE)] == [0.9, 0.5, 0.2]
    assert [len(faces) for faces in detector.detect_batch([PICTURE, PICTURE[:5]])] == [3, 3]
    assert FixedDetector().detect(PICTURE) == []


@pytest.mark.parametrize("picture", [PICTURE[..., 0], PICTURE / 2, PICTURE[:0], PICTURE[..., [0, 1, 2, 0]]])
def test_what_is_no_rgb_picture_is_refused(picture: np.ndarray):
    with pytest.raises(LabelError, match="RGB uint8"):
        FixedDetector().detect(picture)


def test_auto_is_mtcnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path))
    for name in ("auto", "mtcnn"):
        detector = load_detector(name, threads=1)
        assert isinstance(detector, MTCNN)
        assert isinstance(detector, FaceDetector)
        assert detector.name == "mtcnn"
    assert "auto" in DETECTORS


def test_smallest_face_of_the_caller_reaches_mtcnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path))
    assert load_detector("mtcnn", min_face=64, threads=1).min_face_size == 64
    assert load_detector("mtcnn", min_face=3, threads=1).min_face_size == 12  # what a cell of PNet sees


def test_unknown_names_get_a_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'mtcnn'"):
        load_detector("mtcn")
    with pytest.raises(OptionError, match="Did you mean 'min_face_size'"):
        load_detector("mtcnn", min_face_sise=20)


def test_yunet_needs_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path))
    with pytest.raises(NotFetched, match="emolens models fetch yunet"):
        load_detector("yunet")
    with pytest.raises(NotFound, match="no such file"):
        load_detector(str(tmp_path / "absent.onnx"))
    (tmp_path / "wrong.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"wrong\.onnx"):
        load_detector("yunet", path=tmp_path / "wrong.onnx")


def test_a_yunet_file_is_a_detector(shared_data: Path):
    path = shared_data.parent / "models" / "yunet_n_dynamic.onnx"
    if not path.is_file():
        pytest.skip("the YuNet file is not beside the real data")
    for detector in (load_detector(str(path)), load_detector("yunet", path=path, min_face=30)):
        assert isinstance(detector, FaceDetector)
        assert detector.name == "yunet"
