"""What a run of `emolens video` gathers: a frame late in a video is no more work than one at its start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV is not here: pip install 'emolens[video]'")

from emolens.cli.watched import Watched
from emolens.faces.tracking import Tracker
from emolens.records import FrameResult
from emolens.video import VideoReader
from emolens.watching import series
from emolens.watching.stream import Smoother
from fakes_video import SIZE, face, frame, shows
from videos import canvas, write_video

FPS, TURN = 10, 20  # frames a second, and after how many all begins anew with other people


def steps(work: Callable[[], Any]) -> int:
    """How many steps of Python some work takes: those of loops count, time does not."""
    count = 0

    def step(at: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        at.f_trace_opcodes = True
        count += event == "opcode"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def passing(tracker: Tracker, smoother: Smoother, number: int) -> FrameResult:
    """A frame in which one person goes to the right and another, for a quarter of the time, stands below."""
    time_s, turn = number / FPS, number % TURN
    here = [face(None, 4.0 + 12 * turn, 30)] + [face(None, 200, 150)] * (turn < TURN // 4)
    found = tracker.update(here, time_s, SIZE)
    placed = frame(number, time_s, {one.track_id: shows(("happiness", "anger")[turn // 8 % 2]) for one in found})
    smoother.smoothed(placed.expressions, time_s)
    return placed


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[VideoReader]:
    with VideoReader(write_video(tmp_path / "short.mp4", [canvas(64, 48)] * 2)) as opened:
        yield opened


def test_a_late_frame_is_as_much_work_as_an_early_one(
    tmp_path: Path, reader: VideoReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    monkeypatch.setattr(series, "monotonic", lambda: 0.0)  # files by rows alone, so that both spans have as many
    monkeypatch.setattr(series, "PART_ROWS", 96)
    watched, tracker, smoother = (
        Watched(tmp_path / "out", reader, "parquet", (), False, False, None),
        Tracker(),
        Smoother(1),
    )

    def turns(first: int, last: int) -> None:
        for number in range(first * TURN, last * TURN):
            watched.add(passing(tracker, smoother, number))

    turns(0, 4)
    early = steps(lambda: turns(4, 8))
    turns(8, 40)
    late = steps(lambda: turns(40, 44))
    assert late == pytest.approx(early, rel=0.005)
    assert watched.close(None) is None
    assert watched.summary.numbers == set(range(1, 89))  # each turn ended its tracks and began others
