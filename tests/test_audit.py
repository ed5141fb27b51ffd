"""The leak audit: small drawn sets counted by hand, and the published lists and pictures where they are at hand."""

from __future__ import annotations

import builtins
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage.data import astronaut

from emolens.data.audit import KINDS, LEAKS, Audit, audit
from emolens.data.audit_findings import Overlap
from emolens.data.audit_inputs import read_input
from emolens.data.audit_tables import Table, as_text
from emolens.data.base import Record
from emolens.data.entries import Entry, of_record, read_folder, read_list
from emolens.data.fingerprints import BITS, NEAR, fingerprint, near_pairs
from emolens.data.problems import Fault, Problems
from emolens.data.registry import reader
from emolens.errors import DataError, MissingExtra, OptionError, UnknownName, Unreadable
from emolens.taxonomy import taxonomy

Drawn = Callable[[int], np.ndarray]


def drawn(seed: int) -> np.ndarray:
    """A picture of its own, grey uint8 (48, 48): 8 x 8 squares by chance."""
    return np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8).repeat(6, 0).repeat(6, 1)


def entry(path: str, split: str, picture: np.ndarray | None = None, **fields: str) -> Entry:
    return Entry(path=path, split=split, picture=picture, **fields)


def shared(found: Audit, kind: str, split: str, other: str) -> Overlap:
    overlap = found.overlap(kind, split, other)
    assert overlap is not None
    return overlap


def test_the_same_pixels_under_other_names() -> None:
    found = audit(
        [
            entry("a", "train", drawn(1), label="fear"),
            entry("b", "train", drawn(1), label="fear"),
            entry("c", "train", drawn(2), label="anger"),
            entry("d", "val", drawn(3), label="anger"),
            entry("e", "test", drawn(1), label="anger"),
            entry("f", "test", drawn(3), label="anger"),
            entry("g", "test", drawn(4), label="fear"),
        ]
    )
    assert shared(found, "pixels", "test", "train").rows == 1
    assert shared(found, "pixels", "test", "val").rows == 1
    both = shared(found, "pixels", "test", "train+val")
    assert (both.rows, both.known, both.things, both.known_things) == (2, 3, 2, 3)
    assert both.examples == (("e", "a"), ("f", "d"))
    assert shared(found, "pixels", "val", "train").rows == 0
    whole = next(one for one in found.repeats if one.kind == "pixels" and not one.split)
    assert (whole.rows, whole.distinct, whole.repeated) == (7, 4, 3)
    torn = next(one for one in found.contradictions if one.kind == "pixels")
    assert (torn.pictures, torn.rows) == (1, 3)
    assert torn.examples == (("a: fear", "e: anger"),)
    assert found.found() == ("pixels", "labels", "repeats", "classes")
    assert found.failed() == ("pixels",)
    assert found.failed(["labels", "blank"]) == ("labels",)


def test_grey_and_rgb_are_the_same_pixels_and_other_files(tmp_path: Path) -> None:
    for name, picture in (("grey.png", drawn(1)), ("rgb.png", np.stack([drawn(1)] * 3, axis=2))):
        Image.fromarray(picture).save(tmp_path / name)
    (tmp_path / "copy.png").write_bytes((tmp_path / "grey.png").read_bytes())
    grey, rgb, copy = (fingerprint(tmp_path / f"{name}.png") for name in ("grey", "rgb", "copy"))
    assert grey.pixels == rgb.pixels == fingerprint(drawn(1)).pixels
    assert grey.file == copy.file != rgb.file


def test_turned_shapes_are_other_pixels() -> None:
    assert fingerprint(np.full((8, 4), 7, np.uint8)).pixels != fingerprint(np.full((4, 8), 7, np.uint8)).pixels


def test_a_blank_picture_is_near_nothing() -> None:
    rows = [entry("a", "train", np.full((48, 48), 0, np.uint8)), entry("b", "test", np.full((48, 48), 255, np.uint8))]
    found = audit(rows)
    assert [split.blank for split in found.splits] == [1, 1]
    assert shared(found, "near", "test", "train").rows == 0
    assert found.found() == ("blank",)


@pytest.mark.parametrize(
    "change",
    [
        lambda face: face.resize((200, 200)),
        lambda face: face.point(lambda level: int(level * 0.7)),
        lambda face: face.crop((6, 4, 250, 252)),
        lambda face: face.convert("L"),
    ],
    ids=["smaller", "darker", "cropped", "grey"],
)
def test_a_changed_photo_is_near(change: Callable[[Image.Image], Image.Image]) -> None:
    photo = Image.fromarray(astronaut()[:256, 100:356])
    found = audit([entry("a", "train", np.asarray(photo)), entry("b", "test", np.asarray(change(photo)))])
    assert shared(found, "near", "test", "train").rows == 1
    assert shared(found, "pixels", "test", "train").rows == 0


def test_another_photo_is_not_near() -> None:
    face, suit = astronaut()[:200, 130:330], astronaut()[300:500, 130:330]
    found = audit([entry("a", "train", face), entry("b", "test", suit)])
    assert shared(found, "near", "test", "train").rows == 0
    without = audit([entry("a", "train", face), entry("b", "test", face)], distance=None)
    assert "near" in without.unchecked
    assert without.found() == ("pixels",)


@pytest.mark.parametrize("distance", [0, 1, 60])
def test_near_pairs_are_all_pairs(distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emolens.data.fingerprints.CELLS", 100)  # several blocks, the last one short
    chance = np.random.default_rng(1)
    looks = chance.random((30, BITS)) < 0.5
    looks[7] = looks[20]
    looks[9] = looks[8]
    looks[9, :1] ^= True
    looks[29] = looks[0]
    looks[29, :60] ^= True
    byhand = [(a, b) for a in range(30) for b in range(a + 1, 30) if int((looks[a] != looks[b]).sum()) <= distance]
    assert sorted(map(tuple, near_pairs(looks, distance).tolist())) == byhand
    assert {0: 1, 1: 2, 60: 3}[distance] == len(byhand)


def test_a_distance_that_means_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="distance is 128, needs 0 to 127"):
        audit([entry("a", "train")], distance=128)


def test_near_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name == "imagehash":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"emolens\[evaluate\]"):
        audit([entry("a", "train", drawn(1))])
    assert audit([entry("a", "train", drawn(1))], distance=None).splits[0].pictures == 1


def test_subjects_sequences_and_official_parts_from_names(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "image_path,label", "Data/CK+48/fear/S001_001_00000010.png,2",
          "Data/CK+48/fear/S002_001_00000011.png,2", "Data/RAF/img/fear/train_00001_aligned.jpg,2")  # fmt: skip
    write(tmp_path / "test.csv", "image_path,label", "Data/CK+48/fear/S001_001_00000012.png,2",
          "Data/CK+48/happy/S001_002_00000009.png,3", "Data/RAF/img/fear/train_00002_aligned.jpg,2",
          "Data/RAF/img/fear/test_0003_aligned.jpg,2")  # fmt: skip
    found = audit(e for name in ("train", "test") for e in read_list(tmp_path / f"{name}.csv"))
    subject, sequence = shared(found, "subject", "test", "train"), shared(found, "sequence", "test", "train")
    assert (subject.rows, subject.known, subject.things, subject.known_things) == (2, 2, 1, 1)
    assert (sequence.rows, sequence.known, sequence.things, sequence.known_things) == (1, 2, 1, 2)
    assert subject.collections == (("CK+48", 2, 2),)
    parts = {(part.split, part.official): (part.rows, part.misplaced) for part in found.official}
    assert parts == {("train", "train"): (1, False), ("test", "train"): (1, True), ("test", "test"): (1, False)}
    assert found.found() == ("subject", "sequence", "official", "classes")
    assert found.unchecked == ("bytes", "pixels", "near", "group")


def test_the_same_name_under_another_class_is_no_leak(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "path,label", "aff/fear/image1.jpg,fear", "aff/fear/image2.jpg,fear")
    write(tmp_path / "test.csv", "path,label", "aff/anger/image1.jpg,anger", "old/fear/image2.jpg,fear")
    found = audit(e for name in ("train", "test") for e in read_list(tmp_path / f"{name}.csv"))
    assert shared(found, "name", "test", "train").rows == 1
    assert shared(found, "path", "test", "train").rows == 0
    assert found.failed(["any"]) == ("name", "classes")
    assert found.failed() == ()
    assert "identity unknown" in as_text(found)


def test_paths_are_compared_as_paths(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "img_path,label", "./a//1.png,fear", "a\\2.png,fear")
    write(tmp_path / "valid.txt", "a/1.png", "b/../a/2.png")
    found = audit(e for name in ("train.csv", "valid.txt") for e in read_list(tmp_path / name))
    assert shared(found, "path", "val", "train").rows == 2


def test_contradictions_need_the_same_person() -> None:
    two = [entry("a", "train", drawn(1), label="fear", region=box) for box in ("1", "2")]
    assert "repeats" not in audit(two).found()
    assert "labels" not in audit([two[0], entry("a", "train", drawn(1), label="joy", region="2")]).found()
    assert "labels" in audit([two[0], entry("b", "train", drawn(1), label="joy", region="1")]).found()


def test_a_record_brings_what_it_knows(tmp_path: Path) -> None:
    Image.fromarray(drawn(1)).save(tmp_path / "1.png")
    classes = taxonomy("two", ["fear", "anger"])
    record = Record(
        id="p/1", split="val", picture=tmp_path / "1.png", taxonomy=classes, label="fear", subject="s", sequence="v",
        group="g", boxes=np.array([[0, 0, 2, 2]], np.float32), source="list:3",
    )  # fmt: skip
    made = of_record(record)
    assert (made.split, made.label, made.subject, made.sequence, made.group) == ("val", "fear", "s", "v", "g")
    assert made.path == (tmp_path / "1.png").as_posix()
    assert made.region == "[[0.0, 0.0, 2.0, 2.0]]"
    assert str(made) == f"{made.path} (list:3)"
    assert of_record(record, "test").split == "test"


def test_folders_are_compared_by_content(tmp_path: Path) -> None:
    for folder, seed in (("one/train/fear", 1), ("one/val/fear", 2), ("two/fear", 1)):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(drawn(seed)).save(tmp_path / folder / "1.png")
    found = audit(e for name in ("one", "two") for e in read_input(tmp_path / name))
    assert [split.name for split in found.splits] == ["train", "val", "two"]
    assert shared(found, "bytes", "two", "train").rows == 1
    assert shared(found, "path", "two", "train").rows == 0
    assert found.classes["train"] == {"fear": 1}


def test_prepared_sets_are_read_in_parquet(tmp_path: Path) -> None:
    def prepared(name: str, seeds: list[int], struct: bool) -> None:
        pictures = [png(drawn(seed)) for seed in seeds]
        column = [{"bytes": b, "path": f"fear/{at}.png"} for at, b in enumerate(pictures)] if struct else pictures
        table = {"id": [f"{name}{at}" for at in range(len(seeds))], "picture": column, "label": ["fear"] * len(seeds)}
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({**table, "split": [name] * len(seeds)}), tmp_path / name / "part-0.parquet")

    prepared("train", [1, 2, 3], struct=True)
    prepared("test", [4, 2], struct=True)
    prepared("other", [3], struct=False)
    found = audit(e for name in ("train", "test", "other") for e in read_input(tmp_path / name))
    assert shared(found, "bytes", "test", "train").rows == 1
    assert shared(found, "path", "test", "train").rows == 1  # fear/1.png is drawn(2) in both
    assert shared(found, "bytes", "other", "train+test").rows == 1
    assert shared(found, "path", "other", "train+test").rows == 0
    assert [split.name for split in audit(read_input(tmp_path)).splits] == ["train", "test", "other"]


def test_json_and_text_say_the_same() -> None:
    found = audit(
        [
            entry("data/x/fear/1", "train", drawn(1), collection="data/x"),
            entry("data/y/fear/2", "val", drawn(1), collection="data/y"),
        ]
    )
    told = json.loads(found.to_json())
    assert told["found"] == ["pixels"]
    pixels = next(one for one in told["overlaps"] if one["kind"] == "pixels")
    assert (pixels["split"], pixels["other"], pixels["rows"]) == ("val", "train", 1)
    assert pixels["collections"] == [["y", 1, 1]]
    assert told["distance"] == NEAR
    text = as_text(found)
    assert "Shared pixels: the same pixels" in text
    assert "100.0 %" in text
    assert text.endswith("Found: pixels.\n")


def test_a_table_is_aligned() -> None:
    table = Table("Rows", ("split", "n"), (("train", "12"), ("val", "3")), ("a note",))
    assert table.text().splitlines() == ["Rows", "  split   n", "  train  12", "  val     3", "  a note"]


def test_unknown_findings_name_the_near_miss() -> None:
    found = audit([entry("a", "train")])
    with pytest.raises(UnknownName, match="Did you mean 'pixels'"):
        found.failed(["pixel"])
    assert set(LEAKS) < set(KINDS)


def test_a_list_without_paths_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "face,label", "1.png,fear")
    with pytest.raises(DataError, match=r"train.csv: no column with paths, found \['face', 'label'\]"):
        audit(read_list(tmp_path / "train.csv"))
    with pytest.raises(DataError, match="nothing to audit"):
        audit([])
    with pytest.raises(DataError, match="no such file or folder"):
        list(read_input(tmp_path / "nothing.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture in or below it"):
        audit(read_folder(tmp_path / "empty"))


def test_a_split_that_is_empty_by_mistake_does_not_pass(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "path,label", "1.png,fear")
    write(tmp_path / "test.csv", "path,label")
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), tmp_path / "val.parquet")
    for name in ("test.csv", "val.parquet"):
        with pytest.raises(DataError, match=f"{name}: nothing to audit, it holds no row"):
            audit(one for source in ("train.csv", name) for one in read_input(tmp_path / source))


def test_absent_files_and_paths_that_leave_the_root_are_named(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    Image.fromarray(drawn(1)).save(tmp_path / "root" / "1.png")
    Image.fromarray(drawn(2)).save(tmp_path / "2.png")
    (tmp_path / "root" / "3.png").write_bytes(b"no picture")
    write(tmp_path / "train.csv", "path,label", "1.png,fear", "../2.png,fear", "4.png,fear", "3.png,fear", ",fear")
    with pytest.raises(Fault, match=r"train.csv:3: '../2.png' leaves"):
        audit(read_list(tmp_path / "train.csv", root=tmp_path / "root"))
    problems = Problems(strict=False)
    found = audit(read_list(tmp_path / "train.csv", root=tmp_path / "root", problems=problems), problems=problems)
    assert found.faults == {"path": 1, "missing": 1, "unreadable": 1, "row": 1}
    assert any("train.csv:4" in text and "4.png" in text for text in found.fault_examples)
    assert any("train.csv:5" in text and "3.png" in text for text in found.fault_examples)
    assert (found.splits[0].rows, found.splits[0].pictures) == (2, 1)
    assert found.failed(["faults"]) == ("faults",)
    assert "Rows and files left out" in as_text(found)


def test_a_file_that_went_away_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"gone.png: No such file"):
        fingerprint(tmp_path / "gone.png")


def test_broken_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match=r"train.parquet: not a readable Parquet file"):
        audit(read_input(tmp_path / "train.parquet"))
    pq.write_table(pa.table({"label": ["fear"]}), tmp_path / "val.parquet")
    with pytest.raises(DataError, match=r"val.parquet: no column that names the rows, found \['label'\]"):
        audit(read_input(tmp_path / "val.parquet"))
    pq.write_table(pa.table({"id": ["a"], "picture": [3]}), tmp_path / "test.parquet")
    with pytest.raises(Fault, match=r"test.parquet, row 1: the picture is int, needs encoded bytes"):
        audit(read_input(tmp_path / "test.parquet"))


def test_every_row_is_a_step() -> None:
    steps: list[None] = []
    audit([entry("a", "train"), entry("b", "val")], step=lambda: steps.append(None))
    assert len(steps) == 2


@pytest.fixture(scope="module")
def lists(shared_data: Path) -> Audit:
    folder = shared_data / "expression_splits"
    if not folder.is_dir():
        pytest.skip("the published lists are not in the folder of real data")
    return audit(e for name in ("train", "valid", "test") for e in read_list(folder / f"{name}.csv"))


def test_published_validation_rows_are_training_rows(lists: Audit) -> None:
    overlap = shared(lists, "path", "val", "train")
    assert (overlap.rows, overlap.known) == (11631, 15206)
    assert {name: rows for name, rows, _ in overlap.collections} == {"CK+48": 741, "RAF/img": 5445, "aff": 5445}


def test_published_test_rows_share_names_subjects_and_parts(lists: Audit) -> None:
    assert shared(lists, "path", "test", "train+val").rows == 0
    name = shared(lists, "name", "test", "train+val")
    assert {c: rows for c, rows, _ in name.collections} == {"CK+48": 0, "RAF/img": 0, "aff": 101}
    subject, sequence = (shared(lists, kind, "test", "train+val") for kind in ("subject", "sequence"))
    assert (subject.things, subject.known_things) == (67, 67)
    assert (sequence.things, sequence.known_things) == (87, 87)
    parts = {part.official: (part.rows, part.misplaced) for part in lists.official if part.split == "test"}
    assert parts == {"train": (929, True), "test": (243, False)}
    assert lists.failed() == ("path", "subject", "sequence", "official")


@pytest.fixture(scope="module")
def fer2013(shared_data: Path) -> Audit:
    folder = shared_data / "fer2013"
    if not (folder / "fer2013_ferplus.npz").is_file():
        pytest.skip("FER2013 is not in the folder of real data")

    def entries() -> Iterator[Entry]:
        return map(of_record, reader("fer2013").read(folder))

    return audit(entries(), distance=None)


def test_fer2013_repeats_and_contradicts_itself(fer2013: Audit) -> None:
    whole = next(one for one in fer2013.repeats if one.kind == "pixels" and not one.split)
    assert (whole.rows, whole.repeated) == (35887, 1853)
    torn = next(one for one in fer2013.contradictions if one.kind == "pixels")
    assert (torn.pictures, torn.rows) == (57, 160)
    assert sum(split.blank for split in fer2013.splits) == 12


def test_fer2013_test_rows_are_in_training(fer2013: Audit) -> None:
    assert shared(fer2013, "pixels", "val", "train").rows == 280
    assert shared(fer2013, "pixels", "test", "train").rows == 288
    assert shared(fer2013, "pixels", "test", "train+val").rows == 314


def png(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
