"""What strangers wrote: paths that must not lead out, lists that must not be executed, rows that must be named."""

from __future__ import annotations

import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emolens.data.archive import Archive
from emolens.data.base import Record
from emolens.data.pickled_names import names_in
from emolens.data.problems import Fault, Problems
from emolens.data.rows import csv_rows, lines
from emolens.errors import DataError
from emolens.taxonomy import GROUP3
from fakes_data import draw, write_text


@pytest.mark.parametrize(
    "name", ["../a.png", "a/../../b", "/etc/passwd", "..\\a", "C:\\a.png", "", ".", "a\0b", "a/.."]
)
def test_names_that_leave_the_root(name, tmp_path):
    with pytest.raises(Fault, match=r"list:3: .*leaves") as fault:
        Archive(tmp_path).path(name, "list:3")
    assert fault.value.kind == "path"


def test_links_out_of_the_root(tmp_path):
    root, outside = tmp_path / "root", draw(tmp_path / "outside" / "a.png").parent
    root.mkdir()
    (root / "file.png").symlink_to(outside / "a.png")
    (root / "folder").symlink_to(outside)
    for name in ("file.png", "folder/a.png"):
        with pytest.raises(Fault, match="link out of"):
            Archive(root).file(name, "list:1")
    problems = Problems(strict=False)
    assert list(Archive(root).pictures("", problems)) == ["file.png"]  # its reading is what is refused
    assert problems.counts["path"] == 1


def test_a_root_that_is_itself_a_link_and_links_within(tmp_path):
    draw(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "b.png").symlink_to("a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Archive(tmp_path / "link").file("b.png", "").is_file()


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)), st.integers(0, 5))
def test_every_pickled_list_of_names_is_read_as_pickle_reads_it(tmp_path_factory, listed, protocol):
    path = tmp_path_factory.mktemp("lists") / "list"
    path.write_bytes(pickle.dumps(listed, protocol=protocol))
    assert [name for _, name in names_in(path)] == listed


def test_names_one_a_line(tmp_path):
    write_text(tmp_path / "list.txt", "neg_1.jpg\n\npos_2.jpg\n")
    assert [name for _, name in names_in(tmp_path / "list.txt")] == ["neg_1.jpg", "pos_2.jpg"]


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("content", [Bomb(), [Bomb()], {"a": "b"}, [["a"]], [1], ("a",), [b"a"], ["a", Bomb()]])
@pytest.mark.parametrize("protocol", range(6))
def test_other_pickles_are_refused_and_never_run(content, protocol, tmp_path):
    (tmp_path / "list").write_bytes(pickle.dumps(content, protocol=protocol))
    assert list(pickletools.genops((tmp_path / "list").read_bytes()))  # it is a real pickle
    with pytest.raises(DataError, match="nothing was executed"):
        names_in(tmp_path / "list")


def test_a_list_pickled_by_python_2(tmp_path):
    (tmp_path / "list").write_bytes(b"(lp0\nS'neg_1.jpg'\np1\naS'pos_2.jpg'\np2\na.")
    assert [name for _, name in names_in(tmp_path / "list")] == ["neg_1.jpg", "pos_2.jpg"]


def test_names_longer_than_a_disk_allows_are_missing(tmp_path):
    with pytest.raises(Fault, match="is not there"):
        Archive(tmp_path).file("a" * 5000, "list:1")


def test_folders_that_are_none(tmp_path):
    file = write_text(tmp_path / "file", "")
    with pytest.raises(Fault, match="no folder that can be listed"):
        Archive(file).folders()
    with pytest.raises(Fault, match="no folder that can be listed") as fault:
        list(Archive(tmp_path).pictures("nowhere", Problems()))
    assert fault.value.kind == "missing"


def test_a_truncated_pickle(tmp_path):
    (tmp_path / "list").write_bytes(pickle.dumps(["neg_1.jpg"])[:-4] + b".")
    with pytest.raises(DataError, match="neither a text list nor a pickled list"):
        names_in(tmp_path / "list")


def test_rows_know_their_lines_and_forgive_blanks_in_column_names(tmp_path):
    path = write_text(tmp_path / "a.csv", "emotion, Usage\n3,Training\n\n4\n")
    first, second = csv_rows(path, ("Usage",))
    assert (first.where, first.text("Usage")) == (f"{path}:2", "Training")
    with pytest.raises(Fault, match=r"a\.csv:4: 'Usage' is empty"):
        second.text("Usage")


@pytest.mark.parametrize("text", ["nan", "inf", "x", "9.01", "0.9"])
def test_numbers_outside_their_scale(text, tmp_path):
    (row,) = csv_rows(write_text(tmp_path / "a.csv", f"valence\n{text}\n"), ("valence",))
    with pytest.raises(Fault, match=r"a\.csv:2: valence is"):
        row.number("valence", 1, 9)


def test_a_field_behind_the_last_column_is_a_fault_and_blanks_there_are_not(tmp_path):
    path = write_text(tmp_path / "a.csv", "path,label\nJohn, Mary.png,joy\nb.png,sad, ,\n")
    first, second = csv_rows(path, ("path",))
    with pytest.raises(Fault, match=r"a\.csv:2: \['joy'\] behind the last column"):
        first.text("path")
    assert second.text("label") == "sad"


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    path = write_text(tmp_path / "a.csv", "path,label, label\na.png,joy,sad\n")
    with pytest.raises(DataError, match=r"columns \['label'\] are there more than once"):
        list(csv_rows(path, ()))


def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path):
    path = write_text(tmp_path / "a.csv", 'path,label\n"a.png,joy\nb.png,sad\n')
    with pytest.raises(DataError, match="not a readable CSV file"):
        list(csv_rows(path, ()))


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a readable CSV file"):
        list(csv_rows(tmp_path / "a.csv", ()))
    with pytest.raises(DataError, match="not a readable text file"):
        list(lines(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"label": "joy"}, "label"),
        ({"distribution": np.array([0.5, 0.5], np.float32)}, "distribution"),
        ({"distribution": np.array([0.5, 0.6, 0.0], np.float32)}, "distribution"),
        ({"distribution": np.array([1.5, -0.5, 0.0], np.float32)}, "distribution"),
        ({"distribution": np.array([np.nan, 0.5, 0.5], np.float32)}, "distribution"),
        ({"boxes": np.array([[5, 5, 5, 9]], np.float32)}, "box"),
        ({"boxes": np.zeros(4, np.float32)}, "box"),
        ({"split": "dev"}, "row"),
        ({"id": ""}, "row"),
    ],
)
def test_a_record_is_checked_at_birth(fields, kind):
    with pytest.raises(Fault, match=r"list\.csv:7: ") as fault:
        Record(**{"id": "a", "split": "train", "picture": b"", "taxonomy": GROUP3, "source": "list.csv:7", **fields})
    assert fault.value.kind == kind
