"""Prepared faces: what goes into the Parquet form comes out of it, and nobody is made up."""

from __future__ import annotations

import json

import numpy as np
import pytest

from emolens.data.face_columns import PictureFaces
from emolens.data.face_parts import FacesWriter
from emolens.data.prepared_faces import face_set, iterate_prepared, read_prepared
from emolens.errors import DataError, LabelError, OutputError

pytest.importorskip("pyarrow")
ARRAYS = ("boxes", "scores", "landmarks", "features", "global_features", "aligned", "canvas", "grid")


def picture(name: str, faces: int, seed: int = 0, **more) -> PictureFaces:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, shape, dtype=np.uint8)

    return PictureFaces(
        id=name,
        size=(640, 480),
        boxes=rng.random((faces, 4), np.float32),
        scores=rng.random(faces, np.float32),
        landmarks=rng.random((faces, 5, 2), np.float32),
        features=rng.random((faces, 256), np.float32),
        crops=tuple(some(20 + i, 16 + i, 3) for i in range(faces)),
        aligned=some(faces, 112, 96, 3),
        canvas=some(faces, 96, 112, 3),
        **{"status": "ok" if faces else "no_face", **more},
    )


def write(folder, *pictures: PictureFaces, about=None) -> None:
    with FacesWriter(folder, about or {"detector": "mtcnn"}) as writer:
        for one in pictures:
            writer.add(one)


def same(one: PictureFaces, other: PictureFaces) -> None:
    for name in ("id", "split", "label", "source", "status", "message", "size"):
        assert getattr(one, name) == getattr(other, name)
    for name in ARRAYS:
        there, back = getattr(one, name), getattr(other, name)
        assert there.dtype == back.dtype
        np.testing.assert_array_equal(there, back)
    assert len(one.crops) == len(other.crops)
    for there, back in zip(one.crops, other.crops, strict=True):
        np.testing.assert_array_equal(there, back)


def test_what_is_written_is_read_in_any_order(tmp_path):
    grid = np.full((4, 96, 112, 3), 7, np.uint8)
    given = [
        picture("train/Negative/neg_1.jpg", 3, 1, split="train", label="negative", source="a/neg_1.jpg"),
        picture("train/Positive/pos_1.jpg", 0, 2, split="train", label="positive", grid=grid),
        picture("val/Neutral/neu_1.jpg", 20, 3, split="val", global_features=np.arange(256, dtype=np.float32)),
    ]
    write(tmp_path, *given)
    prepared = read_prepared(tmp_path)
    assert prepared.ids == tuple(one.id for one in given)
    for one in reversed(given):
        same(one, prepared.picture(one.id))
        np.testing.assert_array_equal(prepared.boxes(one.id), one.boxes)
        np.testing.assert_array_equal(prepared.landmarks(one.id), one.landmarks)
        np.testing.assert_array_equal(prepared.aligned(one.id), one.aligned)
        np.testing.assert_array_equal(prepared.features(one.id), one.features)
        assert [crop.shape for crop in prepared.crops(one.id)] == [crop.shape for crop in one.crops]
    for one, back in zip(given, iterate_prepared(tmp_path), strict=True):
        same(one, back)
    assert prepared.splits() == {"train": [given[0].id, given[1].id], "val": [given[2].id]}
    assert prepared.counts == {given[0].id: 3, given[1].id: 0, given[2].id: 20}
    assert prepared.label(given[0].id) == "negative"


def test_a_picture_without_a_face_has_none_and_the_mask_says_so(tmp_path):
    write(tmp_path, picture("empty", 0), picture("pair", 2), picture("crowd", 20))
    prepared = read_prepared(tmp_path)
    assert prepared.status("empty") == "no_face"
    assert prepared.boxes("empty").shape == (0, 4)
    assert prepared.aligned("empty").shape == (0, 112, 96, 3)
    assert prepared.features("empty").shape == (0, 256)
    assert prepared.crops("empty") == []
    for name, count in (("empty", 0), ("pair", 2), ("crowd", 15)):
        faces, mask = face_set(prepared, name)
        assert faces.shape == (15, 112, 96, 3)
        assert mask.tolist() == [True] * count + [False] * (15 - count)
        assert not faces[~mask].any()
        np.testing.assert_array_equal(faces[mask], prepared.aligned(name)[:15])


def test_what_was_stopped_is_not_read_and_goes_on(tmp_path):
    killed = FacesWriter(tmp_path, {"detector": "mtcnn"})
    killed.add(picture("one", 1))
    killed.flush()
    killed.add(picture("lost", 1))
    (tmp_path / ".part-00001.parquet.draft").touch()
    with pytest.raises(DataError, match="again, it goes on"):
        read_prepared(tmp_path)
    with FacesWriter(tmp_path, {"detector": "mtcnn"}) as writer:
        assert writer.done == {"one"}
        writer.add(picture("lost", 2))
    assert read_prepared(tmp_path).counts == {"one": 1, "lost": 2}
    counts = json.loads((tmp_path / "faces.json").read_text())["counts"]
    assert not list(tmp_path.glob(".part-*"))
    assert counts == {"faces": 3, "ok": 2, "pictures": 2}


def test_a_picture_that_could_not_be_read_is_tried_again(tmp_path):
    broken = picture("broken", 0, status="unreadable", message="broken: no picture")
    write(tmp_path, picture("one", 1), broken, picture("two", 2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with FacesWriter(tmp_path, {"detector": "mtcnn"}) as writer:
        assert writer.done == {"one", "two"}
        writer.add(broken)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before  # nothing new
    writer = FacesWriter(tmp_path, {"detector": "mtcnn"})
    writer.add(picture("broken", 3))
    writer.flush()
    with pytest.raises(DataError, match="again, it goes on"):  # killed now, the folder is not damaged but unfinished
        read_prepared(tmp_path)
    assert writer.finish()["counts"] == {"faces": 6, "ok": 3, "pictures": 3}
    assert read_prepared(tmp_path).counts == {"one": 1, "two": 2, "broken": 3}


def test_other_settings_and_other_folders_are_refused(tmp_path):
    write(tmp_path / "faces", picture("one", 1), about={"min_face": 20})
    with pytest.raises(OutputError, match="min_face 20 there, 40 now"):
        FacesWriter(tmp_path / "faces", {"min_face": 40})
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(OutputError, match="holds no prepared faces"):
        FacesWriter(tmp_path / "photos", {})


def test_changed_bytes_and_folders_that_are_none_are_told(tmp_path):
    with pytest.raises(DataError, match="emolens faces SOURCE"):
        read_prepared(tmp_path)
    (tmp_path / "FaceCoordinates").mkdir()
    with pytest.raises(DataError, match="convert-legacy"):
        read_prepared(tmp_path)
    write(tmp_path / "faces", picture("one", 1))
    part = tmp_path / "faces" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-8] + b"12345678")
    with pytest.raises(DataError, match="not the bytes"):
        read_prepared(tmp_path / "faces")


def test_a_split_without_a_face_is_named(tmp_path):
    write(tmp_path, picture("a", 0, split="val"), picture("b", 1, split="train"))
    prepared = read_prepared(tmp_path)
    assert prepared.require_faces("train") == ["b"]
    with pytest.raises(DataError, match="no face in any of the 1 pictures of val"):
        prepared.require_faces("val")
    with pytest.raises(DataError, match="no global features of b"):
        prepared.global_features("b")
    with pytest.raises(DataError, match="no picture 'c'"):
        prepared.boxes("c")


def test_rows_that_do_not_belong_together_are_refused():
    with pytest.raises(LabelError, match="3 features and 2 boxes"):
        PictureFaces(id="x", boxes=np.zeros((2, 4), np.float32), scores=np.zeros(2, np.float32),
                     landmarks=np.zeros((2, 5, 2), np.float32), features=np.zeros((3, 256), np.float32),
                     crops=(np.zeros((1, 1, 3), np.uint8),) * 2)  # fmt: skip
