"""Lanes: nothing is lost when bins merge, changes are where they were made, absences are not bridged."""

from __future__ import annotations

import numpy as np
import pytest

from emolens.watching import lanes as rooms
from emolens.watching.lanes import Lanes, course

CLASSES = ("a", "b", "c")
A, B, C = (np.eye(3)[n] for n in range(3))


def filled(plan: list[tuple[float, float, np.ndarray]], fps: float = 25.0) -> Lanes:
    """A lane that shows each distribution from one time to another."""
    lanes, frame = Lanes(), 0
    for start, end, distribution in plan:
        for time_s in np.arange(start, end - 1e-9, 1 / fps):
            lanes.add(1, CLASSES, float(time_s), frame, distribution)
            frame += 1
    return lanes


def test_merged_bins_keep_every_frame_and_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MOST_BINS", 16)
    rng = np.random.default_rng(0)
    values, lanes = rng.dirichlet(np.ones(3), 500), Lanes()
    for n, value in enumerate(values):
        lanes.add("x", CLASSES, n / 10, n, value)
    lane = lanes.lanes["x"]
    assert len(lane.bins) <= 16
    assert lanes.width == 4.0  # 50 s in 16 bins: the power of two above 50 / 16
    assert sum(b[0] for b in lane.bins.values()) == 500
    np.testing.assert_allclose(lane.mean(), values.mean(axis=0))
    times = course(lane, lanes.width).times
    np.testing.assert_allclose(times[0], np.arange(40).mean() / 10)  # frames 0 to 39 lie in the first 4 s


def test_the_bin_of_a_merge_keeps_its_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MOST_BINS", 4)
    lanes = Lanes()
    for n in range(7, 20):
        lanes.add(1, CLASSES, n * rooms.FIRST_WIDTH, n, A)
    assert [int(b[2]) for b in lanes.lanes[1].bins.values()] == [7, 8, 16]


def test_the_smoothed_line_is_the_mean_of_half_a_second_on_either_side() -> None:
    rng = np.random.default_rng(1)
    values, lanes = rng.dirichlet(np.ones(3), 100), Lanes()
    times = np.cumsum(rng.uniform(0.02, 0.09, 100))
    for n, value in enumerate(values):
        lanes.add(1, CLASSES, float(times[n]), n, value)
    by_hand = [values[np.abs(times - t) <= 0.5].mean(axis=0) for t in times]
    np.testing.assert_allclose(course(lanes.lanes[1], 0.05).values, by_hand, atol=1e-12)


def test_a_change_is_found_where_it_was_made() -> None:
    found = course(filled([(0, 4, A), (4, 8, B)]).lanes[1], 0.04).changes
    assert [(c.before, c.after) for c in found] == [("a", "b")]
    assert found[0].time_s == pytest.approx(4.0, abs=0.05)
    assert found[0].frame == pytest.approx(100, abs=1)
    assert found[0].shift > 0.85  # all of the mass moved; half a second on either side is smoothed


def test_what_leads_for_less_than_a_second_is_no_change() -> None:
    assert course(filled([(0, 4, A), (4, 4.8, B), (4.8, 8, A)]).lanes[1], 0.04).changes == ()
    held = course(filled([(0, 4, A), (4, 5.2, B), (5.2, 8, A)]).lanes[1], 0.04).changes
    assert [c.after for c in held] == ["b", "a"]


def test_an_absence_cuts_the_lane_and_no_change_is_read_across_it() -> None:
    found = course(filled([(0, 3, A), (6, 9, B), (9, 12, C)]).lanes[1], 0.04)
    assert len(found.spans) == 2
    assert [(c.before, c.after) for c in found.changes] == [("b", "c")]
    first, end = found.spans[0]
    np.testing.assert_allclose(found.values[first:end], np.tile(A, (end - first, 1)))  # nothing of what came after it


def test_rows_of_a_course_are_distributions() -> None:
    values = course(filled([(0, 2, A), (2, 5, (B + C) / 2)]).lanes[1], 0.04).values
    np.testing.assert_allclose(values.sum(axis=1), 1)
    assert values.min() >= 0
