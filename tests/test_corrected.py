"""The corrected protocol of the combined set, and folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emolens.data.corrected import corrected_splits
from emolens.data.faces import read_faces, read_groups
from emolens.data.given import prepared_folder
from emolens.data.labelled import LabelledFaces
from emolens.data.prepare import prepare
from emolens.errors import DataError
from emolens.learn.config import ExpressionRecipe, changed
from emolens.learn.loading import rows_of
from emolens.learn.recipes import recipe
from emolens.taxonomy import EKMAN6
from expression_sets import AFF_VAL, CK_SUBJECTS, RAF_TEST, write_affectnet, write_ck_raf_aff, write_ckplus48
from expression_sets import write_fer2013 as write_fer
from fakes_data import draw

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ck_raf_aff(tmp_path_factory.mktemp("combined"))


@pytest.fixture(scope="module")
def parts(combined: Path) -> dict[str, LabelledFaces]:
    return {split: read_faces(combined, split, "ck_raf_aff", grey=False, size=16) for split in SPLITS}


def test_every_part_has_rows_of_every_set_in_the_six_classes(parts: dict[str, LabelledFaces]) -> None:
    for split, faces in parts.items():
        assert faces.split == split
        assert faces.taxonomy == EKMAN6
        assert faces.images.shape[1:] == (16, 16, 3)
        assert faces.origin is not None
        assert sorted(set(faces.origin)) == ["affectnet", "ckplus", "rafdb"]
        assert all(one.startswith(f"{name}/") for one, name in zip(faces.ids, faces.origin, strict=True))
        np.testing.assert_allclose(faces.targets.sum(axis=1), 1)


def test_no_subject_of_ck_is_in_two_parts(parts: dict[str, LabelledFaces]) -> None:
    subjects = [{one[:11] for one in faces.ids if one.startswith("ckplus/")} for faces in parts.values()]
    assert sum(map(len, subjects)) == len(set().union(*subjects)) == CK_SUBJECTS


def test_official_parts_stay_and_the_published_val_of_affectnet_is_the_test(parts: dict[str, LabelledFaces]) -> None:
    tested = parts["test"].ids.tolist()
    assert sum(one.startswith("rafdb/test_") for one in tested) == RAF_TEST * 6  # neutral is left out
    assert not any("rafdb/train_" in one for one in tested)
    assert sum(one.startswith("affectnet/val/") for one in tested) == AFF_VAL * 6
    assert not any("/val/" in one for part in ("train", "val") for one in parts[part].ids)


def test_without_an_official_val_a_test_is_cut_by_the_name_of_the_picture(tmp_path: Path) -> None:
    for seed in range(60):
        draw(tmp_path / "aff" / ("anger", "fear")[seed % 2] / f"image{seed // 2:07d}.jpg", seed)
    prepare("affectnet", tmp_path / "aff", tmp_path / "out")
    found = corrected_splits(tmp_path / "out")
    names = {split: {one.split("/")[-1] for one, part in found.items() if part == split} for split in SPLITS}
    assert all(names.values())
    assert len(found) == 60
    assert len(names["train"] & names["test"]) == 0  # a name stands for one picture, whatever its class


def test_a_picture_in_two_parts_stays_in_the_one_that_judges(tmp_path: Path) -> None:
    root = write_affectnet(tmp_path / "aff")
    copy = next((root / "val/3").iterdir())
    (root / "train/3/copy.jpg").write_bytes(copy.read_bytes())
    prepare("affectnet", root, tmp_path / "out")
    found = corrected_splits(tmp_path / "out")
    assert "train/3/copy" not in found
    assert found[f"val/3/{copy.stem}"] == "test"


def test_the_protocol_is_the_same_whenever_it_is_asked_for(combined: Path) -> None:
    folder = prepared_folder(combined / "ckplus", "ckplus48")
    assert corrected_splits(folder) == corrected_splits(folder)


def test_a_set_of_sets_with_a_member_missing_names_it(tmp_path: Path) -> None:
    write_ckplus48(tmp_path / "ckplus")
    with pytest.raises(DataError, match=r"no folder rafdb, affectnet; ck_raf_aff needs ckplus, rafdb, affectnet"):
        read_faces(tmp_path, "train", "ck_raf_aff")


# --- folds --------------------------------------------------------------------------------------------------------


def folded(name: str, data: str, fold: int, **more: object) -> ExpressionRecipe:
    settings = [f"data.name={data}", "data.folds=3", f"data.fold={fold}", *(f"{k}={v}" for k, v in more.items())]
    return changed(recipe(name), settings)


def test_every_row_of_train_and_val_is_val_in_one_fold(tmp_path: Path) -> None:
    archive = write_fer(tmp_path)
    whole = {one for split in ("train", "val") for one in read_faces(archive, split, "fer2013").ids}
    seen: list[str] = []
    for fold in range(3):
        one = folded("expression_fer2013", "fer2013", fold)
        train, val = (set(rows_of(one, archive, split).ids) for split in ("train", "val"))
        assert train | val == whole
        assert not train & val
        seen += val
    assert len(seen) == len(whole) == len(set(seen))
    test = rows_of(folded("expression_fer2013", "fer2013", 0), archive, "test")
    assert len(test) == 14  # test is never dealt


def test_folds_keep_subjects_whole(tmp_path: Path) -> None:
    archive = write_ckplus48(tmp_path)
    groups = read_groups(archive, "ckplus48")
    assert groups["S003_001_00000010"] == ("S003", "S003_001", None)
    for fold in range(3):
        one = folded("expression_fer2013", "ckplus48", fold)
        train, val = ({row[:4] for row in rows_of(one, archive, split).ids} for split in ("train", "val"))
        assert val
        assert not train & val


def test_folds_keep_pictures_with_the_same_pixels_together(tmp_path: Path) -> None:
    archive = write_fer(tmp_path)
    with np.load(archive / "fer2013_ferplus.npz") as content:
        arrays = dict(content)
    arrays["images"][21:42] = arrays["images"][:21]  # each picture of train twice
    np.savez(archive / "fer2013_ferplus.npz", **arrays)
    for fold in range(3):
        one = folded("expression_fer2013", "fer2013", fold)
        train, val = ({i.tobytes() for i in rows_of(one, archive, split).images} for split in ("train", "val"))
        assert not train & val
