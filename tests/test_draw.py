"""What is drawn lies where it should and hides no face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from emolens.drawing.photo import COLOURS, annotate, save
from emolens.drawing.placing import beside, place_all, shared_area
from emolens.errors import OutputError
from emolens.group import group_affect
from emolens.records import Face, PhotoResult, Prediction
from emolens.taxonomy import CANONICAL, FERPLUS, GROUP3


def result(size: tuple[int, int], boxes: list[list[float]], label: str = "happiness", **changes: bool) -> PhotoResult:
    shares = np.full(8, 0.04, np.float32)
    shares[FERPLUS.index(label)] = 0.72
    faces = tuple(Face(np.array(box, np.float32), 0.9) for box in boxes)
    said = tuple(Prediction("expression", FERPLUS, shares, 0.8, "net", face, **changes) for face in faces)
    return PhotoResult("a", "ok" if faces else "no_face", size, faces, said, group_affect(said, faces, size), "fixed")


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def contains(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((pixels == np.array(colour, np.uint8)).all(axis=-1).any())


def test_the_picture_keeps_its_place_and_its_input_its_pixels() -> None:
    image = grey(640, 480)
    image[470:, :10] = (200, 10, 10)
    before = image.copy()
    drawn = annotate(image, result((640, 480), [[300, 100, 380, 200]]))
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] == 640
    assert drawn.shape[0] > 480
    assert (drawn[470:480, :10] == (200, 10, 10)).all()  # red stays red: no colour order is mixed up
    assert (image == before).all()


def test_the_box_is_drawn_in_the_colour_of_the_label_on_its_own_edge() -> None:
    for label in CANONICAL:
        drawn = annotate(grey(640, 480), result((640, 480), [[300, 100, 380, 200]], label))
        assert tuple(drawn[150, 300]) == COLOURS[label], label
        assert tuple(drawn[150, 340]) == (128, 128, 128)  # the face itself stays visible


def test_an_unsure_face_has_no_colour_of_a_label() -> None:
    sure = annotate(grey(640, 480), result((640, 480), [[300, 100, 380, 200]], "anger"))
    unsure = annotate(grey(640, 480), result((640, 480), [[300, 100, 380, 200]], "anger", abstained=True))
    assert contains(sure[95:205, 295:385], COLOURS["anger"])
    assert not contains(unsure[95:205, 295:385], COLOURS["anger"])


def test_no_face_is_said_below_the_picture() -> None:
    drawn = annotate(grey(640, 480), result((640, 480), []))
    assert (drawn[:480] == 128).all()
    assert drawn[480:].max() > 200  # light words on dark paper


@pytest.mark.parametrize("size", [(16, 16), (48, 48), (300, 250), (20, 3000), (4000, 3000), (3000, 40)])
def test_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    width, height = size
    box = [width * 0.2, height * 0.2, width * 0.7, height * 0.8]
    drawn = annotate(grey(width, height), result(size, [box]))
    factor = drawn.shape[1] // width
    assert drawn.shape[1] == width * factor
    assert drawn.shape[1] >= min(320, 8000 // height * width)
    assert drawn.shape[0] > height * factor


def test_a_box_may_reach_past_the_edge() -> None:
    drawn = annotate(grey(400, 300), result((400, 300), [[-40, -30, 60, 90], [350, 250, 470, 390]]))
    assert drawn.shape[1] == 400


def test_in_a_crowd_the_faces_are_listed_below() -> None:
    boxes = [[x, y, x + 38.0, y + 38.0] for x in range(0, 800, 40) for y in range(0, 400, 40)]
    crowd, single = (annotate(grey(800, 400), result((800, 400), b)) for b in (boxes, boxes[:1]))
    assert crowd.shape[0] > single.shape[0] + 200
    inner = np.array([[(x + 20, y + 20) for x in range(0, 800, 40)] for y in range(0, 400, 40)]).reshape(-1, 2)
    kept = (crowd[inner[:, 1], inner[:, 0]] == 128).all(axis=-1)
    assert kept.mean() > 0.95  # the middle of every face stays free


def test_shared_area_by_hand() -> None:
    assert shared_area((0, 0, 4, 4), (2, 3, 9, 9)) == 2
    assert shared_area((0, 0, 4, 4), (4, 0, 8, 4)) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 700), st.integers(10, 200)), min_size=1, max_size=8))
def test_a_panel_that_is_placed_hides_no_other_face_and_no_other_panel(faces: list[tuple[int, int, int]]) -> None:
    boxes = [(x, y, x + side, y + side) for x, y, side in faces]
    placed = place_all(boxes, [beside(box, (120, 60), (1000, 800), 4) for box in boxes])
    for n, panel in enumerate(placed or []):
        assert panel[0] >= 0
        assert panel[1] >= 0
        assert panel[2] <= 1000
        assert panel[3] <= 800
        others = [box for m, box in enumerate(boxes) if m != n] + [p for m, p in enumerate(placed or []) if m != n]
        assert sum(shared_area(panel, other) for other in others) == 0


def test_colours_are_told_apart_without_colour_vision_for_red_or_green() -> None:
    # Vienot, Brettel, Mollon 1999: a protanope's and a deuteranope's view in linear RGB.
    views = [
        np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
        np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
    ]
    for classes in (CANONICAL, GROUP3.classes):
        linear = (np.array([COLOURS[c] for c in classes]) / 255) ** 2.2
        for view in views:
            seen = np.clip(linear @ view.T, 0, 1) ** (1 / 2.2) * 255
            gaps = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 999 * np.eye(len(classes))
            assert gaps.min() > 25, (classes[int(gaps.argmin()) // len(classes)], gaps.min())


def test_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    image = grey(30, 20)
    image[:, :15] = (255, 0, 0)
    for suffix in ("png", "jpg", "webp"):
        save(image, tmp_path / f"a.{suffix}")
        with Image.open(tmp_path / f"a.{suffix}") as read:
            red, _, blue = read.convert("RGB").getpixel((3, 10))
        assert red > 200 > 60 > blue
    with pytest.raises(OutputError, match=r"'\.xyz'; use \.jpg"):
        save(image, tmp_path / "a.xyz")
    with pytest.raises(OutputError, match="cannot write"):
        save(grey(70_000, 16), tmp_path / "wide.jpg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a.png", "a.webp"]
