"""Folds, `val` cut from `train`, clusters, and the fixed lists."""

from __future__ import annotations

import builtins
from collections import Counter
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emolens.data.base import Record
from emolens.data.clusters import joined, joined_by, near_clusters
from emolens.data.fingerprints import fingerprint
from emolens.data.registry import reader
from emolens.data.splits import (
    cut_val,
    deal_folds,
    emotion6_folds,
    grouped_folds,
    stratified_folds,
    val_ids,
    write_emotion6_folds,
)
from emolens.errors import DataError, MissingExtra, OptionError
from emolens.taxonomy import taxonomy

TWO = taxonomy("two", ["fear", "anger"])


def test_every_fold_has_its_share_of_every_class() -> None:
    labels = ["anger"] * 10 + ["fear"] * 25
    folds = stratified_folds(labels, 5, seed=1)
    for fold in range(5):
        assert Counter(np.array(labels)[folds == fold].tolist()) == {"anger": 2, "fear": 5}


def test_folds_follow_the_seed() -> None:
    labels = ["anger", "fear"] * 30
    assert (stratified_folds(labels, 3, 7) == stratified_folds(labels, 3, 7)).all()
    assert (stratified_folds(labels, 3, 7) != stratified_folds(labels, 3, 8)).any()


def test_no_subject_is_in_two_folds() -> None:
    subjects = [f"S{n % 12:03d}" for n in range(120)]
    labels = [("anger", "fear", "joy")[n % 3] for n in range(120)]
    folds = grouped_folds(labels, subjects, 4, seed=3)
    assert len({(subject, fold) for subject, fold in zip(subjects, folds.tolist(), strict=True)}) == 12
    assert sorted(Counter(folds.tolist()).values()) == [30, 30, 30, 30]


def test_rows_without_a_group_are_dealt_one_by_one() -> None:
    labels = ["anger"] * 4 + ["fear"] * 4
    folds = grouped_folds(labels, [None] * 8, 4)
    for fold in range(4):
        assert sorted(np.array(labels)[folds == fold]) == ["anger", "fear"]


def test_a_class_that_is_too_rare_is_named() -> None:
    with pytest.raises(DataError, match=r"'anger' has 2 rows, 3 folds need 3"):
        stratified_folds(["anger"] * 2 + ["fear"] * 9, 3)
    with pytest.raises(DataError, match=r"'anger' has 1 groups, 2 folds need 2"):
        grouped_folds(["anger", "anger", "fear", "fear"], ["a", "a", "b", "c"], 2)
    with pytest.raises(DataError, match="2 labels and 1 groups"):
        grouped_folds(["anger", "fear"], ["a"], 2)
    with pytest.raises(OptionError, match="1 folds"):
        stratified_folds(["anger"], 1)


def test_folds_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"emolens\[evaluate\]"):
        stratified_folds(["anger"] * 3 + ["fear"] * 3, 3)


def test_clusters_reach_through_others() -> None:
    assert joined(5, [(4, 2), (2, 0)]).tolist() == [0, 1, 0, 2, 0]
    subjects = ["a", None, "b", "b", None]
    videos = ["v1", "v1", "v2", "v1", None]
    assert joined_by(subjects).tolist() == [0, 1, 2, 2, 3]
    assert joined_by(subjects, videos).tolist() == [0, 0, 0, 0, 1]  # b is in v1 and in v2
    assert joined_by(("a", "b"), ("b", "a")).tolist() == [0, 1]  # a subject named as a video is no video
    assert joined(0, []).tolist() == []
    with pytest.raises(DataError, match=r"\[1, 2\] rows"):
        joined_by(["a"], ["b", "c"])


def test_near_duplicates_are_one_cluster(rng: np.random.Generator) -> None:
    first, other = (rng.integers(0, 256, (8, 8), np.uint8).repeat(6, 0).repeat(6, 1) for _ in range(2))
    darker = (first * 0.8).astype(np.uint8)
    blank = np.zeros((48, 48), np.uint8)
    prints = [fingerprint(picture) for picture in (first, other, darker, first, blank, blank + 9)]
    assert near_clusters(prints).tolist() == [0, 1, 0, 0, 2, 3]


@given(st.permutations([f"face{n:03d}" for n in range(40)]), st.integers(0, 5))
def test_val_does_not_depend_on_the_order(ids: list[str], seed: int) -> None:
    cut = cut_val(ids, [int(name[4:]) // 3 for name in ids], share=0.25, seed=seed)
    again = cut_val(sorted(ids), [int(name[4:]) // 3 for name in sorted(ids)], share=0.25, seed=seed)
    moved = {name for name, move in zip(ids, cut, strict=True) if move}
    assert moved == {name for name, move in zip(sorted(ids), again, strict=True) if move}
    assert len({int(name[4:]) // 3 for name in moved} & {int(name[4:]) // 3 for name in set(ids) - moved}) == 0
    assert 9 <= len(moved) <= 12  # groups of three, and one of one: within half a group of 10


def test_val_has_its_share_and_neither_part_is_empty() -> None:
    ids = [f"{n}.jpg" for n in range(1000)]
    assert cut_val(ids, share=0.1).sum() == 100
    assert cut_val(ids[:2], share=0.01).sum() == cut_val(ids[:2], share=0.99).sum() == 1
    assert (cut_val(ids, seed=1) != cut_val(ids, seed=2)).any()
    with pytest.raises(DataError, match="1 group"):
        cut_val(ids[:3], ["S1"] * 3)
    with pytest.raises(OptionError, match=r"share is 1.5"):
        cut_val(ids, share=1.5)


def _record(name: str, split: str = "train", **fields: str) -> Record:
    picture = np.zeros((4, 4), np.uint8)
    return Record(id=name, split=split, picture=picture, taxonomy=TWO, **fields)  # type: ignore[arg-type]


def test_records_keep_subjects_and_sequences_whole() -> None:
    records = [_record(f"r{n}", subject=f"S{n // 5}", sequence=f"v{n // 10}") for n in range(100)]
    moved = val_ids(records, share=0.2)
    assert len(moved) == 20
    for n in range(0, 100, 10):
        assert len({f"r{m}" in moved for m in range(n, n + 10)}) == 1


def test_people_in_one_picture_stay_together(tmp_path: Path) -> None:
    pictures = [tmp_path / f"{n // 2}.png" for n in range(20)]
    records = [replace(_record(f"{n // 2}#{n % 2}"), picture=pictures[n]) for n in range(20)]
    moved = val_ids(records, share=0.3)
    assert len(moved) == 6
    assert {name[:-1] + "0" for name in moved} == {name[:-1] + "0" for name in moved if name.endswith("1")}


def test_a_set_with_val_or_without_train_keeps_its_splits() -> None:
    assert val_ids([_record("a"), _record("b"), _record("c", "val")]) == frozenset()
    assert val_ids([_record("a", "test")]) == frozenset()
    assert val_ids([_record("a"), _record("b"), _record("c", "test")], share=0.5) < {"a", "b"}


def test_emotion6_folds_are_whole_and_even() -> None:
    folds = emotion6_folds()
    assert [len(fold) for fold in folds] == [396] * 5
    assert len({name for fold in folds for name in fold}) == 1980
    for fold in folds:
        assert set(Counter(name.split("/")[0] for name in fold).values()) == {66}


def test_emotion6_folds_can_be_made_again(tmp_path: Path) -> None:
    write_emotion6_folds(tmp_path)
    shipped = resources.files("emolens.data") / "folds"
    for n in range(1, 6):
        text = (tmp_path / f"emotion6_fold{n}.txt").read_text(encoding="utf-8")
        assert text == (shipped / f"emotion6_fold{n}.txt").read_text(encoding="utf-8")
        assert "seed 0" in text.splitlines()[1]


def test_dealt_folds_do_not_depend_on_the_order() -> None:
    ids = [f"{folder}/{n}" for folder in ("joy", "fear") for n in range(1, 21)]
    assert deal_folds(ids) == deal_folds(reversed(ids))
    assert deal_folds(ids, seed=1) != deal_folds(ids, seed=2)


def test_emotion6_folds_name_the_records_of_emotion6(shared_data: Path) -> None:
    if not (shared_data / "Emotion6" / "ground_truth.txt").is_file():
        pytest.skip("Emotion6 is not in the folder of real data")
    ids = {record.id for record in reader("emotion6").read(shared_data / "Emotion6")}
    assert ids == {name for fold in emotion6_folds() for name in fold}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
