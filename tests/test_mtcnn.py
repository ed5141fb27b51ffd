"""The cascade against arithmetic written out, and against what is known of the pictures it sees."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import skimage.data
from PIL import Image

from emolens.errors import OptionError
from emolens.faces import MTCNN
from emolens.faces import mtcnn as cascade
from emolens.faces.boxes import containment, squared, without_contained
from emolens.faces.mtcnn_graphs import POOLS, build_graphs
from emolens.faces.mtcnn_weights import cache_folder, load_graphs, read_weights
from emolens.records import Face


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOLENS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def detector(home: None) -> MTCNN:
    return MTCNN(threads=1)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


def pasted(astronaut: np.ndarray, side: int, x: int, y: int) -> np.ndarray:
    """The astronaut's head, 210 px square with the face from (58, 38) to (150, 155), at `side` px on grey."""
    head = Image.fromarray(astronaut[20:230, 120:330]).resize((side, side), Image.Resampling.LANCZOS)
    picture = np.full((260, 420, 3), 90, np.uint8)
    picture[y : y + side, x : x + side] = np.asarray(head)
    return picture


def the_face(faces: list[Face]) -> Face:
    assert len(faces) == 1
    return faces[0]


def assert_same(ours: list[Face], theirs: list[Face]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.box, other.box, atol=0.05)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.05)
        assert one.score == pytest.approx(other.score, abs=1e-4)


# The nets, written out with numpy: no folding, no reordering.


def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x (H, W, I), kernel (h, w, I, O), as the wheel keeps it."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    return np.einsum("abihw,hwio->abo", windows, kernel) + bias


def activated(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, x * slope.reshape(-1))


def pooled(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    rows, columns = (math.ceil(max(0, side - size) / stride) + 1 for side in x.shape[:2])
    out = [
        [x[i * stride : i * stride + size, j * stride : j * stride + size].max((0, 1)) for j in range(columns)]
        for i in range(rows)
    ]
    return np.array(out)


def trunk(net: str, pixels: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    weights, x = read_weights(net), (pixels.astype(np.float64) - 127.5) / 128
    for pool in POOLS[net]:
        kernel, bias, slope, *weights = weights
        x = activated(convolved(x, kernel, bias), slope)
        x = x if pool is None else pooled(x, *pool)
    return x, weights


def face_share(logits: np.ndarray) -> np.ndarray:
    """Softmax over (not a face, face), the second."""
    e = np.exp(logits)
    return e[..., 1] / e.sum(axis=-1)


def opened(name: str) -> ort.InferenceSession:
    return ort.InferenceSession(build_graphs(read_weights)[name], providers=["CPUExecutionProvider"])


def test_pnet_is_the_net_of_the_weights():
    pixels = np.random.default_rng(0).integers(0, 256, (23, 30, 3))
    x, (shift, shift_bias, face, face_bias) = trunk("pnet", pixels)
    planes = pixels.transpose(2, 0, 1)[None].astype(np.float32)
    cells = opened("pnet").run(None, {"planes": planes, "size": np.array(planes.shape)})[0][0]
    np.testing.assert_allclose(cells[1:].transpose(1, 2, 0), convolved(x, shift, shift_bias), atol=2e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-cells[0])), face_share(convolved(x, face, face_bias)), atol=2e-5)


@pytest.mark.parametrize(("net", "side"), [("rnet", 24), ("onet", 48)])
def test_rnet_and_onet_are_the_nets_of_the_weights(net: str, side: int):
    pixels = np.random.default_rng(1).integers(0, 256, (2, side, side, 3))
    answers = opened(net).run(None, {"crops": pixels.transpose(0, 3, 1, 2).astype(np.float32)})[0]
    for one, answer in zip(pixels, answers, strict=True):
        x, (dense, bias, slope, *heads) = trunk(net, one)
        hidden = activated(x.transpose(1, 0, 2).reshape(-1) @ dense + bias, slope)  # features flattened with x first
        outputs = [hidden @ heads[i] + heads[i + 1] for i in range(0, len(heads), 2)]
        np.testing.assert_allclose(answer[1:], np.concatenate(outputs[:-1]), atol=2e-5)
        assert 1 / (1 + np.exp(-answer[0])) == pytest.approx(face_share(outputs[-1]), abs=2e-5)


def test_crops_are_cut_at_the_edges_of_pixels():
    planes = np.arange(48 * 48 * 3, dtype=np.float32).reshape(1, 3, 48, 48)
    box = np.array([[8, 4, 32, 28]], np.float32)  # 24 px: each sample falls on the centre of a pixel
    crop = opened("crop24").run(None, {"planes": planes, "boxes": box, "pictures": np.zeros(1, np.int64)})[0]
    np.testing.assert_allclose(crop[0], planes[0, :, 4:28, 8:32])


# What is known of the pictures.


def test_the_astronaut_has_one_face_and_it_is_where_it_is(detector: MTCNN, astronaut: np.ndarray):
    face = the_face(detector.detect(astronaut))
    assert face.score > 0.99
    np.testing.assert_allclose(face.box, [178, 58, 270, 175], atol=12)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    np.testing.assert_allclose(left_eye, [204, 101], atol=6)
    np.testing.assert_allclose(right_eye, [247, 103], atol=6)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_mirrored_picture_has_mirrored_landmarks(detector: MTCNN, astronaut: np.ndarray):
    face = the_face(detector.detect(astronaut))
    mirrored = the_face(detector.detect(np.ascontiguousarray(astronaut[:, ::-1])))
    expected = face.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [astronaut.shape[1], 0]
    np.testing.assert_allclose(mirrored.landmarks, expected, atol=6)


def test_red_and_blue_are_told_apart(detector: MTCNN, astronaut: np.ndarray):
    right, swapped = detector.detect(astronaut), detector.detect(np.ascontiguousarray(astronaut[..., ::-1]))
    assert [face.score for face in right] != [face.score for face in swapped]
    assert right[0].score > swapped[0].score


@pytest.mark.parametrize(("side", "x", "y"), [(60, 300, 180), (100, 20, 30), (200, 150, 40)])
def test_a_face_is_found_where_it_was_pasted(detector: MTCNN, astronaut: np.ndarray, side: int, x: int, y: int):
    face = the_face(detector.detect(pasted(astronaut, side, x, y)))
    expected = np.array([58, 38, 150, 155]) * side / 210 + [x, y, x, y]
    np.testing.assert_allclose(face.box, expected, atol=0.08 * side)


def blurred(astronaut: np.ndarray) -> np.ndarray:
    """A grey head of 48 px blown up to 126 px on grey, its face from (160, 58) to (256, 176)."""
    head = Image.fromarray(astronaut[30:170, 170:270]).convert("L").resize((48, 48), Image.Resampling.BICUBIC)
    picture = np.full((260, 420, 3), 90, np.uint8)
    picture[40:166, 150:276] = np.asarray(head.resize((126, 126), Image.Resampling.BICUBIC))[:, :, None]
    return picture


def test_a_large_face_that_the_first_look_missed_is_found(
    detector: MTCNN, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    face = the_face(detector.detect(blurred(astronaut)))
    assert face.score > 0.95
    np.testing.assert_allclose(face.box, [160, 58, 256, 176], atol=16)
    sure = round(face.score + 5e-5, 5)  # a caller who asks for more than the second look does is heard
    assert MTCNN(threads=1, thresholds=(0.7, 0.7, sure)).detect(blurred(astronaut)) == []
    monkeypatch.setattr(cascade, "LARGE", 0)
    assert detector.detect(blurred(astronaut)) == []


def test_the_second_look_takes_nothing_away(detector: MTCNN, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    picture = blurred(astronaut)
    picture[:, 280:] = pasted(astronaut, 130, 285, 120)[:, 280:]
    both = [face.box.tolist() for face in detector.detect(picture)]
    monkeypatch.setattr(cascade, "LARGE", 0)
    first = [face.box.tolist() for face in detector.detect(picture)]
    assert [len(first), len(both)] == [1, 2]
    assert first[0] in both


def test_faces_below_the_smallest_are_not_looked_for(detector: MTCNN, astronaut: np.ndarray):
    picture = pasted(astronaut, 60, 100, 100)  # a face of 33 px
    assert len(detector.detect(picture)) == 1
    assert MTCNN(min_face_size=60, threads=1).detect(picture) == []


def test_thresholds_only_take_away(detector: MTCNN, astronaut: np.ndarray):
    strict = MTCNN(thresholds=(0.6, 0.7, 0.999999), threads=1)
    assert strict.detect(astronaut) == []
    assert all(face.score > 0.7 for face in detector.detect(astronaut))


def test_a_large_picture_is_averaged_down_and_its_boxes_are_its_own(detector: MTCNN, astronaut: np.ndarray):
    small = MTCNN(max_side=512, threads=1).detect(astronaut.repeat(2, axis=0).repeat(2, axis=1))
    expected = the_face(detector.detect(astronaut))
    np.testing.assert_allclose(the_face(small).box, expected.box * 2, atol=0.1)
    np.testing.assert_allclose(small[0].landmarks, expected.landmarks * 2, atol=0.1)


def test_a_batch_of_mixed_sizes_is_the_same_as_one_by_one(detector: MTCNN, astronaut: np.ndarray):
    pictures = [astronaut, np.zeros((5, 5, 3), np.uint8), pasted(astronaut, 100, 20, 30), astronaut[40:300, 100:400]]
    for ours, theirs in zip(detector.detect_batch(pictures), map(detector.detect, pictures), strict=True):
        assert_same(ours, theirs)
    assert detector.detect_batch([]) == []


def test_a_batch_is_cut_up_without_a_trace(detector: MTCNN, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    pictures = [astronaut, astronaut[::-1].copy(), pasted(astronaut, 80, 5, 5)]
    whole = detector.detect_batch(pictures)
    monkeypatch.setattr(cascade, "PIXELS_A_RUN", 1)
    monkeypatch.setattr(cascade, "CROPS_A_RUN", {"rnet": 3, "onet": 3})
    for ours, theirs in zip(detector.detect_batch(pictures), whole, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (11, 11), (12, 12), (20, 20), (13, 3000), (3000, 12), (97, 31)])
@pytest.mark.parametrize("noise", [False, True])
def test_pictures_without_faces_are_no_error(detector: MTCNN, size: tuple[int, int], noise: bool):
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (*size, 3), np.uint8) if noise else np.zeros((*size, 3), np.uint8)
    assert detector.detect(picture) == []


def test_a_picture_that_is_a_view_is_read_as_it_is(detector: MTCNN, astronaut: np.ndarray):
    turned = np.rot90(astronaut, 4)[::1, :, ::-1][..., ::-1]
    turned.flags.writeable = False
    assert_same(detector.detect(turned), detector.detect(astronaut))


@pytest.mark.parametrize(
    "options",
    [
        {"min_face_size": 11}, {"min_face_size": math.inf}, {"factor": 1}, {"factor": 0}, {"thresholds": (0.6, 0.7)},
        {"thresholds": (0.6, 0.7, 1)}, {"max_side": 10}, {"min_face_size": math.nan},
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, object]):
    with pytest.raises(OptionError, match=next(iter(options))):
        MTCNN(**options)


# The cache of graphs.


def test_graphs_are_built_once_and_a_damaged_cache_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path))
    built = load_graphs()
    monkeypatch.setattr("emolens.faces.mtcnn_graphs.build_graphs", None)  # would raise if it were built again
    assert load_graphs() == built
    assert sorted(path.stem for path in cache_folder().glob("*.onnx")) == sorted(built)
    monkeypatch.undo()
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path))
    flipped = bytearray(built["rnet"])
    flipped[len(flipped) // 2] ^= 1  # among the weights: it would open, run and answer something else
    for content in (b"half a fi", bytes(flipped), built["onet"]):
        (cache_folder() / "rnet.onnx").write_bytes(content)
        assert MTCNN(threads=1).detect(np.zeros((30, 30, 3), np.uint8)) == []
        assert load_graphs() == built


def test_a_cache_that_cannot_be_written_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path / "file" / "home"))
    assert MTCNN(threads=1).detect(np.zeros((30, 30, 3), np.uint8)) == []


def test_the_package_of_the_weights_is_never_imported(detector: MTCNN):
    assert "mtcnn" not in sys.modules
    assert "tensorflow" not in sys.modules


# Arithmetic on boxes, by hand.


def test_squares_keep_their_centres():
    assert squared(np.array([[0, 0, 4, 10], [1, 1, 7, 3]], np.float32)).tolist() == [[-3, 0, 7, 10], [1, -1, 7, 5]]
    assert squared(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_a_box_inside_another_goes_and_a_neighbour_stays():
    boxes = np.array([[0, 0, 10, 10], [2, 2, 6, 6], [8, 0, 18, 10]], np.float32)
    np.testing.assert_allclose(containment(boxes, boxes)[0], [1, 1, 0.2], atol=1e-6)
    assert without_contained(boxes, np.array([0.5, 0.9, 0.7]), 0.7) == [1, 2]
    assert without_contained(boxes, np.array([0.9, 0.5, 0.7]), 0.7) == [0, 2]
