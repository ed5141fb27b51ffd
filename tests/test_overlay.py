"""A frame with its answer on it: same size, colours where they belong, tags that do not cover each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emolens.drawing.photo import COLOURS, UNSURE
from emolens.drawing.placing import shared_area
from emolens.records import FrameResult
from emolens.watching.overlay import _far_to_near, _fitting, _tags, _type, clock, overlay
from fakes_video import SIZE, evoking, face, frame, shows

GROUND = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)


def test_the_frame_keeps_its_size_and_the_original_its_pixels() -> None:
    before = GROUND.copy()
    for people in ({}, {1: "anger"}, {1: "anger", 2: "happiness", 3: "fear"}):
        drawn = overlay(GROUND, frame(0, 0.0, people))
        assert (drawn.shape, drawn.dtype) == (GROUND.shape, np.uint8)
    np.testing.assert_array_equal(GROUND, before)


@pytest.mark.parametrize("size", [(2, 2), (17, 31), (64, 48)])
def test_small_frames_are_drawn_too(size: tuple[int, int]) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    assert overlay(pixels, frame(0, 3725.5, {1: "anger", 2: "fear"})).shape == pixels.shape


def test_the_box_has_the_colour_of_its_label() -> None:
    drawn = overlay(GROUND, frame(0, 0.0, {1: "happiness", 2: shows("anger", abstained=True)}))
    assert tuple(drawn[90, 20]) == COLOURS["happiness"]  # the left edge of the first box
    assert tuple(drawn[90, 110]) == UNSURE


def test_smoothed_predictions_are_drawn_where_there_are_any() -> None:
    plain = frame(0, 0.0, {1: "happiness"})
    drawn = overlay(GROUND, replace(plain, smoothed=(shows("sadness"),)))
    assert tuple(drawn[90, 20]) == COLOURS["sadness"]


def test_the_bar_of_the_group_is_its_distribution() -> None:
    result = frame(0, 0.0, dict.fromkeys((1, 2), "happiness"))
    assert result.group is not None
    lowest = overlay(GROUND, result)[-1]
    share = (lowest == COLOURS["positive"]).all(axis=1).mean()
    assert share == pytest.approx(result.group.prediction.probability("positive"), abs=0.02)


def test_what_a_frame_evokes_stands_below_where_there_is_room() -> None:
    wide = np.full((SIZE[1], 640, 3), 90, np.uint8)
    plain, evokes = (
        overlay(wide, one) for one in (frame(0, 0.0, {1: "fear"}), evoking(0, 0.0, "nostalgia", people=["fear"]))
    )
    assert (plain[-40:, :200] != evokes[-40:, :200]).any()
    assert (plain[:-40] == evokes[:-40]).all()
    words = ["3 faces", "group positive 90%", "evokes awe 70%"]
    lines = [", ".join(words[:n]) for n in (3, 2, 1)]
    kind = _type(12)
    assert [_fitting(words, kind, kind.width(line)) for line in lines] == lines
    assert _fitting(words, kind, 1) == "3 faces"


def test_one_face_is_no_group_and_the_strip_does_not_jump() -> None:
    none, one, two = (overlay(GROUND, frame(0, 0.0, dict.fromkeys(range(1, 1 + n), "happiness"))) for n in range(3))
    dark = [(drawn[:, 250] != GROUND[:, 250]).any(axis=1) for drawn in (none, one, two)]
    assert (dark[0] == dark[1]).all()
    assert (dark[0] == dark[2]).all()
    assert not (one[-1] == COLOURS["positive"]).all(axis=1).any()


def test_tags_of_faces_side_by_side_do_not_cover_each_other() -> None:
    faces = tuple(face(n, left=100 + 12 * n, top=120) for n in range(1, 8))
    result = FrameResult("clip.mp4", "ok", SIZE, faces, tuple(shows("happiness", face=f) for f in faces))
    tags = [place for words, place in _tags(_far_to_near(result), _type(12), SIZE) if " " in words]
    assert len(tags) >= 3  # three lines of words one above the other; the rest are numbers
    assert all(shared_area(a, b) == 0 for n, a in enumerate(tags) for b in tags[n + 1 :])


def test_a_tag_leaves_the_face_above_it_free_where_it_can() -> None:
    low, high = face(1, left=100, top=95, side=60), face(2, left=100, top=10, side=80)  # 5 px of room between them
    result = FrameResult("clip.mp4", "ok", SIZE, (low, high), (shows("happiness", face=low), shows("fear", face=high)))
    places = dict(_tags(_far_to_near(result), _type(12), SIZE))
    of_low = next(place for words, place in places.items() if words.startswith("1"))
    assert shared_area(of_low, (100, 10, 180, 90)) == 0


def test_times_as_people_read_them() -> None:
    assert [clock(t) for t in (0, 7.25, 59.999, 61, 3723.5)] == ["0:00.0", "0:07.2", "0:59.9", "1:01.0", "1:02:03.5"]
    assert clock(3599.99, tenths=False) == "59:59"
