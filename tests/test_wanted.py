"""What SOURCE means to a preparation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens.errors import DataError, OptionError, OutputError
from emolens.preparing.wanted import check_apart, known_set, wanted_pictures


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)
    return path


def test_photos_are_known_by_their_paths_below_what_they_share(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/b/2.png", "c/3.png"):
        picture(tmp_path / name)
    assert [one.id for one in wanted_pictures([str(tmp_path)])] == ["a/1.png", "a/b/2.png", "c/3.png"]
    assert [one.id for one in wanted_pictures([str(tmp_path / "a" / "*.png")])] == ["1.png"]
    both = wanted_pictures([str(tmp_path / "c" / "3.png"), str(tmp_path / "a" / "1.png")])
    assert [one.id for one in both] == ["c/3.png", "a/1.png"]
    assert {(one.split, one.label) for one in both} == {("", "")}


def test_data_sets_are_known_by_their_folders(tmp_path: Path) -> None:
    for name in ("Negative/neg_1", "Neutral/neu_1", "Positive/pos_1"):
        for part in ("train", "val"):
            picture(tmp_path / "gaf" / "emotiw" / part / f"{name}.png")
    for part in ("train", "val", "test"):
        picture(tmp_path / "scene" / part / "Negative" / "neg_film_12.png")
        picture(tmp_path / "scene" / part / "Positive" / "pos_film_12.png")
    assert known_set(tmp_path / "gaf") == "gaf"
    assert known_set(tmp_path / "scene") == "groupscene"
    assert known_set(tmp_path) is None
    found = wanted_pictures([str(tmp_path / "gaf")])
    assert [(one.id, one.split, one.label) for one in found][:2] == [
        ("train/Negative/neg_1.png", "train", "negative"),
        ("train/Neutral/neu_1.png", "train", "neutral"),
    ]
    assert {one.label for one in wanted_pictures([str(tmp_path / "scene")])} == {"negative", "positive"}


def test_tables_with_labels_and_without(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    (tmp_path / "plain.csv").write_text("path,split\nx.png,val\n")
    (tmp_path / "labelled.csv").write_text("path,split,label\nx.png,val,happy\n")
    for name, label in (("plain", ""), ("labelled", "happiness")):
        (one,) = wanted_pictures([str(tmp_path / f"{name}.csv")])
        assert (one.id, one.split, one.label) == ("x.png", "val", label)
    (tmp_path / "out.csv").write_text("path\n../x.png\n")
    with pytest.raises(DataError, match="leaves"):
        wanted_pictures([str(tmp_path / "out.csv")])
    (tmp_path / "part.csv").write_text("path,split\nx.png,all\n")
    with pytest.raises(DataError, match="allowed: train, val, test"):
        wanted_pictures([str(tmp_path / "part.csv")])


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    with pytest.raises(OptionError, match="takes one source"):
        wanted_pictures([str(tmp_path), str(tmp_path)], "gaf")
    with pytest.raises(OptionError, match="--data"):
        wanted_pictures([str(tmp_path)], None, None, protocol="lists")
    with pytest.raises(OutputError, match="lies in"):
        check_apart(tmp_path / "out", [str(tmp_path)])
    check_apart(tmp_path.parent / "out", [str(tmp_path)])
