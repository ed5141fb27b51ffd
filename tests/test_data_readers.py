"""The contract of every reader, held against a tiny archive laid out as the real one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emolens.data.base import SPLITS, Record
from emolens.data.emotic import valence_class
from emolens.data.problems import Problems
from emolens.data.registry import names, reader
from emolens.errors import DataError, OptionError, UnknownName
from fakes_data import (
    FAKES,
    affectnet_csv,
    affectnet_folders,
    draw,
    emotic_csv,
    write_rows,
    write_text,
)


def read(name: str, root: Path, **options: str | int | bool) -> list[Record]:
    FAKES[name].write(root)
    return list(reader(name).read(root, **options))


def test_every_reader_has_a_stand_in():
    assert set(FAKES) == set(names())


@pytest.mark.parametrize("name", names())
def test_records_keep_the_contract(name, tmp_path):
    records = read(name, tmp_path, **FAKES[name].options)
    assert Counter(r.split for r in records) == FAKES[name].splits
    assert len({r.id for r in records}) == len(records)
    for record in records:
        assert record.split in SPLITS
        assert record.source
        assert record.label is None or record.label in record.taxonomy.classes
        if record.distribution is not None:
            assert record.distribution.dtype == np.float32
            assert abs(float(record.distribution.sum()) - 1) < 1e-3
        picture = record.open()
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3


@pytest.mark.parametrize("name", names())
def test_two_readings_are_the_same(name, tmp_path):
    first = [(r.id, r.split, r.label, r.source) for r in read(name, tmp_path)]
    assert first == [(r.id, r.split, r.label, r.source) for r in reader(name).read(tmp_path)]


@pytest.mark.parametrize("name", names())
def test_info_is_complete_and_a_missing_root_says_what_to_obtain(name, tmp_path):
    info = reader(name).info
    assert info.name == name
    assert all((info.title, info.citation, info.terms, info.obtain, info.layout))
    if info.taxonomy:
        assert {c.label for c in info.counts} <= {"", *info.taxonomy.classes}
    with pytest.raises(DataError, match=r"no such file or folder") as absent:
        reader(name).read(tmp_path / "nowhere")
    assert info.obtain in str(absent.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as empty:
        list(reader(name).read(tmp_path / "empty"))
    assert info.obtain in str(empty.value)


@pytest.mark.parametrize("name", names())
def test_official_counts_of_classes_add_up_to_those_of_splits(name):
    counts = reader(name).info.counts
    for whole in (c for c in counts if not c.label and c.split):
        parts = [c.n for c in counts if c.label and c.split == whole.split and c.when == whole.when]
        assert not parts or sum(parts) == whole.n


@pytest.mark.parametrize("name", names())
def test_a_file_in_the_place_of_the_archive_is_refused(name, tmp_path):
    with pytest.raises(DataError):
        list(reader(name).read(write_text(tmp_path / "notes.txt", "no data set\n")))


def test_unknown_names_and_options_name_the_near_miss(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'emotion6'"):
        reader("emotions6")
    with pytest.raises(UnknownName, match="Did you mean 'classes'"):
        reader("affectnet").read(tmp_path, clases=7)
    with pytest.raises(OptionError, match="allowed: 7, 8"):
        reader("affectnet").read(tmp_path, classes="9")
    with pytest.raises(OptionError, match="yes or no"):
        reader("ckplus").read(tmp_path, neutral="perhaps")


def test_ck_sequences_and_the_neutral_frame(tmp_path):
    records = read("ckplus", tmp_path, frames="1", neutral="yes")
    found = [(r.id, r.label, r.subject, r.sequence) for r in records]
    assert found == [
        ("S005_001_00000001", "neutral", "S005", "S005_001"),
        ("S005_001_00000005", "disgust", "S005", "S005_001"),
        ("S010_002_00000001", "neutral", "S010", "S010_002"),
        ("S010_002_00000004", "surprise", "S010", "S010_002"),
    ]
    problems = Problems()
    list(reader("ckplus").read(tmp_path, problems))
    assert problems.left_out["sequences without a label"] == 2


def test_an_emotion_file_that_is_no_text_costs_its_sequence_alone(tmp_path):
    FAKES["ckplus"].write(tmp_path)
    (tmp_path / "Emotion/S005/001/S005_001_00000005_emotion.txt").write_bytes(b"\xff\xfe3\x00")
    problems = Problems(strict=False)
    assert {r.subject for r in reader("ckplus").read(tmp_path, problems)} == {"S010"}
    assert problems.counts == {"unreadable": 1}
    assert "S005_001_00000005_emotion.txt: not a readable text file" in problems.examples["unreadable"][0]


def test_affectnet_in_its_three_forms(tmp_path):
    problems = Problems()
    FAKES["affectnet"].write(tmp_path / "npy")
    records = list(reader("affectnet").read(tmp_path / "npy", problems, classes=7))
    assert [(r.label, r.valence, r.arousal) for r in records] == [("happiness", 0.5, 0.5), ("anger", -0.5, -0.5)]
    assert problems.left_out == {"labelled contempt": 1, "labelled uncertain": 1}
    affectnet_csv(tmp_path / "csv")
    assert [(r.split, r.label) for r in reader("affectnet").read(tmp_path / "csv")] == [
        ("train", "happiness"),
        ("val", "contempt"),
    ]
    affectnet_folders(tmp_path / "folders")
    assert [r.label for r in reader("affectnet").read(tmp_path / "folders")] == ["neutral", "contempt", "surprise"]
    judged = reader("affectnet").read(tmp_path / "csv", published_val="test")
    assert [r.split for r in judged] == ["train", "test"]


def test_affectnet_never_unpickles(tmp_path):
    FAKES["affectnet"].write(tmp_path)
    np.save(tmp_path / "val_set/annotations/0_exp.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"0_exp\.npy: holds no number"):
        list(reader("affectnet").read(tmp_path))


def test_emotion6_keyword_and_top(tmp_path):
    assert [r.label for r in read("emotion6", tmp_path)] == ["disgust", "surprise", "happiness"]
    top = list(reader("emotion6").read(tmp_path, label="top"))
    assert [r.label for r in top] == ["disgust", "happiness", "happiness"]  # ties go to the first column
    assert top[0].valence == 2.5


def test_emotionroi_maps_lie_in_0_to_1_at_the_size_of_the_picture(tmp_path):
    for record in read("emotionroi", tmp_path):
        stimuli = record.open_map()
        assert stimuli is not None
        assert stimuli.shape == record.open().shape[:2]
        assert stimuli.dtype == np.float32
        assert 0 <= stimuli.min() <= stimuli.max() <= 1


def test_gaf_cut_by_pickled_lists(tmp_path):
    problems = Problems()
    FAKES["gaf"].write(tmp_path)
    records = list(reader("gaf").read(tmp_path, problems, protocol="lists"))
    assert [(r.split, r.label) for r in records[3:]] == [("val", "negative"), ("test", "positive")]
    assert problems.left_out == {"validation pictures in neither list": 1}
    assert {r.label for r in reader("gaf").read(tmp_path) if r.split == "test"} == {None}


def test_gaf_name_that_contradicts_its_folder(tmp_path):
    FAKES["gaf"].write(tmp_path)
    draw(tmp_path / "emotiw/train/Positive/neg_9.jpg")
    with pytest.raises(DataError, match=r"neg_9\.jpg: lies in Positive but its name says Negative"):
        list(reader("gaf").read(tmp_path))


def test_groupscene_videos_and_parts(tmp_path):
    records = read("groupscene", tmp_path)
    assert [r.sequence for r in records] == ["neg_a", "pos_b", None, "Tpos_c"]
    assert [r.attributes["part"] for r in records] == ["faces", "nofaces", "nofaces", "nofaces"]
    assert [r.id for r in reader("groupscene").read(tmp_path, part="faces")] == ["train/Negative/neg_a_12.jpg"]


def test_emotic_from_matlab_and_csv(tmp_path):
    first, nobody, _, several = read("emotic", tmp_path / "mat")
    assert (first.label, first.valence, first.categories) == ("negative", 4, ("Peace", "Doubt/Confusion"))
    assert first.boxes is not None
    assert first.boxes.tolist() == [[2, 3, 20, 30]]
    assert (nobody.label, nobody.valence, nobody.categories) == (None, None, ("Fear",))
    assert (several.label, several.dominance, several.attributes["age"]) == ("positive", 6, "adult")
    assert several.categories == ("Happiness", "Pleasure")
    emotic_csv(tmp_path / "csv")
    (row,) = reader("emotic").read(tmp_path / "csv")
    assert (row.label, row.categories) == ("neutral", ("Peace",))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[7.0, 5.0, 6.0]", "['high', 5.0, 6.0]", "valence, arousal or dominance is 'high', needs a number"),
        ("[7.0, 5.0, 6.0]", "[[7.0], 5.0, 6.0]", "needs a number"),
        ("[7.0, 5.0, 6.0]", "[7.0, 5.0, 11]", "dominance is 11, allowed: numbers from 1 to 10"),
        ("[2, 3, 20, 30]", "[2, 3, 20, 'x']", "a side of the box is 'x', needs a number"),
        ("[2, 3, 20, 30]", "[2, 3, 20, 1e400]", "a side of the box is 'inf', needs a finite number"),
    ],
)
def test_emotic_numbers_that_are_none(old, new, says, tmp_path):
    emotic_csv(tmp_path)
    text = (tmp_path / "train.csv").read_text()
    assert old in text
    (tmp_path / "train.csv").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=rf"train\.csv:2: .*{says}"):
        list(reader("emotic").read(tmp_path))


def test_emotic_csv_runs_no_code(tmp_path):
    emotic_csv(tmp_path)
    text = (tmp_path / "train.csv").read_text()
    (tmp_path / "train.csv").write_text(text.replace("['Peace']", "[print('x')]"))
    with pytest.raises(DataError, match=r"train\.csv:2: Categorical_Labels is"):
        list(reader("emotic").read(tmp_path))


@pytest.mark.parametrize(("valence", "label"), [(1, "negative"), (4.9, "negative"), (5, "neutral"), (7, "neutral"),
                                                (7.9, "neutral"), (8, "positive"), (10, "positive")])  # fmt: skip
def test_valence_classes_of_the_group_system(valence, label):
    assert valence_class(valence) == label


def test_lists_tell_collection_subject_and_official_split(tmp_path):
    records = read("lists", tmp_path)
    assert (records[0].subject, records[0].sequence) == ("S125", "S125_005")
    assert [r.attributes.get("official_split") for r in records[-2:]] == ["train", "test"]
    assert [r.attributes["collection"] for r in records] == ["CK+48", "aff", "CK+48", "aff", "RAF", "RAF"]


def test_lists_whose_label_contradicts_the_path(tmp_path):
    write_rows(tmp_path / "train.csv", [("", "image_path", "label"), (0, "Data/aff/anger/image0000001.jpg", 3)])
    with pytest.raises(DataError, match=r"train\.csv:2: label says happiness, .* says anger"):
        list(reader("lists").read(tmp_path, pictures="ignored"))


def test_table_as_csv_and_as_parquet(tmp_path):
    import pyarrow.csv
    import pyarrow.parquet

    records = read("table", tmp_path)
    assert records[0].taxonomy.classes == ("happiness", "neutral")
    assert records[0].attributes == {"camera": "left"}
    assert (records[0].subject, records[1].split, records[1].valence) == ("anna", "val", None)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "table.csv"), tmp_path / "table.parquet")
    again = list(reader("table").read(tmp_path / "table.parquet"))
    assert [(r.id, r.split, r.valence, r.attributes) for r in again] == [
        (r.id, r.split, r.valence, r.attributes) for r in records
    ]
    assert all(np.array_equal(a.distribution, b.distribution) for a, b in zip(records, again, strict=True))


def test_a_label_that_is_nan_in_parquet_is_no_class(tmp_path):
    import pyarrow
    import pyarrow.parquet

    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    columns = {"path": ["a.png", "b.png"], "label": [1.0, float("nan")]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "table.parquet")
    first, second = reader("table").read(tmp_path)
    assert first.taxonomy.classes == ("1.0",)
    assert (first.label, second.label) == ("1.0", None)


@pytest.mark.parametrize("column", ["path", "map"])
def test_file_names_in_parquet_that_are_bytes_are_refused(column, tmp_path):
    import pyarrow
    import pyarrow.parquet

    columns = {"path": ["a.png"], "map": ["a.png"], "label": ["joy"]} | {column: [b"a.png"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "table.parquet")
    with pytest.raises(DataError, match=f"column '{column}' holds binary, needs text"):
        list(reader("table").read(tmp_path))


def test_file_names_in_parquet_may_be_a_dictionary(tmp_path):
    import pyarrow
    import pyarrow.parquet

    draw(tmp_path / "a.png")
    columns = {"path": pyarrow.array(["a.png"]).dictionary_encode(), "label": ["joy"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "table.parquet")
    assert [record.id for record in reader("table").read(tmp_path)] == ["a.png"]


BAD_ROWS = {
    "../secret.png,happy": r"table\.csv:2: '\.\./secret\.png' leaves",
    "/etc/passwd,happy": r"table\.csv:2: '/etc/passwd' leaves",
    "..\\secret.png,happy": r"table\.csv:2: .* leaves",
    "absent.png,happy": r"table\.csv:2: .*absent\.png is not there",
    "a.png,gloomy": r"table\.csv:2: label 'gloomy' is not in ferplus",
    ",happy": r"table\.csv:2: 'path' is empty",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_of_a_table_is_named(row, tmp_path):
    draw(tmp_path / "a.png")
    write_text(tmp_path / "table.csv", f"path,label\n{row}\n")
    with pytest.raises(DataError, match=BAD_ROWS[row]):
        list(reader("table").read(tmp_path, classes="ferplus"))


def test_probabilities_that_do_not_sum_to_1_are_refused_not_renormalised(tmp_path):
    draw(tmp_path / "a.png")
    write_text(tmp_path / "table.csv", "path,p_joy,p_anger\na.png,0.5,0.4\n")
    with pytest.raises(DataError, match=r"table\.csv:2: probabilities sum to 0\.9000"):
        list(reader("table").read(tmp_path))


def test_two_columns_of_one_class(tmp_path):
    write_text(tmp_path / "table.csv", "path,p_joy,p_happy\na.png,0.5,0.5\n")
    with pytest.raises(DataError, match=r"table\.csv: columns .* must be distinct"):
        list(reader("table").read(tmp_path))


def test_a_table_without_its_columns(tmp_path):
    write_text(tmp_path / "table.csv", "file,label\na.png,happy\n")
    with pytest.raises(DataError, match=r"table\.csv: column 'path' is missing; found \['file', 'label'\]"):
        list(reader("table").read(tmp_path))


def test_the_same_id_twice_is_a_fault(tmp_path):
    draw(tmp_path / "a.png")
    write_text(tmp_path / "table.csv", "path,label\na.png,joy\na.png,joy\n")
    with pytest.raises(DataError, match=r"table\.csv:3: the id 'a\.png' came before"):
        list(reader("table").read(tmp_path))


def test_folders_with_and_without_splits(tmp_path):
    assert [(r.split, r.label) for r in read("folder", tmp_path / "a")] == [
        ("train", "happiness"),
        ("train", "sadness"),
        ("val", "happiness"),
    ]
    draw(tmp_path / "b/Angry/1.png")
    (record,) = reader("folder").read(tmp_path / "b")
    assert (record.split, record.label, record.id) == ("train", "anger", "Angry/1.png")
