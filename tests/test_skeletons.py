"""Skeletons: OpenPose's files read, people drawn in its colours, and the net that finds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from emolens.cli import app
from emolens.data.openpose import drawn_skeleton, keypoint_files, read_keypoints, write_keypoints
from emolens.drawing.skeleton import BODY25, COCO18, draw_skeletons, with_necks
from emolens.errors import DataError, LabelError


def person(layout_size: int = 18, at: tuple[float, float] = (100, 20), scale: float = 1.0) -> np.ndarray:
    """Somebody who stands upright with arms spread, x y score (N, 3)."""
    places = {
        "nose": (0, 0), "neck": (0, 20), "rs": (-15, 20), "re": (-40, 20), "rw": (-65, 20), "ls": (15, 20),
        "le": (40, 20), "lw": (65, 20), "mid": (0, 80), "rh": (-10, 80), "rk": (-10, 120), "ra": (-10, 160),
        "lh": (10, 80), "lk": (10, 120), "la": (10, 160), "rey": (-5, -6), "ley": (5, -6), "rear": (-10, -3),
        "lear": (10, -3),
    }  # fmt: skip
    order = [name for name in places if layout_size == 25 or name != "mid"]
    points = np.zeros((layout_size, 3), np.float32)
    for row, name in enumerate(order):
        points[row] = (*(np.array(places[name]) * scale + at), 0.9)
    return points


def colour_at(picture: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    return tuple(picture[round(y), round(x)].tolist())


def run(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["skeletons", *map(str, arguments)], terminal_width=100)
    return answer.exit_code, answer.output


def test_limbs_have_the_colour_of_their_second_point_on_black() -> None:
    picture = draw_skeletons(person()[None], (200, 200))
    assert picture.shape == (200, 200, 3)
    assert colour_at(picture, 72, 40) == (255, 170, 0)  # right upper arm: its elbow's
    assert colour_at(picture, 128, 40) == (85, 255, 0)  # left upper arm
    assert colour_at(picture, 90, 120) == (0, 255, 170)  # right thigh: its knee's
    assert colour_at(picture, 110, 160) == (0, 0, 255)  # left shin: its ankle's
    assert colour_at(picture, 100, 20) == (255, 0, 85)  # nose
    assert colour_at(picture, 10, 190) == (0, 0, 0)
    body = draw_skeletons(person(25)[None], (200, 200))
    assert colour_at(body, 100, 70) == (255, 0, 0)  # the trunk, which COCO has not
    assert colour_at(body, 90, 120) == (0, 255, 170)
    assert len(BODY25.limbs) == 24
    assert len(COCO18.limbs) == 17


def test_what_was_not_found_is_not_drawn() -> None:
    points = person()
    points[3, 2] = 0.04  # right elbow
    picture = draw_skeletons(points[None], (200, 200))
    assert colour_at(picture, 72, 40) == (0, 0, 0)
    assert colour_at(picture, 128, 40) == (85, 255, 0)
    assert not draw_skeletons(np.zeros((2, 25, 3), np.float32), (30, 20)).any()
    assert draw_skeletons(np.zeros((0, 18, 3), np.float32), (30, 20)).shape == (20, 30, 3)
    with pytest.raises(LabelError, match="BODY_25"):
        draw_skeletons(np.zeros((1, 17, 3)), (30, 20))


def test_who_fills_the_picture_is_drawn_thicker() -> None:
    """A circle is 1 / 75 of the side for a person as high as the picture, and half of that for one half as high."""
    for scale in (4.0, 2.0):
        points = person(at=(375, 50), scale=scale)
        height = points[:, 1].max() - points[:, 1].min()
        picture = draw_skeletons(points[None], (750, 750))
        wide = picture[:, round(float(points[4, 0]) - 1)].any(axis=1).sum()  # at the hand, where no limb is beside it
        assert wide == pytest.approx(750 / 75 * height / 750, abs=1.6)


def test_coco_people_get_a_neck_between_their_shoulders() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, :, 0] = np.arange(17)
    points[0, :, 2] = 0.9
    points[0, 5:7] = [[60, 40, 0.5], [40, 44, 0.8]]  # left, right shoulder
    people = with_necks(points)
    assert people.shape == (1, 18, 3)
    np.testing.assert_allclose(people[0, 1], [50, 42, 0.5])
    names = {2: 6, 5: 5, 4: 10, 7: 9, 8: 12, 11: 11, 10: 16, 13: 15, 14: 2, 15: 1, 16: 4, 17: 3, 0: 0}
    for ours, cocos in names.items():
        np.testing.assert_array_equal(people[0, ours], points[0, cocos])
    with pytest.raises(LabelError, match="17"):
        with_necks(np.zeros((1, 18, 3)))


def test_keypoints_are_read_as_openpose_writes_them(tmp_path: Path) -> None:
    both = np.stack([person(25), person(25, at=(300, 30))])
    write_keypoints(both, tmp_path / "a_keypoints.json")
    np.testing.assert_allclose(read_keypoints(tmp_path / "a_keypoints.json"), both, atol=1e-3)
    old = {"version": 0.1, "people": [{"pose_keypoints": person(18).ravel().tolist(), "hand_left_keypoints": []}]}
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b_keypoints.json").write_text(json.dumps(old))
    np.testing.assert_allclose(read_keypoints(tmp_path / "sub" / "b_keypoints.json")[0], person(18))
    assert [name for name, _ in keypoint_files(tmp_path)] == ["a", "sub/b"]
    (tmp_path / "none.json").write_text('{"people": []}')
    assert read_keypoints(tmp_path / "none.json").shape == (0, 25, 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1, 2", "JSONDecodeError"),
        ('{"bodies": []}', "KeyError"),
        ('{"people": 3}', "not a list"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "BODY_25 has 75"),
        ('{"people": [{"pose_keypoints_2d": ["x"]}]}', "no numbers"),
        ('{"people": [{}]}', "no numbers"),
        (json.dumps({"people": [{"pose_keypoints_2d": [float("nan")] * 75}]}), "not finite"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0.5] * 75}]}), "keypoint_scale 0"),
        (json.dumps({"people": [{"pose_keypoints_2d": [5] * 75}, {"pose_keypoints_2d": [5] * 54}]}), "18 and 25"),
    ],
)
def test_files_that_are_no_keypoints_are_told_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "x_keypoints.json").write_text(content)
    with pytest.raises(DataError, match=told) as raised:
        read_keypoints(tmp_path / "x_keypoints.json")
    assert "\n" not in str(raised.value)


def test_drawn_skeletons_are_found_under_both_names(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "Negative"
    folder.mkdir(parents=True)
    for name in ("neg_1.png", "neg_2_rendered.png"):
        (folder / name).touch()
    assert drawn_skeleton(tmp_path, "train/Negative/neg_1.jpg").name == "neg_1.png"
    assert drawn_skeleton(tmp_path, "train/Negative/neg_2.jpg").name == "neg_2_rendered.png"
    with pytest.raises(DataError, match=r"neither neg_3_rendered\.png nor neg_3\.png"):
        drawn_skeleton(tmp_path, "train/Negative/neg_3.jpg")
    with pytest.raises(DataError, match="leaves"):
        drawn_skeleton(tmp_path, "../neg_1.jpg")


def test_openpose_json_is_drawn_without_torch(tmp_path: Path) -> None:
    source, pictures, out = tmp_path / "json", tmp_path / "pictures", tmp_path / "out"
    (source / "val").mkdir(parents=True)
    (pictures / "val").mkdir(parents=True)
    write_keypoints(person()[None], source / "val" / "one_keypoints.json")
    write_keypoints(np.zeros((0, 18, 3)), source / "val" / "nobody_keypoints.json")
    assert "give --pictures" in run(source, "--out", tmp_path / "unknown")[1]
    for name in ("one", "nobody"):
        Image.new("RGB", (220, 210)).save(pictures / "val" / f"{name}.jpg")
    code, said = run(source, "--out", out, "--pictures", pictures)
    assert (code, said.startswith("1 people in 2 pictures")) == (0, True), said
    drawn = Image.open(drawn_skeleton(out, "val/one.jpg"))
    assert drawn.size == (220, 210)
    np.testing.assert_array_equal(np.asarray(drawn), draw_skeletons(person()[None], (220, 210)))
    assert not np.asarray(Image.open(out / "val" / "nobody_rendered.png")).any()
    assert "0 people in 0 pictures" in run(source, "--out", out, "--pictures", pictures)[1]  # they are there
    (tmp_path / "wrong").mkdir()
    code, said = run(source, "--out", tmp_path / "none", "--pictures", tmp_path / "wrong")
    assert (code, "no picture of 2 of 2 files" in said, len(said.strip().splitlines())) == (2, True, 1), said
    (pictures / "val" / "nobody.jpg").unlink()
    code, said = run(source, "--out", tmp_path / "some", "--pictures", pictures)
    assert (code, "no picture of 1 of 2 files" in said, "1 could not be read" in said) == (2, True, True), said
    assert run(source, "--out", tmp_path / "sized", "--size", "300x250")[0] == 0
    assert Image.open(tmp_path / "sized" / "val" / "one_rendered.png").size == (300, 250)
    assert run(source, "--out", tmp_path / "x", "--size", "large")[0] == 2
    assert "lies in" in run(source, "--out", source / "drawn")[1]


def test_one_bad_file_of_keypoints_stops_none_of_the_others(tmp_path: Path) -> None:
    source, out = tmp_path / "json", tmp_path / "out"
    source.mkdir()
    (source / "a_keypoints.json").write_text("hello")
    write_keypoints(person(at=(1e9, 1e9))[None], source / "b_keypoints.json")
    write_keypoints(person(at=(-900, -900))[None], source / "c_keypoints.json")
    write_keypoints(person()[None], source / "d_keypoints.json")
    code, said = run(source, "--out", out)
    assert code == 2
    assert "1 people in 1 pictures" in said
    assert "3 could not be read" in said
    assert len(said.strip().splitlines()) == 4
    assert sorted(path.name for path in out.iterdir()) == ["d_keypoints.json", "d_rendered.png"]
    code, said = run(source, "--out", tmp_path / "huge", "--size", "99999999x99999999")
    assert (code, "at most 100,000,000 pixels" in said) == (2, True)
    code, said = run(tmp_path / "nothing", "--out", tmp_path / "none")
    assert (code, "no such file or folder" in said) == (2, True)  # before weights are fetched


def test_the_net_runs_from_a_file_of_weights(tmp_path: Path) -> None:
    """With random weights: whom it finds is nobody, but the way there and back is the real one."""
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchvision.models.detection")
    from emolens.errors import ModelError
    from emolens.learn.skeletons import SkeletonFinder

    torch.manual_seed(0)
    net = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    small = {"min_size": 64, "max_size": 96, "box_detections_per_img": 3, "rpn_post_nms_top_n_test": 20}
    finder = SkeletonFinder(tmp_path / "net.pth", min_score=0.06, **small)
    people = finder.find(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    assert people.shape[1:] == (18, 3)
    assert len(people) <= 3
    assert ((people[..., 2] >= 0) & (people[..., 2] <= 1)).all()
    assert draw_skeletons(people, (80, 60)).shape == (60, 80, 3)
    assert SkeletonFinder(tmp_path / "net.pth", min_score=1.1, **small).find(np.zeros((60, 80, 3), np.uint8)).shape == (
        0,
        18,
        3,
    )
    (tmp_path / "net.pth").unlink()
    for content, told in ((None, "no such file"), (b"no weights", "no weights of keypointrcnn")):
        path = tmp_path / "other.pth"
        if content:
            path.write_bytes(content)
        with pytest.raises(ModelError, match=told):
            SkeletonFinder(path, **small)
