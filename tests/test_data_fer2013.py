"""FER2013 and FER+: every published form of the files gives the same records, and the published counts."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from emolens.data.fer2013 import SUBSETS, read_ferplus
from emolens.data.ferplus_votes import distributions, in_subset, kept_votes
from emolens.data.problems import Problems
from emolens.data.registry import reader
from emolens.errors import DataError, UnknownName
from fakes_data import VOTES, fer2013, fer_images, ferplus, ferplus_npz, write_rows

MEMBERS = {"argmax": (0, 1, 3, 4, 6, 7), "majority": (1, 3, 4, 6), "crossentropy": (0, 1, 3, 4, 6),
           "multi-target": (0, 1, 3, 4, 6)}  # fmt: skip


@pytest.mark.parametrize("subset", SUBSETS)
def test_members_of_each_subset_by_hand(subset):
    votes = np.array(VOTES)
    assert tuple(np.flatnonzero(in_subset(votes, np.ones(len(votes), bool), subset))) == MEMBERS[subset]


def test_targets_of_each_subset_by_hand():
    votes = np.array([(4, 0, 0, 1, 3, 2, 0, 0, 0, 0)])
    argmax = np.zeros(8)
    argmax[[0, 3, 4, 5]] = 0.4, 0.1, 0.3, 0.2
    np.testing.assert_allclose(distributions(votes, "argmax")[0], argmax, atol=1e-7)
    pair = np.zeros(8)
    pair[[0, 4]] = 4 / 7, 3 / 7  # 4 + 3 of the 9 votes that are not single are more than three quarters of them
    np.testing.assert_allclose(distributions(votes, "crossentropy")[0], pair, atol=1e-7)
    np.testing.assert_allclose(distributions(votes, "multi-target")[0], pair, atol=1e-7)  # 2 of 9 is below 30 %


def test_unknown_behind_an_expression_is_dropped_and_before_it_wins():
    behind, before = kept_votes(
        np.array([(5, 0, 0, 0, 0, 0, 0, 0, 5, 0), (3, 0, 0, 0, 0, 0, 0, 0, 7, 0)]), "crossentropy"
    )
    assert behind.sum() == 0  # half of the votes are left: not more than half
    assert (before[0], before[8]) == (0, 7)


def test_an_unknown_subset_names_the_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'majority'"):
        kept_votes(np.array(VOTES), "majoritys")


def test_all_forms_hold_the_same(tmp_path):
    for name, write in (("csv", ferplus), ("npz", ferplus_npz)):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    fer2013(tmp_path, "icml_face_data.csv")
    for name in ("fer2013", "ferplus"):
        first, second = (list(reader(name).read(tmp_path / form)) for form in ("csv", "npz"))
        assert [(r.id, r.split, r.label) for r in first] == [(r.id, r.split, r.label) for r in second]
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a.open(), b.open())
            assert (a.distribution is None) or np.array_equal(a.distribution, b.distribution)
    assert [r.label for r in reader("fer2013").read(tmp_path / "icml_face_data.csv")] == [
        r.label for r in reader("fer2013").read(tmp_path / "npz")
    ]


def test_pixels_lie_in_rows(tmp_path):
    fer2013(tmp_path)
    record = next(reader("fer2013").read(tmp_path))
    np.testing.assert_array_equal(record.open()[:, :, 0], fer_images()[0])


def test_ids_name_rows_and_not_the_repeated_names_of_ferplus(tmp_path):
    ferplus(tmp_path)
    problems = Problems()
    records = list(reader("ferplus").read(tmp_path, problems, subset="majority"))
    assert [r.id for r in records] == [f"fer2013-{row:05d}" for row in MEMBERS["majority"]]
    assert records[0].votes is not None
    assert records[0].votes.sum() == 10
    assert problems.left_out == {"not in the subset majority": 4}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((7, "0 " * 2304, "Training"), r"fer2013\.csv:2: label '7'; allowed: 0 to 6"),
        ((0, "0 " * 2303, "Training"), r"fer2013\.csv:2: 2303 pixels, needs 48 x 48"),
        ((0, "0 " * 2303 + "256", "Training"), r"fer2013\.csv:2: pixels are not all whole numbers"),
        ((0, "0 " * 2303 + "x", "Training"), r"fer2013\.csv:2: "),
        ((0, "0 " * 2304, "Test"), r"fer2013\.csv:2: Usage is 'Test'"),
    ],
)
def test_a_bad_row_is_named(cells, message, tmp_path):
    write_rows(tmp_path / "fer2013.csv", [("emotion", "pixels", "Usage"), cells])
    with pytest.raises(DataError, match=message):
        list(reader("fer2013").read(tmp_path))


def test_ferplus_that_is_not_beside_its_pictures(tmp_path):
    fer2013(tmp_path)
    with pytest.raises(DataError, match=r"fer2013new\.csv is not there; get fer2013new\.csv"):
        list(reader("ferplus").read(tmp_path))


def test_ferplus_of_another_order_is_refused(tmp_path):
    ferplus(tmp_path)
    lines = (tmp_path / "fer2013new.csv").read_text().splitlines()
    (tmp_path / "fer2013new.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    with pytest.raises(DataError, match=r"fer2013new\.csv:2: Usage is 'PrivateTest', the archive says 'Training'"):
        list(reader("ferplus").read(tmp_path))


def test_an_npz_that_lacks_an_array(tmp_path):
    np.savez(tmp_path / "fer2013_ferplus.npz", images=fer_images())
    with pytest.raises(DataError, match=r"arrays \['usage', 'ferplus_votes', 'ferplus_name'\] are missing"):
        list(reader("fer2013").read(tmp_path))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": np.uint8(3)}, "array images is uint8 ()"),
        ({"usage": np.zeros((8, 2), np.uint8)}, "array usage is uint8 (8, 2), needs integer (8,)"),
        ({"usage": np.full(8, 0.5)}, "array usage is float64"),
        ({"usage": np.full(8, 3)}, "usage holds 3 to 3; allowed: 0 to 2"),
        ({"ferplus_votes": np.full((8, 10), -1)}, "ferplus_votes holds -1 to -1; allowed: 0 to 10"),
        ({"ferplus_name": np.arange(8)}, "array ferplus_name is int64"),
        ({"fer_label": np.full(8, "x")}, "array fer_label is <U1"),
        ({"fer_label": np.full(8, -1)}, "row 0: label -1; allowed: 0 to 6"),  # not the last class
    ],
)
def test_arrays_of_the_npz_that_are_none(arrays, says, tmp_path):
    ferplus_npz(tmp_path)
    with np.load(tmp_path / "fer2013_ferplus.npz") as there:
        content = dict(there)
    np.savez(tmp_path / "fer2013_ferplus.npz", **content | arrays)
    with pytest.raises(DataError, match=re.escape(says)):
        list(reader("fer2013").read(tmp_path))


def test_votes_are_whole_numbers(tmp_path):
    ferplus(tmp_path)
    path = tmp_path / "fer2013new.csv"
    path.write_text(path.read_text().replace(",10,", ",9.5,", 1))
    with pytest.raises(DataError, match=r"fer2013new\.csv:3: happiness is 9\.5; votes are whole numbers"):
        list(reader("ferplus").read(tmp_path))


def test_the_published_counts_of_fer2013(shared_data):
    found = Counter((r.split, r.label) for r in reader("fer2013").read(shared_data / "fer2013"))
    official = {(c.split, c.label): c.n for c in reader("fer2013").official() if c.label}
    assert found == official


@pytest.mark.parametrize("subset", SUBSETS)
def test_the_published_counts_of_ferplus(subset, shared_data):
    found = Counter(r.split for r in reader("ferplus").read(shared_data / "fer2013", subset=subset))
    assert found == {c.split: c.n for c in reader("ferplus").official(subset=subset)}


def test_training_and_records_see_the_same_targets(tmp_path):
    ferplus(tmp_path)
    for subset in SUBSETS:
        records = [r for r in reader("ferplus").read(tmp_path, subset=subset) if r.split == "train"]
        targets = read_ferplus(tmp_path, "train", subset).targets
        np.testing.assert_array_equal(np.stack([r.distribution for r in records]), targets)
