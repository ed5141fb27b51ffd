"""`check` finds what is wrong, counts it, and says so in a verdict."""

from __future__ import annotations

import pytest

from emolens.data.check import check
from emolens.data.registry import names, reader
from emolens.errors import UnknownName
from fakes_data import FAKES, draw, write_text


@pytest.mark.parametrize("name", names())
def test_a_sound_archive_has_no_fault_and_differs_only_in_number(name, tmp_path):
    FAKES[name].write(tmp_path)
    report = check(name, tmp_path)
    assert report.faults == {}
    assert report.split_counts() == FAKES[name].splits
    assert report.records == report.opened == sum(FAKES[name].splits.values())
    assert report.verdict == ("incomplete" if reader(name).info.counts else "complete")


def test_all_faults_are_listed_and_nothing_is_dropped_without_a_count(tmp_path):
    for name in ("good", "small", "other"):
        draw(tmp_path / f"{name}.png")
    draw(tmp_path / "map.png", size=(39, 32), mode="L")
    write_text(tmp_path / "broken.png", "no picture")
    rows = (
        "good.png,joy,",
        "broken.png,joy,",
        "absent.png,joy,",
        "../out.png,joy,",
        "other.png,gloom,",
        "small.png,fear,map.png",
    )
    write_text(tmp_path / "table.csv", "\n".join(("path,label,map", *rows)))
    report = check("table", tmp_path, classes="ferplus")
    assert report.faults == {"missing": 1, "path": 1, "unreadable": 1, "size": 1, "label": 1}
    assert report.records + 3 == len(rows)  # absent, out and gloom could be no records
    assert report.verdict == "faulty"
    assert not report.ok
    told = "\n".join(report.lines())
    for line, name in ((4, "absent.png"), (5, "out.png"), (6, "gloom"), (7, "39 x 32")):
        assert any(f"table.csv:{line}: " in text and name in text for text in report.lines()), (line, told)
    assert report.lines()[-1].startswith("verdict: faulty; 3 records")
    assert report.unlisted == 1  # other.png: its row was no record


def test_a_picture_of_the_wrong_size(tmp_path):
    FAKES["rafdb"].write(tmp_path)
    draw(tmp_path / "Image/aligned/test_0001_aligned.jpg", size=(99, 100))
    report = check("rafdb", tmp_path)
    assert report.faults == {"size": 1}
    assert "99 x 100 pixels, RAF-DB (basic) has 100 x 100" in report.examples["size"][0]


def test_differences_from_the_official_counts_are_named(tmp_path):
    FAKES["emotionroi"].write(tmp_path)
    differences = [str(difference) for difference in check("emotionroi", tmp_path).differences]
    assert differences == ["train: 2 found, 1386 official", "test: 1 found, 594 official"]


def test_examples_are_few_and_counts_are_whole(tmp_path):
    write_text(tmp_path / "table.csv", "path,label\n" + "".join(f"{n}.png,joy\n" for n in range(50)))
    report = check("table", tmp_path, keep=2)
    assert report.faults == {"missing": 50}
    assert len(report.examples["missing"]) == 2
    assert "    ... and 48 more" in report.lines()
    assert report.verdict == "incomplete"


@pytest.mark.parametrize("name", names())
def test_an_empty_folder_is_incomplete(name, tmp_path):
    report = check(name, tmp_path)
    assert report.verdict == "incomplete"
    assert reader(name).info.obtain in report.examples["missing"][0]


def test_an_archive_that_breaks_off_is_faulty(tmp_path):
    write_text(tmp_path / "fer2013_ferplus.npz", "no archive")
    report = check("fer2013", tmp_path)
    assert report.verdict == "faulty"
    assert "not a readable npz archive" in report.examples["unreadable"][0]


def test_progress_and_closed_pictures(tmp_path):
    FAKES["folder"].write(tmp_path)
    told: list[int] = []
    report = check("folder", tmp_path, open_pictures=False, progress=told.append)
    assert (told, report.opened) == ([1, 2, 3], 0)


def test_lines_hold_counts_beside_the_official_ones(tmp_path):
    FAKES["rafdb"].write(tmp_path)
    lines = check("rafdb", tmp_path).lines()
    assert lines[1:3] == ["  train: 2 of 12271", "    neutral: 1 of 2524"]


def test_arguments_are_refused_at_once(tmp_path):
    with pytest.raises(UnknownName):
        check("nothing", tmp_path)


def test_the_real_emotion6_is_complete(shared_data):
    assert check("emotion6", shared_data / "Emotion6", open_pictures=False).ok
    top = check("emotion6", shared_data / "Emotion6", open_pictures=False, label="top")
    assert top.ok
    assert top.counts["train", "happiness"] == 638
    assert top.counts["train", "anger"] == 31


def test_the_published_lists(shared_data):
    report = check("lists", shared_data / "expression_splits", open_pictures=False, pictures="ignored")
    assert report.ok
    assert report.split_counts() == {"train": 28601, "val": 15206, "test": 2994}
