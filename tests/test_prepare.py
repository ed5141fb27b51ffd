"""Prepared data: the same records, the same bytes, whoever stops it and wherever it is made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emolens.data import parts
from emolens.data.audit_inputs import read_input
from emolens.data.base import Record
from emolens.data.faces import judged_rows, read_faces
from emolens.data.fer2013 import read_ferplus
from emolens.data.given import prepared_folder
from emolens.data.manifest import MANIFEST, UNFINISHED, is_prepared, read_manifest
from emolens.data.prepare import prepare
from emolens.data.prepared import open_prepared, read_prepared
from emolens.data.problems import Fault, Problems
from emolens.data.registry import names, reader
from emolens.data.stats import stats
from emolens.errors import DataError, MissingExtra, OptionError, OutputError, UnknownName
from fakes_data import FAKES, draw, ferplus_npz, folder, table, write_rows

parquet = pytest.importorskip("pyarrow.parquet", reason="prepared data needs the extra tables")


class StoppedError(Exception):
    pass


def people(root: Path, n: int = 24) -> Path:
    """A table of `n` pictures of four people, without `val`."""
    rows = []
    for at in range(n):
        draw(root / f"faces/{at}.png", at)
        rows.append((f"faces/{at}.png", ("happy", "sad", "fear")[at % 3], f"person {at % 4}", "train"))
    write_rows(root / "table.csv", [("path", "label", "subject", "split"), *rows])
    return root


def content(out: Path) -> dict[str, bytes]:
    """Every file of a prepared folder but the copies made for speed."""
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*"))
            if p.is_file() and ".copies" not in p.parts}  # fmt: skip


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GROUP_ROWS", 2)
    monkeypatch.setattr(parts, "PART_ROWS", 4)


# --- what is written is what was read -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_data_set_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    FAKES[name].write(tmp_path / "archive")
    out = tmp_path / "out"
    made = prepare(name, tmp_path / "archive", out, val_share=0, **FAKES[name].options)
    assert {split: made.rows(split) for split in made.splits} == FAKES[name].splits
    there = list(reader(name).read(tmp_path / "archive", **FAKES[name].options))
    back = {record.id: record for record in read_prepared(out)}
    assert len(back) == len(there)
    for record in there:
        same_record(record, back[record.id], tmp_path / "archive")


def same_record(one: Record, other: Record, root: Path) -> None:
    for name in ("split", "label", "subject", "sequence", "group", "categories", "valence", "arousal", "dominance"):
        assert getattr(one, name) == getattr(other, name), name
    assert dict(one.attributes) == dict(other.attributes)
    assert one.taxonomy == other.taxonomy
    assert one.source.removeprefix(f"{root}/") == other.source
    for name in ("distribution", "votes", "boxes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.open(), other.open())
    if isinstance(one.picture, Path):
        assert one.picture.read_bytes() == other.picture
    if one.map is not None:
        np.testing.assert_array_equal(one.open_map(), other.open_map())


def test_rows_keep_the_order_of_the_archive(tmp_path: Path) -> None:
    prepare("table", people(tmp_path / "a"), tmp_path / "out", val_share=0)
    order = [record.id for record in reader("table").read(tmp_path / "a")]
    assert [record.id for record in read_prepared(tmp_path / "out")] == order


def test_val_is_cut_by_subject_and_counted(tmp_path: Path) -> None:
    made = prepare("table", people(tmp_path / "a"), tmp_path / "out", val_share=0.25)
    who = {split: {r.subject for r in read_prepared(tmp_path / "out", split)} for split in made.splits}
    assert (made.rows("train"), made.rows("val"), made.moved_to_val) == (18, 6, 6)
    assert not who["train"] & who["val"]
    with pytest.raises(OptionError, match="val_share"):
        prepare("table", tmp_path / "a", tmp_path / "other", val_share=1.5)


# --- the same bytes -------------------------------------------------------------------------------------------------


def test_two_copies_of_an_archive_give_the_same_bytes(tmp_path: Path) -> None:
    for copy in ("one", "another place"):
        prepare("table", people(tmp_path / copy / "a"), tmp_path / copy / "out")
    first, second = (content(tmp_path / copy / "out") for copy in ("one", "another place"))
    assert first == second
    assert not any(str(tmp_path).encode() in data for data in first.values())


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("stop", [1, 3, 8, 13, 23, 24])
def test_a_stopped_preparation_goes_on_to_the_same_bytes(stop: int, tmp_path: Path) -> None:
    def told(done: int, of: int) -> None:
        assert of == 24
        if done == stop:
            raise StoppedError

    root = people(tmp_path / "a")
    prepare("table", root, tmp_path / "whole", val_share=0.25)
    out = tmp_path / "out"
    with pytest.raises(StoppedError):
        prepare("table", root, out, val_share=0.25, progress=told)
    assert not is_prepared(out)
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    prepare("table", root, out, val_share=0.25)
    assert content(out) == content(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # what was whole is not made twice
    assert stop < 8 or kept


KILLED = """
import os, signal, sys
from pathlib import Path
from emolens.data import parts
from emolens.data.prepare import prepare
parts.GROUP_ROWS, parts.PART_ROWS = 2, 4
prepare("table", Path(sys.argv[1]), Path(sys.argv[2]),
        progress=lambda done, of: os.kill(os.getpid(), signal.SIGKILL) if done == 15 else None)
"""


@pytest.mark.usefixtures("small_parts")
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_leaves_what_can_be_gone_on_with(tmp_path: Path) -> None:
    root, out = people(tmp_path / "a"), tmp_path / "out"
    died = subprocess.run([sys.executable, "-c", KILLED, str(root), str(out)], check=False)
    assert died.returncode == -signal.SIGKILL
    prepare("table", root, out)
    prepare("table", root, tmp_path / "whole")
    assert content(out) == content(tmp_path / "whole")


ONCE = """
import sys
from pathlib import Path
from emolens.data.prepare import prepare
told = []
prepare("table", Path(sys.argv[1]), Path(sys.argv[2]), progress=lambda done, of: told.append(done))
print(len(told))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no lock of folders")
def test_two_processes_at_once_prepare_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ONCE, str(people(tmp_path / "a")), str(tmp_path / "out")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    rows = sorted(int(one.communicate()[0]) for one in both)
    assert [one.returncode for one in both] == [0, 0]
    assert rows == [0, 24]  # the second waited and found it done


def test_a_whole_folder_is_left_alone_and_another_set_does_not_go_into_it(tmp_path: Path) -> None:
    root, out = people(tmp_path / "a"), tmp_path / "out"
    first = prepare("table", root, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert prepare("table", root, out) == first
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    folder(tmp_path / "b")
    with pytest.raises(OutputError, match="holds table from another archive"):
        prepare("folder", tmp_path / "b", out)
    with pytest.raises(OutputError, match="other options"):
        prepare("table", root, out, seed=1)
    with pytest.raises(OutputError, match="no prepared data set"):
        prepare("table", root, tmp_path / "b")


def test_a_changed_label_is_another_archive(tmp_path: Path) -> None:
    root = people(tmp_path / "a")
    prepare("table", root, tmp_path / "out")
    os.utime(root / "table.csv", (1, 1))
    prepare("table", root, tmp_path / "out")  # the same bytes at another time are the same archive
    (root / "table.csv").write_text((root / "table.csv").read_text().replace("sad", "joy", 1))
    with pytest.raises(OutputError, match="another archive"):
        prepare("table", root, tmp_path / "out")


# --- bad input ------------------------------------------------------------------------------------------------------


def faulty(root: Path) -> Path:
    """Eight rows; the second to the eighth have one fault each."""
    table(root)
    draw(root / "maps/small.png", size=(20, 16), mode="L")
    (root / "pictures/cut.png").write_bytes((root / "pictures/a.png").read_bytes()[:200])
    picture, half = "pictures/a.png", ("0.5", "0.5")
    rows = [
        ("good", picture, *half, "maps/a.png"),
        ("map", picture, *half, "maps/small.png"),
        ("cut", "pictures/cut.png", *half, ""),
        ("sum", picture, "0.5", "0.6", ""),
        ("absent", "pictures/none.png", *half, ""),
        ("out", "../secret.png", *half, ""),
        ("negative", picture, "-0.5", "1.5", ""),
        ("good", picture, *half, ""),
    ]
    write_rows(root / "table.csv", [("id", "path", "p_joy", "p_neutral", "map"), *rows])
    return root


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (2, r"table\.csv:3: the map has 20 x 16 pixels, its picture 40 x 32"),
        (3, r"table\.csv:4: pictures/cut\.png: cannot be decoded"),
        (4, r"table\.csv:5: probabilities sum to 1\.1"),
        (5, r"table\.csv:6: .*none\.png is not there"),
        (6, r"table\.csv:7: '\.\./secret\.png' leaves"),
        (7, r"table\.csv:8: .*lowest is -0\.5"),
    ],
)
def test_the_first_fault_names_row_and_file_and_nothing_counts_as_done(row: int, says: str, tmp_path: Path) -> None:
    lines = (faulty(tmp_path / "a") / "table.csv").read_text().splitlines()
    good = [lines[1].replace("good", f"good{at}") for at in range(1, row)]
    (tmp_path / "a/table.csv").write_text("\n".join([lines[0], *good, lines[row]]) + "\n")
    with pytest.raises(Fault, match=says):
        prepare("table", tmp_path / "a", tmp_path / "out", val_share=0)
    assert not is_prepared(tmp_path / "out")


def test_an_archive_that_was_mended_after_its_first_fault_is_prepared(tmp_path: Path) -> None:
    root, out = people(tmp_path / "a"), tmp_path / "out"
    (root / "faces/5.png").write_bytes(b"no picture")
    with pytest.raises(Fault, match=r"5\.png"):
        prepare("table", root, out)
    draw(root / "faces/5.png", 5)
    prepare("table", root, out)
    prepare("table", root, tmp_path / "whole")
    assert content(out) == content(tmp_path / "whole")


def test_a_picture_of_another_size_than_its_set_has_is_a_fault(tmp_path: Path) -> None:
    FAKES["rafdb"].write(tmp_path / "a")
    draw(tmp_path / "a/Image/aligned/test_0001_aligned.jpg", size=(99, 100))
    with pytest.raises(Fault, match=r"label\.txt:3: the picture has 99 x 100 pixels, RAF-DB \(basic\) has 100 x 100"):
        prepare("rafdb", tmp_path / "a", tmp_path / "out", val_share=0)
    made = prepare("rafdb", tmp_path / "a", tmp_path / "other", val_share=0, problems=Problems(strict=False))
    assert (made.rows("test"), made.faults) == (0, {"size": 1})


def test_a_value_off_its_scale_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers check their own scales; what a reader passes over is still not prepared."""
    FAKES["table"].write(tmp_path / "a")
    found = reader("table")
    scaled = replace(found, info=replace(found.info, scales={"valence": (0, 1)}))
    monkeypatch.setattr("emolens.data.prepare.reader", lambda _: scaled)
    with pytest.raises(Fault, match=r"table\.csv:2: valence is 3\.5, allowed: 0 to 1"):
        prepare("table", tmp_path / "a", tmp_path / "out")


def test_nothing_is_prepared_into_its_own_archive(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="lies in the archive"):
        prepare("table", people(tmp_path / "a", 4), tmp_path / "a/out")
    assert not (tmp_path / "a/out").exists()


@pytest.mark.usefixtures("small_parts")
def test_faulty_rows_are_left_out_only_when_asked_counted_and_named(tmp_path: Path) -> None:
    root = faulty(tmp_path / "a")
    made = prepare("table", root, tmp_path / "out", val_share=0, problems=Problems(strict=False))
    assert [record.id for record in read_prepared(tmp_path / "out")] == ["good"]
    assert made.faults == {"distribution": 2, "missing": 1, "path": 1, "repeated": 1, "size": 1, "unreadable": 1}
    assert [text.split(": ")[0] for text in made.examples["size"]] == ["table.csv:3"]
    assert read_manifest(tmp_path / "out") == made


def test_what_is_no_archive_says_so_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="ground_truth"):
        prepare("emotion6", tmp_path / "empty", tmp_path / "out")
    with pytest.raises(UnknownName, match="Did you mean 'emotion6'"):
        prepare("emotion7", tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"emolens\[tables\]"):
        prepare("table", people(tmp_path / "a"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- read by others -------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    ferplus_npz(tmp_path / "a")
    prepare("ferplus", tmp_path / "a", tmp_path / "out")
    return tmp_path / "out"


def test_pandas_reads_it(made: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(made / "train")
    assert frame["label"].tolist() == [r.label for r in read_prepared(made, "train")]
    assert frame["picture"][0]["bytes"].startswith(b"\x89PNG")
    assert frame["distribution"][0].sum() == pytest.approx(1)


def test_columns_are_typed_and_the_metadata_says_what_they_mean(made: Path) -> None:
    schema = parquet.read_schema(made / "train/part-00000.parquet")
    assert schema.field("distribution").type.list_size == 8
    about = json.loads(schema.metadata[b"emolens"])
    assert about["classes"] == list(read_manifest(made).taxonomy.classes)
    assert about["options"]["subset"] == "argmax"
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {"picture": {"_type": "Image"}, "map": {"_type": "Image"}}


def test_hugging_face_datasets_reads_pictures_and_splits(made: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset("parquet", data_dir=str(made), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 3, "validation": 1, "test": 2}
    np.testing.assert_array_equal(np.asarray(found["test"][0]["picture"]), open_prepared(made, "test").pixels(True)[0])


# --- read back ------------------------------------------------------------------------------------------------------


def test_mapped_and_in_memory_are_the_same(made: Path) -> None:
    mapped, held = open_prepared(made, "train"), open_prepared(made, "train", ram=True)
    assert mapped.table.equals(held.table)
    assert len(mapped) == 3
    assert mapped.record(2).id == mapped.column("id")[2] == [r.id for r in read_prepared(made, "train")][2]
    assert mapped.encoded(1) == mapped.record(1).picture
    np.testing.assert_array_equal(mapped.pixels()[..., 0], mapped.pixels(grey=True))
    np.testing.assert_array_equal(mapped.pixels(grey=True)[1], mapped.record(1).open()[..., 0])


def test_labels_are_targets_where_there_are_no_distributions(tmp_path: Path) -> None:
    prepare("table", people(tmp_path / "a"), tmp_path / "out", val_share=0)
    split = open_prepared(tmp_path / "out", "train")
    assert split.targets().shape == (24, 3)
    assert [split.taxonomy.classes[k] for k in split.targets().argmax(axis=1)] == split.column("label")


def test_pictures_of_several_sizes_are_no_array(tmp_path: Path) -> None:
    root = people(tmp_path / "a", 4)
    draw(root / "faces/0.png", size=(50, 50))
    prepare("table", root, tmp_path / "out", val_share=0)
    with pytest.raises(DataError, match="2 sizes"):
        open_prepared(tmp_path / "out", "train").pixels()


def test_a_folder_that_may_not_be_written_is_read_all_the_same(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = open_prepared(made, "val", ram=True).table
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may be root
    assert open_prepared(made, "val").table.equals(wanted)
    assert not (made / ".copies").exists()


def test_what_is_broken_is_named(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        open_prepared(made, "trian")
    with pytest.raises(DataError, match="not a prepared data set"):
        open_prepared(tmp_path, "train")
    part = made / "train/part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"part-00000\.parquet: not a readable part"):
        open_prepared(made, "train")
    text = (made / MANIFEST).read_text()
    (made / MANIFEST).write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(DataError, match="format 99"):
        open_prepared(made, "train")
    (made / MANIFEST).write_text(text[:100])
    with pytest.raises(DataError, match="not a readable manifest"):
        open_prepared(made, "train")


def test_a_strangers_folder_is_not_trusted(made: Path) -> None:
    text = (made / MANIFEST).read_text()
    (made / MANIFEST).write_text(text.replace("train/part-00000", "../secret"))
    with pytest.raises(DataError, match=r"'\.\./secret\.parquet' leaves"):
        open_prepared(made, "train")
    (made / MANIFEST).write_text(text.replace("train/part-00000", "train/part-00007"))
    with pytest.raises(DataError, match=r"part-00007\.parquet is not there"):
        open_prepared(made, "train")
    (made / MANIFEST).write_text(text)
    part = made / "train/part-00000.parquet"
    whole = parquet.read_table(part)
    rewritten(part, whole.drop_columns(["label"]))
    with pytest.raises(DataError, match=r"columns \['label'\] are missing"):
        list(read_prepared(made, "train"))
    other = whole["picture"].to_pylist()
    other[1]["bytes"] = b"no picture"
    rewritten(part, whole.set_column(2, "picture", [other]))
    with pytest.raises(DataError, match="train, row 1: no readable picture"):
        open_prepared(made, "train", ram=True).pixels(grey=True)


def rewritten(part: Path, rows: Any) -> None:
    """Other rows in a part, and a manifest that swears to them."""
    before = sha256(part.read_bytes()).hexdigest()
    parquet.write_table(rows, part)
    manifest = part.parent.parent / MANIFEST
    manifest.write_text(manifest.read_text().replace(before, sha256(part.read_bytes()).hexdigest()))


def test_a_part_that_was_changed_or_removed_is_named(made: Path) -> None:
    part = made / "train/part-00000.parquet"
    whole = parquet.read_table(part)
    at = whole.column_names.index("label")
    parquet.write_table(whole.set_column(at, "label", [["anger"] * len(whole)]), part)
    for use in (
        lambda: list(read_prepared(made)),
        lambda: open_prepared(made, "train", ram=True),
        lambda: list(read_input(made)),
        lambda: prepare("ferplus", made.parent / "a", made),
    ):
        with pytest.raises(DataError, match=r"train/part-00000\.parquet: .*not the bytes that emolens\.json names"):
            use()
    part.unlink()
    with pytest.raises(DataError, match=r"train/part-00000\.parquet is not there"):
        list(read_input(made))
    with pytest.raises(DataError, match=r"train/part-00000\.parquet is not there"):
        prepare("ferplus", made.parent / "a", made)


def test_a_folder_that_is_not_whole_yet_is_not_audited(made: Path) -> None:
    (made / MANIFEST).rename(made / UNFINISHED)
    with pytest.raises(DataError, match="its preparation was stopped"):
        list(read_input(made))


NO_CLASS = {"name": "a", "title": "a", "taxonomy": "b", "classes": [], "options": {}}


@pytest.mark.parametrize("about", [{}, 3, NO_CLASS])
def test_a_manifest_that_says_too_little(about: object, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({"format": 1, "archive": "", "splits": {}, "about": about}))
    with pytest.raises(DataError, match="not a readable manifest"):
        list(read_prepared(tmp_path))


# --- one meaning of --data ------------------------------------------------------------------------------------------


def test_an_archive_and_its_prepared_folder_are_the_same_rows(made: Path) -> None:
    archive = made.parent / "a"
    for split in ("train", "val", "test"):
        wanted = read_ferplus(archive, split)
        for faces in (read_faces(archive, split), read_faces(made, split)):
            assert faces.ids.tolist() == wanted.ids.tolist()
            np.testing.assert_array_equal(faces.images, wanted.images)
            np.testing.assert_array_equal(faces.targets, wanted.targets)


def test_an_archive_is_prepared_once_and_anew_when_it_changes(tmp_path: Path) -> None:
    ferplus_npz(tmp_path)
    first = prepared_folder(tmp_path, "ferplus")
    assert prepared_folder(tmp_path, "ferplus", progress=lambda *_: pytest.fail("prepared twice")) == first
    assert prepared_folder(tmp_path, "ferplus", subset="majority") != first
    assert prepared_folder(first, "ferplus") == first
    os.utime(tmp_path / "fer2013_ferplus.npz", (1, 1))
    assert prepared_folder(tmp_path, "ferplus") != first


def test_a_folder_of_something_else_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="subset=argmax, subset=majority is needed"):
        prepared_folder(made, "ferplus", subset="majority")
    with pytest.raises(DataError, match="holds ferplus, fer2013 is needed"):
        prepared_folder(made, "fer2013")
    with pytest.raises(DataError, match="no such file or folder; FER"):
        prepared_folder(tmp_path / "nowhere", "ferplus")


def test_the_real_ferplus_is_the_same_prepared(shared_data: Path) -> None:
    archive = shared_data / "fer2013"
    prepared = open_prepared(prepared_folder(archive, "ferplus", subset="argmax"), "test", ram=True)
    counts = {name: int(member.sum()) for name, (member, _) in judged_rows(prepared).items()}
    assert counts == {
        "FER+ test, argmax": 3546,
        "FER+ test, majority": 3153,
        "FER+ test, argmax, no pixel copies": 3233,
        "FER+ test, majority, no pixel copies": 2869,
    }
    train, wanted = read_faces(archive, "train"), read_ferplus(archive, "train")
    assert len(train) == 28389
    np.testing.assert_array_equal(train.images, wanted.images)
    np.testing.assert_array_equal(train.targets, wanted.targets)


# --- figures --------------------------------------------------------------------------------------------------------


def test_stats_by_hand(tmp_path: Path) -> None:
    table(tmp_path)
    rows = [("pictures/a.png", 0.25, 0.75, 1), ("pictures/b.png", 0.75, 0.25, 4), ("maps/a.png", 0.5, 0.5, 4)]
    write_rows(tmp_path / "table.csv", [("path", "p_joy", "p_sad", "valence"), *rows])
    found = stats(reader("table").read(tmp_path))
    assert found.distributions["train"] == pytest.approx((0.5, 0.5))
    valence = found.values["train"]["valence"]
    assert (valence.n, valence.mean, valence.sd) == (3, pytest.approx(3), pytest.approx(2**0.5))
    assert found.sizes == {(40, 32): 3}
    assert sum(found.counts["train"].values()) == 3


def test_stats_count_pictures_that_are_none(tmp_path: Path) -> None:
    root = people(tmp_path, 3)
    (root / "faces/1.png").write_bytes(b"no picture")
    problems = Problems(strict=False)
    assert sum(stats(reader("table").read(root), problems).sizes.values()) == 2
    assert problems.counts == {"unreadable": 1}
