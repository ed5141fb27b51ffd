"""Faces prepared end to end: who is where, what belongs to whom, and the old layout there and back."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image
from typer.testing import CliRunner

from emolens.cli import app
from emolens.data.prepared_faces import read_prepared
from emolens.errors import DataError
from emolens.faces.group_frames import (
    EYES,
    SPHEREFACE_POINTS,
    eye_frames,
    grid_frames,
    sphereface_frames,
)
from emolens.faces.mtcnn import MTCNN
from emolens.faces.mtcnn_weights import read_weights
from emolens.preparing.object_arrays import read_npz
from emolens.records import Face
from fakes import linear_card, linear_model

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def gaf(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    """Five pictures in GAF's folders: one face, two faces, none, none, one."""
    root = tmp_path_factory.mktemp("gaf")
    head = astronaut[0:250, 90:340]
    two = np.concatenate([head, head[:, ::-1]], axis=1)
    empty = np.full((120, 160, 3), 90, np.uint8)
    pictures = {
        "train/Negative/neg_1": head, "train/Neutral/neu_1": two, "train/Positive/pos_1": empty,
        "val/Negative/neg_2": empty, "val/Neutral/neu_2": head, "val/Positive/pos_2": empty,
    }  # fmt: skip
    for name, pixels in pictures.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / f"{name}.png")
    return root


def run(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, [*map(str, arguments)], terminal_width=100)
    return answer.exit_code, answer.output


@pytest.fixture(scope="module")
def prepared(gaf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "faces"
    code, said = run("faces", gaf, "--out", out, "--grid", "--threads", 1)
    assert code == 0, said
    assert "4 faces in 3 of 6 pictures" in said
    return out


def test_features_are_those_from_which_the_score_of_their_own_box_was_made(astronaut: np.ndarray) -> None:
    head = astronaut[0:250, 90:340]
    picture = np.concatenate([head, head[:, ::-1], head[::2, ::2].repeat(2, 0)[:, :125]], axis=1)
    detector = MTCNN(threads=1)
    ((faces, features),) = detector.detect_with_features([picture])
    assert len(faces) >= 2
    heads = read_weights("onet")[-6:]
    kernel, bias = next((heads[i], heads[i + 1]) for i in (0, 2, 4) if heads[i + 1].size == 2)
    logits = features @ (kernel[:, 1] - kernel[:, 0]) + bias[1] - bias[0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), [face.score for face in faces], atol=1e-4)
    np.testing.assert_array_equal([f.box for f in detector.detect(picture)], [f.box for f in faces])


def test_points_go_where_sphereface_and_the_eyes_where_the_canvas_has_them() -> None:
    """Five white squares at 1.5 times the size, shifted: they come to lie on the reference points."""
    picture = np.zeros((300, 300, 3), np.uint8)
    for points, frames, which in ((SPHEREFACE_POINTS, sphereface_frames, slice(None)), (EYES, eye_frames, slice(2))):
        landmarks = np.zeros((5, 2), np.float32)
        landmarks[: len(points)] = points * 1.5 + [60, 70]
        marked = picture.copy()
        for x, y in landmarks[which].round().astype(int):
            marked[y - 2 : y + 2, x - 2 : x + 2] = 255
        box = np.array([60, 70, 60 + 144, 70 + 168], np.float32)
        (frame,) = frames(marked, [Face(box, 1.0, landmarks)])
        seen = frame[..., 0].astype(np.float64)
        for x, y in points:
            rows, columns = np.mgrid[int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6]
            weights = seen[rows, columns]
            centre = ((columns + 0.5) * weights).sum() / weights.sum(), ((rows + 0.5) * weights).sum() / weights.sum()
            np.testing.assert_allclose(centre, (x, y), atol=0.6)


def test_points_that_have_collapsed_give_way_to_the_box(astronaut: np.ndarray) -> None:
    box = np.array([175, 60, 265, 180], np.float32)
    one_spot = np.full((5, 2), 200, np.float32)
    frames = sphereface_frames(astronaut, [Face(box, 1.0, one_spot), Face(box, 1.0)])
    np.testing.assert_array_equal(frames[0], frames[1])
    assert frames.std() > 30
    assert sphereface_frames(astronaut, []).shape == (0, 112, 96, 3)
    assert eye_frames(astronaut, []).shape == (0, 96, 112, 3)


def test_the_grid_of_full_hd_is_what_the_old_system_cut_out() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    corners = [(424, 222), (1384, 222), (424, 762), (1384, 762)]
    for window, (x, y) in zip(grid_frames(picture), corners, strict=True):
        np.testing.assert_array_equal(window, picture[y : y + 96, x : x + 112])
    assert grid_frames(picture[:300, :200]).shape == (4, 96, 112, 3)


def test_gaf_folders_become_ids_splits_and_labels(prepared: Path, gaf: Path) -> None:
    found = read_prepared(prepared)
    assert found.counts == {
        "train/Negative/neg_1.png": 1, "train/Neutral/neu_1.png": 2, "train/Positive/pos_1.png": 0,
        "val/Negative/neg_2.png": 0, "val/Neutral/neu_2.png": 1, "val/Positive/pos_2.png": 0,
    }  # fmt: skip
    assert [found.label(name) for name in found.ids] == ["negative", "neutral", "positive"] * 2
    assert {split: len(ids) for split, ids in found.splits().items()} == {"train": 3, "val": 3}
    one = found.picture("train/Negative/neg_1.png")
    assert one.size == (250, 250)
    left, top, right, bottom = one.boxes[0]
    assert one.crops[0].shape[:2] == (np.ceil(bottom) - np.floor(top), np.ceil(right) - np.floor(left))
    np.testing.assert_array_equal(
        one.crops[0],
        np.asarray(Image.open(gaf / one.id))[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))],
    )
    assert len(one.grid) == 0
    assert len(found.grid("val/Negative/neg_2.png")) == 4


def test_global_features_are_one_projection_for_all(prepared: Path, gaf: Path, tmp_path: Path) -> None:
    found = read_prepared(prepared)
    same = [found.global_features(name) for name in ("train/Negative/neg_1.png", "val/Neutral/neu_2.png")]
    assert same[0].shape == (256,)
    np.testing.assert_allclose(*same, rtol=1e-4, atol=1e-5)  # one picture under two names
    other = found.global_features("val/Negative/neg_2.png")
    assert np.abs(same[0] - other).max() > 0.01
    run("faces", gaf / "val/Neutral", "--out", tmp_path / "again")
    np.testing.assert_allclose(
        read_prepared(tmp_path / "again").global_features("neu_2.png"), same[1], rtol=1e-4, atol=1e-5
    )


def test_a_run_that_was_killed_goes_on_and_ends_alike(prepared: Path, gaf: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(gaf / "train", tmp_path / "gaf" / "train")
    for name in ("val/Negative", "val/Neutral", "val/Positive"):
        (tmp_path / "gaf" / name).mkdir(parents=True)
    assert run("faces", tmp_path / "gaf", "--out", half, "--grid", "--threads", 1)[0] == 0
    (half / "faces.json").rename(half / "unfinished_faces.json")  # as a kill after the first part leaves it
    (half / ".part-00001.parquet.xyz").touch()
    shutil.rmtree(tmp_path / "gaf" / "val")
    shutil.copytree(gaf / "val", tmp_path / "gaf" / "val")
    assert run("faces", tmp_path / "gaf", "--out", half, "--grid", "--threads", 1)[0] == 0
    whole, mended = read_prepared(prepared), read_prepared(half)
    assert mended.ids == whole.ids
    for name in whole.ids:
        np.testing.assert_array_equal(mended.aligned(name), whole.aligned(name))
        np.testing.assert_allclose(mended.features(name), whole.features(name), atol=1e-4)
    code, said = run("faces", tmp_path / "gaf", "--out", half, "--min-face", 40)
    assert code == 2
    assert "begun with other settings" in said
    manifest = json.loads((half / "faces.json").read_text())
    del manifest["about"]["second_look"]  # as a version of emolens without it left it
    (half / "faces.json").write_text(json.dumps(manifest))
    code, said = run("faces", tmp_path / "gaf", "--out", half, "--grid")
    assert code == 2
    assert "second_look None there, [0.25, 0.1, 0.95] now" in " ".join(said.split())


def test_the_old_layout_there_and_back(prepared: Path, gaf: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert run("faces", gaf, "--out", old, "--layout", "legacy", "--threads", 1)[0] == 0
    with np.load(old / "FaceCoordinates/train/Neutral/neu_1.npz") as held:
        assert held["a"].shape == (2, 5)
        assert held["b"].shape == (2, 10)
    with np.load(old / "FaceCoordinates/val/Negative/neg_2.npz") as held:
        assert held["a"].tolist() == [0.0]  # what the old loaders know as no face
    with np.load(old / "FaceFeatures/train/Neutral/neu_1.npz") as held:
        assert held["a"].shape == (2, 256)
    with np.load(old / "GlobalFeatures/train/Neutral/neu_1.npz") as held:
        assert held["a"].shape == (1, 1, 256)
    assert Image.open(old / "AlignedCroppedImages/train/Neutral/neu_1_1.jpg").size == (112, 96)
    with np.load(old / "CroppedFaces/train/Neutral/neu_1.npz") as held, pytest.raises(ValueError, match="allow_pickle"):
        held["a"]
    code, said = run("data", "convert-legacy", old, "--out", new)
    assert (code, "4 faces in 3 of 6 pictures" in said) == (0, True), said
    before, after = read_prepared(prepared), read_prepared(new)
    assert after.counts == before.counts
    assert after.splits() == before.splits()
    for name in before.ids:
        np.testing.assert_allclose(after.boxes(name), before.boxes(name), atol=1e-3)
        np.testing.assert_allclose(after.landmarks(name), before.landmarks(name), atol=1e-3)
        np.testing.assert_allclose(after.features(name), before.features(name), atol=1e-3)
        np.testing.assert_allclose(after.global_features(name), before.global_features(name), atol=1e-3)
        for one, other in zip(after.crops(name), before.crops(name), strict=True):
            np.testing.assert_array_equal(one, other)
        near = np.abs(after.canvas(name).astype(int) - before.canvas(name))
        assert near.size == 0 or near.mean() < 3  # JPEG
    exact = tmp_path / "exact"
    assert run("data", "convert-legacy", old, "--out", exact, "--pictures", gaf)[0] == 0
    name = "train/Neutral/neu_1.png"
    np.testing.assert_allclose(read_prepared(exact).aligned(name).astype(int), before.aligned(name), atol=1)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickled_arrays_are_read_as_any_numpy_wrote_them(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(protocol)
    crops = np.empty(3, object)
    crops[0], crops[1] = rng.integers(0, 256, (5, 4, 3), np.uint8), rng.integers(0, 256, (300, 7, 3), np.uint8)
    crops[2] = crops[0]
    write_member(tmp_path / "x.npz", crops, protocol)
    back = read_npz(tmp_path / "x.npz")["a"]
    assert isinstance(back, list)
    for one, other in zip(back, crops, strict=True):
        np.testing.assert_array_equal(one, other)


def write_member(path: Path, array: np.ndarray, protocol: int) -> None:
    import io
    import zipfile

    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(array))
    out.write(pickle.dumps(array, protocol=protocol))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", out.getvalue())


def test_one_file_becomes_plain(tmp_path: Path) -> None:
    labels = np.array([0, 2, 1], object)
    names = np.array(["neg_1.jpg", "neu_1.jpg"], object)
    rows = np.empty(2, object)
    rows[0], rows[1] = np.arange(3, dtype=np.float32), np.ones(3, np.float32)
    np.savez(tmp_path / "old.npz", labels=labels, names=names, rows=rows, plain=np.arange(4))
    code, said = run("data", "convert-legacy", tmp_path / "old.npz", "--out", tmp_path / "new.npz")
    assert (code, "rows: (2, 3)" in said) == (0, True), said
    with np.load(tmp_path / "new.npz") as new:
        assert new["labels"].tolist() == [0, 2, 1]
        assert new["names"].tolist() == names.tolist()
        assert new["rows"].tolist() == [[0, 1, 2], [1, 1, 1]]
        assert new["plain"].tolist() == [0, 1, 2, 3]
    rows[1] = np.ones(4)
    np.savez(tmp_path / "ragged.npz", rows=rows)
    code, said = run("data", "convert-legacy", tmp_path / "ragged.npz", "--out", tmp_path / "x.npz")
    assert (code, "no plain array can" in said, (tmp_path / "x.npz").exists()) == (2, True, False)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_of_anything_else_is_refused_and_not_run(tmp_path: Path) -> None:
    held = np.empty(1, object)
    held[0] = Evil(tmp_path / "ran")
    write_member(tmp_path / "x.npz", held, 4)
    with pytest.raises(DataError, match="nothing in it was run"):
        read_npz(tmp_path / "x.npz")
    assert not (tmp_path / "ran").exists()
    (tmp_path / "y.npz").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"y\.npz"):
        read_npz(tmp_path / "y.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_damage_to_a_file_is_told_as_such(tmp_path: Path, save: Any) -> None:
    crops = np.empty(3, object)
    crops[:] = [np.zeros((at + 1, 2, 3), np.uint8) for at in range(3)]
    path, chance = tmp_path / "x.npz", np.random.default_rng(0)
    save(path, a=crops, b=np.arange(30.0))
    whole = path.read_bytes()
    told = []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[chance.integers(len(whole))] = chance.integers(256)
        path.write_bytes(damaged)
        try:
            read_npz(path)
        except DataError as error:
            told.append(str(error))
    assert len(told) > 100
    assert not [message for message in told if "\n" in message]


def test_bad_input_is_told_in_one_line(gaf: Path, tmp_path: Path) -> None:
    broken = tmp_path / "gaf"
    shutil.copytree(gaf, broken)
    shutil.rmtree(broken / "val" / "Neutral")
    code, said = run("faces", broken, "--out", tmp_path / "out")
    assert code == 2
    assert "val/Neutral: the folder is not there" in said.replace("\\", "/")
    assert len(said.strip().splitlines()) == 1
    (tmp_path / "empty").mkdir()
    for source, told in (("nothing", "no such file or folder"), ("empty", "a folder without a picture")):
        code, said = run("faces", tmp_path / source, "--out", tmp_path / "out2")
        assert (code, told in said, len(said.strip().splitlines())) == (2, True, 1)
    code, said = run("faces", gaf, "--out", tmp_path / "out2", "--min-face", "3")
    assert (code, "--min-face is 3" in said) == (2, True)
    assert not (tmp_path / "out2").exists()
    code, said = run("faces", gaf, "--out", tmp_path / "out3", "--layout", "leagcy")
    assert (code, "Did you mean 'legacy'" in said) == (2, True)
    faces_only = linear_model(tmp_path / "expression.onnx", linear_card())
    code, said = run("faces", gaf, "--out", tmp_path / "out4", "--model", faces_only)
    assert (code, "its card says task 'expression'" in said) == (2, True)
    assert not (tmp_path / "out4").exists()


def test_pictures_of_which_none_can_be_read_are_no_matter_of_small_faces(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_text("hello")
    code, said = run("faces", tmp_path / "in", "--out", tmp_path / "out", "--no-global-features", "--threads", 1)
    assert code == 2
    assert "1 could not be read" in said
    assert "--min-face" not in said


def test_a_number_of_threads_that_is_none_is_told_in_a_line(
    gaf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLENS_THREADS", "two")
    code, said = run("faces", gaf, "--out", tmp_path / "out", "--no-global-features")
    assert (code, len(said.strip().splitlines())) == (2, 1)
    assert "EMOLENS_THREADS is 'two', needs a number of threads" in said


@pytest.mark.parametrize("layout", ["parquet", "legacy"])
def test_a_picture_that_was_mended_is_looked_at_when_the_run_goes_on(
    layout: str, astronaut: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_text("hello")
    Image.fromarray(astronaut[0:250, 90:340]).save(tmp_path / "in" / "b.png")
    once = (
        "faces",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--layout",
        layout,
        "--no-global-features",
        "--threads",
        1,
    )
    for _ in range(2):  # told again as long as it is so
        code, said = run(*once)
        assert (code, "1 faces in 1 of 2 pictures" in said, "1 could not be read" in said) == (0, True, True), said
    Image.fromarray(astronaut[0:250, 90:340]).save(tmp_path / "in" / "a.png")
    code, said = run(*once)
    assert (code, "2 faces in 2 of 2 pictures" in said, "0 could not be read" in said) == (0, True, True), said


def test_one_layout_is_not_written_into_the_other(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "in" / "a.png")
    common = ("--no-global-features", "--threads", 1)
    for layout, other, told in (("parquet", "legacy", "faces as Parquet"), ("legacy", "parquet", "in the old layout")):
        out = tmp_path / layout
        assert run("faces", tmp_path / "in", "--out", out, "--layout", layout, *common)[0] == 1  # nobody in it
        code, said = run("faces", tmp_path / "in", "--out", out, "--layout", other, *common)
        assert (code, told in said) == (2, True), said
    legacy = tmp_path / "legacy"
    code, said = run("faces", tmp_path / "in", "--out", legacy, "--layout", "legacy", "--min-face", 30, *common)
    assert (code, "min_face 20 there, 30 now" in said) == (2, True)
    (legacy / "legacy.json").write_text("{")
    code, said = run("faces", tmp_path / "in", "--out", legacy, "--layout", "legacy", *common)
    assert (code, "legacy.json: not readable" in said) == (2, True)


def test_a_split_without_one_face_is_named(gaf: Path, tmp_path: Path) -> None:
    some = tmp_path / "gaf"
    shutil.copytree(gaf, some)
    (some / "val/Neutral/neu_2.png").unlink()
    (some / "val/Neutral/neu_3.jpg").write_bytes(b"no picture")
    code, said = run("faces", some, "--out", tmp_path / "out", "--no-global-features", "--threads", 1)
    assert code == 1
    assert "no face in any of the 3 pictures of val" in said
    assert "neu_3.jpg" in said
    about = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert (about["counts"]["unreadable"], about["counts"]["train: faces"]) == (1, 3)
