from pathlib import Path

import numpy as np
import pytest

from emolens.data.fer2013 import SPLITS, in_subset, read_ferplus
from emolens.errors import DataError, UnknownName

VOTES = np.array(
    [
        [
            5,
            5,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ],  # a tie: argmax takes the first, the strict rule wants more than half
        [6, 1, 1, 1, 1, 0, 0, 0, 0, 0],  # single votes are dropped: 6 of 6
        [2, 2, 2, 0, 0, 0, 0, 0, 4, 0],  # unknown wins
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # not a face
        [4, 3, 2, 0, 0, 0, 0, 0, 0, 1],  # 4 of 9 that remain: no majority
    ],
    np.uint8,
)


def archive(folder: Path) -> Path:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 255, (6, 48, 48)).astype(np.uint8)
    images[5] = images[0]
    np.savez(
        folder / "fer2013_ferplus.npz",
        images=images,
        usage=np.array([0, 0, 1, 1, 2, 2], np.uint8),
        ferplus_votes=np.vstack([VOTES[[1, 1, 1, 2, 4, 1]]]),
        ferplus_name=np.array([f"fer{i}.png" for i in range(6)]),
    )
    return folder


def test_the_two_subsets_by_hand() -> None:
    named = np.ones(5, bool)
    assert in_subset(VOTES, named, "argmax").tolist() == [True, True, False, False, True]
    assert in_subset(VOTES, named, "majority").tolist() == [False, True, False, False, False]
    with pytest.raises(UnknownName, match="majority"):
        in_subset(VOTES, named, "majorty")


def test_splits_and_targets(tmp_path: Path) -> None:
    root = archive(tmp_path)
    assert [len(read_ferplus(root, split)) for split in SPLITS] == [2, 1, 2]
    np.testing.assert_allclose(read_ferplus(root, "train").targets[0, :3], [0.6, 0.1, 0.1])
    strict = read_ferplus(root, "test", "majority")
    assert strict.ids.tolist() == ["fer2013-00005"]
    assert strict.targets[0, 0] == 1


def test_a_folder_without_the_archive_and_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no fer2013_ferplus\.npz"):
        read_ferplus(tmp_path, "train")
    (tmp_path / "fer2013_ferplus.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match="not a readable npz"):
        read_ferplus(tmp_path, "train")


def test_official_counts(shared_data: Path) -> None:
    counts = {subset: [len(read_ferplus(shared_data, s, subset)) for s in SPLITS] for subset in ("argmax", "majority")}
    assert counts == {"argmax": [28389, 3553, 3546], "majority": [25060, 3199, 3153]}
