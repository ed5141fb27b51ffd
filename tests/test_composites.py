from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens.data.composite_drawing import (
    COLUMNS,
    HEIGHT,
    TINTS,
    WIDTH,
    drawn_backgrounds,
    drawn_faces,
    photo_backgrounds,
    render,
    skeleton,
)
from emolens.data.composites import (
    Composite,
    Cues,
    balances,
    group_label,
    planned,
    read_composites,
    write_composites,
)
from emolens.data.fer2013 import read_ferplus
from emolens.data.labelled import LabelledFaces
from emolens.data.registry import reader
from emolens.errors import DataError, OptionError
from emolens.taxonomy import FERPLUS, Taxonomy

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def faces() -> dict[str, LabelledFaces]:
    return {split: drawn_faces(90, split) for split in SPLITS}


def _one(**others: object) -> Composite:
    plain = Composite("p", "val", "positive", 0.5, 0.3, ("a",), ((40, 60, 100, 100),), 0, "", "neutral", 7)
    return replace(plain, **others)  # type: ignore[arg-type]


def test_a_group_is_what_its_votes_say() -> None:
    two_of_ten_happy_one_sad = np.array([[0, 0.2, 0.7, 0.1, 0, 0, 0, 0]])
    assert balances(two_of_ten_happy_one_sad, FERPLUS)[0] == pytest.approx(0.1)  # surprise and neutral count nothing
    assert balances(np.array([[0.5, 0.5]]), Taxonomy("two", ("contempt", "neutral")))[0] == -0.5
    assert [group_label(mean) for mean in (-0.21, -0.2, 0.0, 0.2, 0.21)] == ["negative", *["neutral"] * 3, "positive"]


def test_a_plan_has_balanced_classes_and_keeps_its_word(faces: dict[str, LabelledFaces]) -> None:
    part = faces["val"]
    found = list(planned(part, 60, "val", seed=3))
    values = dict(zip(part.ids.tolist(), balances(part.targets, part.taxonomy), strict=True))
    for one in found:
        mean = np.mean([values[name] for name in one.faces])
        assert (one.mean, one.label) == (pytest.approx(mean, abs=1e-5), group_label(mean))
        assert one.margin == pytest.approx(min(abs(mean - 0.2), abs(mean + 0.2)), abs=1e-5)
        assert 3 <= len(one.faces) == len(set(one.faces)) == len(one.boxes) <= 12
    assert {label: sum(one.label == label for one in found) for label in ("negative", "neutral", "positive")} == {
        "negative": 20,
        "neutral": 20,
        "positive": 20,
    }
    assert {len(one.faces) for one in found} >= {3, 12}
    assert list(planned(part, 5, "val", seed=3)) == found[:5]  # a longer run begins with the shorter one


def test_faces_do_not_touch_each_other_or_the_edge(faces: dict[str, LabelledFaces]) -> None:
    for one in planned(faces["val"], 40, "val"):
        filled = np.zeros((HEIGHT, WIDTH), int)
        for x, y, width, height in one.boxes:
            filled[y - 4 : y + height + 4, x - 4 : x + width + 4] += 1
            assert x >= 4
            assert y >= 4
            assert x + width + 4 <= WIDTH
            assert y + height + 4 <= HEIGHT
        assert filled.max() == 1


def test_cues_hint_as_often_as_they_are_told(faces: dict[str, LabelledFaces]) -> None:
    always, never = (list(planned(faces["val"], 90, "val", cues=Cues(share, share))) for share in (1.0, 0.0))
    assert all(one.scene == one.skeleton == one.label for one in always)
    assert 0.15 < np.mean([one.scene == one.label for one in never]) < 0.5  # a third
    assert all(one.scene == "" for one in planned(faces["val"], 9, "val"))


def test_a_face_is_pasted_where_its_box_says() -> None:
    scene, face = np.full((HEIGHT, WIDTH, 3), 9, np.uint8), np.full((48, 48), 200, np.uint8)
    picture = render(_one(), [face], scene)
    assert (picture[60:160, 40:140] == 200).all()
    picture[60:160, 40:140] = 9
    assert (picture == scene).all()
    warm = render(_one(scene="positive"), [face], scene)[0, 0].astype(float)
    np.testing.assert_allclose(warm, 9 * 0.55 + 0.45 * np.array(TINTS["positive"]), atol=1)


def test_arms_are_raised_in_a_positive_group() -> None:
    def hands_above(label: str) -> int:
        drawn = skeleton(_one(skeleton=label, boxes=((250, 150, 100, 100),)))
        return int((drawn[:240].max(axis=2) > 0).sum())

    assert hands_above("positive") > hands_above("neutral")
    assert hands_above("neutral") == hands_above("negative")


def test_a_written_set_is_read_as_gaf(faces: dict[str, LabelledFaces], tmp_path: Path) -> None:
    counts = {"train": 6, "val": 3, "test": 3}
    written = write_composites(tmp_path, faces, counts, drawn_backgrounds(2), cues=Cues(skeleton=0.5))
    assert read_composites(tmp_path) == written
    records = list(reader("gaf").read(tmp_path, protocol="lists"))
    assert {one.id: (one.split, one.label) for one in records} == {one.id: (one.split, one.label) for one in written}
    assert sorted(one.split for one in records) == ["test"] * 3 + ["train"] * 6 + ["val"] * 3
    picture = Image.open(tmp_path / "emotiw" / written[0].id)
    assert picture.size == (WIDTH, HEIGHT)
    assert len(list((tmp_path / "emotiw_skeletons").rglob("*.png"))) == 12


def test_a_run_that_was_stopped_goes_on(faces: dict[str, LabelledFaces], tmp_path: Path) -> None:
    first = write_composites(tmp_path, faces, {"train": 3}, drawn_backgrounds(2))
    kept = tmp_path / "emotiw" / first[0].id
    stamp = kept.stat().st_mtime_ns
    again = write_composites(tmp_path, faces, {"train": 5}, drawn_backgrounds(2))
    assert again[:3] == first
    assert kept.stat().st_mtime_ns == stamp


def test_faces_of_two_splits_and_too_few_faces_are_refused(faces: dict[str, LabelledFaces], tmp_path: Path) -> None:
    both = {"train": faces["train"], "val": faces["train"]}
    with pytest.raises(DataError, match="in two splits"):
        write_composites(tmp_path, both, {"train": 3, "val": 3}, drawn_backgrounds(1))
    with pytest.raises(OptionError, match="needs faces of each split"):
        write_composites(tmp_path, faces, {"dev": 3}, drawn_backgrounds(1))
    few = faces["val"].keep(np.arange(len(faces["val"])) < 20)
    with pytest.raises(DataError, match="needs 12 of each"):
        list(planned(few, 3, "val"))
    with pytest.raises(DataError, match="write_composites writes it"):
        read_composites(tmp_path)


def test_only_scenes_without_faces_are_taken(tmp_path: Path) -> None:
    for at, level in enumerate((10, 200, 20)):
        Image.new("RGB", (80, 60), (level, level, level)).save(tmp_path / f"{at}.png")
    found = photo_backgrounds(tmp_path, 5, lambda picture: bool(picture.mean() > 100))
    assert sorted(int(scene.mean()) for scene in found) == [10, 20]
    assert {scene.shape for scene in found} == {(HEIGHT, WIDTH, 3)}
    with pytest.raises(DataError, match="none of 3 pictures is without a face"):
        photo_backgrounds(tmp_path, 5, lambda picture: True)


def test_real_faces_make_groups(shared_data: Path) -> None:
    part = read_ferplus(shared_data / "fer2013", "val")
    found = list(planned(part, 30, "val"))
    assert all(set(one.faces) <= set(part.ids.tolist()) for one in found)
    assert max(len(one.boxes) for one in found) <= COLUMNS * 3
