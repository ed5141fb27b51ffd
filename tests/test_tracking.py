import numpy as np
import pytest

from emolens.faces.tracking import Tracker
from emolens.records import Face

SIZE = (640, 360)
STEP = 1 / 25


def face(x: float, y: float = 100, side: float = 60, score: float = 0.95) -> Face:
    """A square face by its centre, with its eyes and mouth."""
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)
    points = np.array([[-15, -10], [15, -10], [0, 0], [-10, 15], [10, 15]], np.float32) + np.float32([x, y])
    return Face(box, score, points)


def track(frames: list[list[Face]], tracker: Tracker | None = None, step: float = STEP) -> list[list[int | None]]:
    """The numbers of the faces of each frame."""
    tracker = tracker or Tracker()
    return [[f.track_id for f in tracker.update(faces, i * step, SIZE)] for i, faces in enumerate(frames)]


def test_a_face_keeps_its_number_as_it_moves():
    assert track([[face(50 + 12 * i)] for i in range(40)]) == [[1]] * 40


def test_a_small_face_may_move_by_more_than_half_of_itself_in_a_frame():
    assert track([[face(20 + 14 * i, side=20)] for i in range(40)]) == [[1]] * 40


def test_who_crosses_the_picture_by_a_side_from_look_to_look_keeps_the_number():
    assert track([[face(40 + 60 * i), face(500, 300)] for i in range(6)], step=0.12) == [[1, 2]] * 6
    assert track([[face(40)], [face(340)]], step=0.12) == [[1], [2]]  # five sides in an eighth of a second is another
    assert track([[face(40)], [face(100)]], step=0.01) == [[1], [2]]  # ... and one side in a hundredth


def test_who_runs_past_keeps_the_number_where_it_can_be_nobody_else():
    assert track([[face(40 + 115 * i), face(60, 320)] for i in range(5)], step=0.2) == [[1, 2]] * 5
    assert track([[face(100)], [face(215), face(100, 215)]], step=0.2) == [[1], [2, 3]]  # either may be the one
    assert track([[face(100), face(330)], [face(215)]], step=0.2) == [[1, 2], [3]]
    assert track([[face(100)], [face(215, side=80)]], step=0.2) == [[1], [2]]
    assert track([[face(100)], [face(290)]], step=0.5) == [[1], [2]]  # more than three sides, however long ago


def test_faces_stay_in_the_order_in_which_they_were_found():
    numbers = track([[face(100), face(300), face(500)], [face(501), face(101), face(301)]])
    assert numbers == [[1, 2, 3], [3, 1, 2]]


def test_all_else_about_a_face_is_kept():
    (found,) = Tracker().update([face(100)], 0.0, SIZE)
    assert (found.box == face(100).box).all()
    assert (found.landmarks == face(100).landmarks).all()
    assert found.score == 0.95


def test_two_faces_that_pass_each_other_keep_their_numbers():
    ways = [[face(100 + 8 * i, 100), face(420 - 8 * i, 140)] for i in range(40)]  # they overlap on the way
    assert track(ways) == [[1, 2]] * 40


def test_a_short_gap_is_bridged_along_the_way():
    frames = [[face(100 + 6 * i)] if not 20 <= i < 30 else [] for i in range(60)]  # 0.4 s unseen, one side further
    assert track(frames) == [[1]] * 20 + [[]] * 10 + [[1]] * 30


def test_after_a_long_gap_a_face_is_a_new_one():
    frames = [[face(100)]] * 5 + [[]] * 30 + [[face(100)]] * 5
    assert track(frames) == [[1]] * 5 + [[]] * 30 + [[2]] * 5
    assert track(frames, Tracker(patience_s=2.0)) == [[1]] * 5 + [[]] * 30 + [[1]] * 5


def test_a_number_does_not_jump_to_another_face():
    for other in (face(220), face(100, 230), face(100, side=140), face(100, side=25)):
        assert track([[face(100)]] * 5 + [[other]] * 5) == [[1]] * 5 + [[2]] * 5


def test_who_left_the_picture_has_gone():
    leaving = [[face(540 + 12 * i)] for i in range(8)]  # centre at 624, 12 px a frame: out after two frames
    coming_back = [[]] * 3 + [[face(620)]]
    assert track(leaving + coming_back) == [[1]] * 8 + [[]] * 3 + [[2]]


def test_unsure_faces_go_on_and_begin_only_after_three_frames():
    assert track([[face(100)], [face(102, score=0.6)], [face(104, score=0.6)]]) == [[1], [1], [1]]
    assert track([[face(100, score=0.6)]] * 4) == [[], [], [1], [1]]
    once = [[face(100, score=0.6)], [], [face(100, score=0.6)], [face(100, score=0.6)], [face(100, score=0.6)]]
    assert track(once) == [[], [], [], [], [1]]


def test_a_sure_face_chooses_before_an_unsure_one():
    numbers = track([[face(100)], [face(104, score=0.7), face(110, score=0.9)]])
    assert numbers == [[1], [1]]  # the sure one; the unsure one begins unnumbered


def test_between_looks_a_face_goes_on_as_it_moved():
    tracker = Tracker()
    for i in range(10):
        tracker.update([face(100 + 5 * i)], i * STEP, SIZE)
    (placed,) = tracker.predict(11 * STEP, SIZE)
    assert placed.track_id == 1
    assert placed.score == 0.95
    expected = face(100 + 5 * 11)
    assert placed.box == pytest.approx(expected.box, abs=1.5)  # it slows down a little, unseen
    assert placed.landmarks == pytest.approx(expected.landmarks, abs=1.5)


def test_nothing_is_placed_where_the_last_look_found_nothing():
    tracker = Tracker()
    assert tracker.predict(0.0, SIZE) == []
    tracker.update([face(100)], 0.0, SIZE)
    tracker.update([], STEP, SIZE)
    assert tracker.predict(2 * STEP, SIZE) == []
    assert [f.track_id for f in tracker.update([face(100)], 3 * STEP, SIZE)] == [1]


def test_motion_counts_in_seconds_and_not_in_frames():
    for step in (1 / 60, 1 / 25, 1 / 8):
        assert track([[face(50 + 200 * i * step)] for i in range(int(2.5 / step))], step=step)[-1] == [1]


def test_a_face_at_rest_goes_on_however_seldom_it_is_looked_at():
    assert track([[face(100)]] * 5, step=3.0) == [[1]] * 5
    assert track([[face(100)], [], [face(100)]], step=3.0) == [[1], [], [2]]


def test_another_scene_ends_every_track():
    tracker = Tracker()
    tracker.update([face(100)], 0.0, SIZE)
    tracker.end()
    assert [f.track_id for f in tracker.update([face(100)], STEP, SIZE)] == [2]


def test_times_that_stand_still_or_go_back_do_no_harm():
    tracker = Tracker()
    for time_s in (0.0, 0.0, 0.04, 0.02, 0.06):
        assert [f.track_id for f in tracker.update([face(100)], time_s, SIZE)] == [1]


def test_crowds_in_motion_keep_their_numbers():
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(60, 600, 70), np.arange(50, 330, 70)), -1).reshape(-1, 2)  # 32 faces
    speeds = rng.uniform(-1, 1, places.shape)
    tracker, order = Tracker(), np.arange(len(places))
    for i in range(40):
        there = places + speeds * i + rng.normal(0, 1, places.shape)
        order = rng.permutation(len(places)) if i else order
        found = tracker.update([face(*there[k], side=44) for k in order], i * STEP, SIZE)
        assert [f.track_id for f in found] == [k + 1 for k in order]
