"""Micro-batching: what gathers goes together, and says the same as alone."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from threading import Event

import numpy as np
import pytest

from emolens.analyzer import Analyzer
from emolens.errors import TooLarge, Unreadable
from emolens.records import Face
from emolens.server import admission
from emolens.server import worker as room
from emolens.server.admission import Admission
from emolens.server.metrics import Metrics
from emolens.server.problems import Problem
from emolens.server.service import Service
from emolens.server.worker import Worker
from serving import TwoFaces, encoded, linear_analyzer, picture


class Held(TwoFaces):
    """Looks at nothing until it is let go, so that a test decides what gathers meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go = Event(), Event()
        self.looking: list[int] = []

    def detect_batch(self, images):
        self.looking.append(len(images))
        self.began.set()
        assert self.go.wait(30)
        return super().detect_batch(images)


class Fussy(TwoFaces):
    """Breaks on a picture that is 77 px wide."""

    def detect_batch(self, images):
        if any(image.shape[1] == 77 for image in images):
            raise RuntimeError("77")
        return super().detect_batch(images)


class HeldTwice(Held):
    """Holds what is taken together by a detector of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.together = Held()

    def on_one_core(self):
        return self.together


@pytest.fixture
def work(tmp_path):
    """Makes workers around a detector; they are closed after the test."""
    made: list[Worker] = []

    def start(detector, **bounds):
        made.append(Worker(linear_analyzer(tmp_path, detector), Service(**bounds), Metrics()))
        return made[-1]

    yield start
    for worker in made:
        worker.close()
        assert not worker.alive


def pictures(count: int) -> list[np.ndarray]:
    return [picture(60 + 7 * n, 90 - 3 * n, seed=n) for n in range(count)]


def test_what_gathers_while_it_is_busy_is_taken_together(work):
    detector = Held()
    worker = work(detector, batch=4)
    first = worker.submit(encoded(picture()))
    assert detector.began.wait(30)
    rest = [worker.submit(encoded(one)) for one in pictures(4)]
    while worker._decoded.qsize() < 4:
        pass
    detector.go.set()
    for future in (first, *rest):
        future.result(30)
    assert detector.batches[0] == 1
    assert sum(detector.batches) == 5
    assert worker._metrics.registry.get_sample_value("emolens_batch_pictures_count") == 2
    assert worker._metrics.registry.get_sample_value("emolens_batch_pictures_bucket", {"le": "2.0"}) == 1


def test_a_batch_says_what_each_picture_says_alone(work, tmp_path):
    alone = linear_analyzer(tmp_path)
    some = pictures(6)
    worker = work(TwoFaces(), batch=6)
    futures = [worker.submit(encoded(one)) for one in some]
    for future, one in zip(futures, some, strict=True):
        result = future.result(30)
        expected = alone.analyze(one)
        assert result.size == expected.size
        for said, known in zip(result.expressions, expected.expressions, strict=True):
            np.testing.assert_allclose(said.distribution, known.distribution, atol=1e-5)


def test_one_picture_does_not_take_those_beside_it_along(work):
    detector = Fussy()
    worker = work(detector, batch=8)
    good = [worker.submit(encoded(one)) for one in pictures(2)]
    bad, broken = worker.submit(encoded(picture(77, 70))), worker.submit(b"no picture")
    after = worker.submit(encoded(picture()))
    for future in (*good, after):
        assert future.result(30).status == "ok"
    with pytest.raises(RuntimeError, match="77"):
        bad.result(30)
    with pytest.raises(Unreadable):
        broken.result(30)


def test_more_faces_than_are_judged_is_a_refusal(work):
    class Crowd(TwoFaces):
        def detect_batch(self, images):
            return [[Face(np.array([n, 0, n + 9, 9], np.float32), 0.9) for n in range(one.shape[1])] for one in images]

    worker = work(Crowd(), max_faces=70)
    with pytest.raises(TooLarge, match="90 faces, at most 70"):
        worker.submit(encoded(picture(90, 64))).result(30)
    assert len(worker.submit(encoded(picture(70, 64))).result(30).faces) == 70


def test_nobody_looks_at_a_picture_that_nobody_waits_for(work):
    detector = Held()
    worker = work(detector, batch=1)
    first = worker.submit(encoded(picture()))
    assert detector.began.wait(30)
    second, third = worker.submit(encoded(picture(seed=1))), worker.submit(encoded(picture(seed=2)))
    assert second.cancel()
    detector.go.set()
    first.result(30)
    third.result(30)
    with pytest.raises(CancelledError):
        second.result(0)
    assert len(detector.batches) == 2


def test_who_comes_alone_has_all_cores_and_who_comes_in_company_one(work, monkeypatch):
    class Marked(Held):
        def __init__(self, cores: str, seen: list[str]) -> None:
            super().__init__()
            self.cores, self.seen = cores, seen

        def on_one_core(self):
            other = Marked("one", self.seen)
            other.began, other.go = self.began, self.go
            return other

        def detect_batch(self, images):
            self.seen += [self.cores] * len(images)
            return super().detect_batch(images)

    monkeypatch.setattr(room, "cores", lambda: 2)
    detector = Marked("all", [])
    worker = work(detector, batch=4)
    first = worker.submit(encoded(picture()))
    assert detector.began.wait(30)
    rest = [worker.submit(encoded(one)) for one in pictures(4)]
    while worker._decoded.qsize() + len(detector.seen) < 5:
        pass
    detector.go.set()
    for future in (first, *rest):
        assert future.result(30).status == "ok"
    assert detector.seen == ["all"] + ["one"] * 4
    assert detector.batches == [1]


def test_who_is_refused_is_told_how_long_those_inside_stay(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    door = Admission(Service(queue=1))

    def visits(count: int, seconds: float) -> None:
        for _ in range(count):
            with door.visit("a"):
                now[0] += seconds

    def told() -> int:
        with door.visit("a"), pytest.raises(Problem) as refused, door.visit("b"):
            pass
        return refused.value.retry_after

    assert told() == 1
    visits(40, 4.5)
    assert told() == 5
    visits(40, 200)
    assert told() == 30
    visits(80, 0.01)
    assert told() == 1


def test_no_more_are_told_to_come_back_in_a_second_than_leave_in_it(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    door = Admission(Service(queue=2))
    for _ in range(200):
        with door.visit("a"):
            now[0] += 4.0

    with door.visit("a"), door.visit("b"):  # two who stay for 4 s: one leaves every 2 s
        assert [refusal(door) for _ in range(4)] == [4, 6, 8, 10]
        now[0] += 2
        assert refusal(door) == 10
        assert {refusal(door) for _ in range(50)} >= {12, 30}
        assert refusal(door) == admission.LATE
    with door.visit("a"), door.visit("b"):  # there was room: nobody waits outside
        assert refusal(door) <= 4


def refusal(door: Admission) -> int:
    with pytest.raises(Problem) as refused, door.visit("c"):
        pass
    assert refused.value.status == 503
    return refused.value.retry_after


def gathered(worker: Worker, detector: Held, count: int) -> list[Future]:
    """Pictures of which the first is let go only once a batch of them waits behind it."""
    first = worker.submit(encoded(picture()))
    assert detector.began.wait(30)
    rest = [worker.submit(encoded(one)) for one in pictures(count)]
    until(worker._decoded.full)
    detector.go.set()
    return [first, *rest]


def until(told: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not told():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_one_picture_a_core_is_worked_on_and_the_next_batch_is_at_hand(work, monkeypatch):
    monkeypatch.setattr(room, "cores", lambda: 2)
    detector = HeldTwice()
    worker = work(detector, batch=2)
    futures = gathered(worker, detector, 6)
    until(lambda: worker._metrics.registry.get_sample_value("emolens_batch_pictures_count") == 3)
    until(lambda: worker._decoded.full() and len(detector.together.looking) > 1)
    assert detector.together.looking == [1, 1]
    detector.together.go.set()
    assert all(future.result(30).status == "ok" for future in futures)


def test_on_a_gpu_batches_fill_while_two_are_under_way(work, monkeypatch):
    monkeypatch.setattr(room, "cores", lambda: 16)
    monkeypatch.setattr(Analyzer, "provider", "CUDAExecutionProvider")
    detector = HeldTwice()
    worker = work(detector, batch=4)
    futures = gathered(worker, detector, 12)
    until(lambda: len(detector.together.looking) == 2)
    until(worker._decoded.full)
    assert detector.together.looking[0] == 4
    detector.together.go.set()
    assert len([future.result(30) for future in futures]) == 13
    assert detector.together.looking[2] == 4


def test_what_waits_when_it_closes_is_still_answered(work):
    worker = work(TwoFaces(), batch=2)
    futures = [worker.submit(encoded(one)) for one in pictures(7)]
    worker.close()
    assert all(future.done() for future in futures)
    assert [future.result().status for future in futures] == ["ok"] * 7


def test_answers_hold_no_pixels_while_they_wait_for_each_other(work):
    side, count = 2000, 6
    flat = encoded(np.zeros((side, side, 3), np.uint8))
    worker = work(TwoFaces())
    tracemalloc.start()
    try:
        futures = [worker.submit(flat) for _ in range(count)]
        assert all(future.result(60).status == "ok" for future in futures)
        until(lambda: tracemalloc.get_traced_memory()[0] < 3 * side * side)  # less than one of them
    finally:
        tracemalloc.stop()
