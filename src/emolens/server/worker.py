"""The one model worker. While it is busy pictures gather, and what has gathered is taken as one batch.

So a picture that comes alone is answered at once, on all cores, and under load the batches fill by themselves: nobody
waits for a batch to become full. The pictures of a batch are worked on side by side, each on one core by nets of one
thread, and the next batch is taken as soon as none of them waits for a core. Several threads on one picture wait for
each other at every layer, and the nets gain nothing from several pictures in one run on a CPU (what a picture evokes:
28 ms of processor time alone, 32 ms in a run of four), which would only take their memory. On a GPU a batch is one run,
and the next is made ready beside it. The results are those of one by one.
"""

from __future__ import annotations

import queue
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any

import numpy as np

from emolens.analyzer import Analyzer
from emolens.errors import EmolensError, InputError, TooLarge
from emolens.models.session import cores
from emolens.pictures.decoding import decode
from emolens.records import Face, PhotoResult
from emolens.server.metrics import Metrics
from emolens.server.service import Service

ON_A_GPU = 2
"""Batches at once on a GPU: what is between two runs goes on beside a run. More would only be smaller."""


@dataclass(slots=True)
class _Job:
    """A picture on its way: encoded, then decoded, then answered."""

    source: Any
    maps: bool
    answer: Future[PhotoResult] = field(default_factory=Future)
    name: str = ""
    pixels: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))


class Worker:
    """Takes pictures from any thread and answers them in batches of up to `service.batch`.

    Encoded pictures wait without bound, since whoever submits them is admitted before; at most a batch of them waits
    decoded. A future that is cancelled before its turn costs nothing more. `maps` is whether it can tell what in a
    picture evokes what it evokes.
    """

    def __init__(self, analyzer: Analyzer, service: Service, metrics: Metrics) -> None:
        self._analyzer, self._service, self._metrics = analyzer, service, metrics
        self.maps = _gives_maps(analyzer)
        self._limits = service.pictures
        self._encoded: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._decoded: queue.Queue[_Job | None] = queue.Queue(maxsize=service.batch)
        self._side_by_side = analyzer.provider == "CPUExecutionProvider"
        self._at_once = min(service.batch, cores() if self._side_by_side else ON_A_GPU)
        self._under_way = self._at_once if self._side_by_side else self._at_once - 1
        self._on_one_core = analyzer.on_one_core() if self._at_once > 1 else analyzer
        self._hands = ThreadPoolExecutor(self._at_once, thread_name_prefix="emolens-hand")
        decoders = [Thread(target=self._decode, name=f"emolens-decode-{n}", daemon=True) for n in range(2)]
        self._judge_thread = Thread(target=self._judge, name="emolens-judge", daemon=True)
        self._threads = [*decoders, self._judge_thread]
        for thread in self._threads:
            thread.start()

    def submit(self, source: Any, maps: bool = False) -> Future[PhotoResult]:
        """The answer to come for a picture: bytes, file object, data URI; its exception is an `InputError`.

        With `maps`, which must be had, it holds the stimuli maps too.
        """
        job = _Job(source, maps)
        self._encoded.put(job)
        return job.answer

    @property
    def alive(self) -> bool:
        """Whether pictures are still answered."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Answer what waits and end the threads."""
        for _ in self._threads[:-1]:
            self._encoded.put(None)
        for thread in self._threads[:-1]:
            thread.join()
        self._decoded.put(None)
        self._judge_thread.join()
        self._hands.shutdown()

    def _decode(self) -> None:
        while (job := self._encoded.get()) is not None:
            if not job.answer.cancelled():
                self._decode_one(job)
            del job  # its pixels must not wait for the next picture to be dropped

    def _decode_one(self, job: _Job) -> None:
        try:
            with self._metrics.stage("decode"):
                job.name, picture = decode(job.source, self._limits)
        except Exception as error:  # such as no memory; the next picture may fit
            _fail(job, error)
            return
        job.source = None
        if isinstance(picture, InputError):
            _fail(job, picture)
        else:
            job.pixels = picture
            self._decoded.put(job)

    def _judge(self) -> None:
        running, most = set[Future[None]](), 0  # what is under way, and how much of it when the next batch is taken
        while (first := self._decoded.get()) is not None:
            batch, ended = self._gathered(first)
            batch = [job for job in batch if job.answer.set_running_or_notify_cancel()]
            if batch:
                self._metrics.batches.observe(len(batch))
                running = {one for one in running if not one.done()}
                alone = len(batch) == 1 and not running
                running |= self._share_out(batch, alone)
                most = 0 if alone else self._under_way
            del batch, first  # as above
            if ended:
                break
            while len(running) > most:  # till then the next batch gathers
                running = wait(running, return_when=FIRST_COMPLETED).not_done
        wait(running)

    def _gathered(self, first: _Job) -> tuple[list[_Job], bool]:
        batch = [first]
        while len(batch) < self._service.batch:
            try:
                job = self._decoded.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _share_out(self, batch: list[_Job], alone: bool) -> set[Future[None]]:
        """Have a batch answered: on all cores where nothing else is worked on, else one picture a core, large first."""
        analyzer = self._analyzer if alone else self._on_one_core
        by_size = sorted(batch, key=lambda job: -job.pixels.size)
        shares = [[job] for job in by_size] if self._side_by_side else [batch]
        return {self._hands.submit(self._answer, analyzer, share) for share in shares}

    def _answer(self, analyzer: Analyzer, batch: list[_Job]) -> None:
        try:
            with self._metrics.stage("look"):
                faces = analyzer.find([job.pixels for job in batch])
            batch, faces = self._bounded(batch, faces)
            with self._metrics.stage("judge"):
                results = self._judged(analyzer, batch, faces)
        except Exception as error:  # one picture must not take those beside it along
            if len(batch) > 1:
                for job in batch:
                    self._answer(analyzer, [job])
            elif batch:
                batch[0].answer.set_exception(error)
            return
        for job, result in zip(batch, results, strict=True):
            job.answer.set_result(replace(result, source=job.name))  # without pixels: answers wait for each other

    def _judged(self, analyzer: Analyzer, batch: list[_Job], faces: list[list[Face]]) -> list[PhotoResult]:
        """The results in the order of the batch; pictures whose maps are wanted go through the models by themselves."""
        found: dict[int, PhotoResult] = {}
        for maps in (False, True):
            rows = [n for n, job in enumerate(batch) if job.maps is maps]
            if rows:
                asked = analyzer.for_maps() if maps else analyzer
                told = asked.analyze_found([batch[n].pixels for n in rows], [faces[n] for n in rows])
                found.update(zip(rows, told, strict=True))
        return [found[n] for n in range(len(batch))]

    def _bounded(self, batch: list[_Job], faces: list[list[Face]]) -> tuple[list[_Job], list[list[Face]]]:
        """Without the pictures that hold more faces than are judged."""
        most = self._service.max_faces
        kept = [(job, found) for job, found in zip(batch, faces, strict=True) if len(found) <= most]
        for job, found in zip(batch, faces, strict=True):
            if len(found) > most:
                job.answer.set_exception(
                    TooLarge(f"{job.name}: {len(found)} faces, at most {most} are judged; send a part of the picture")
                )
        return [job for job, _ in kept], [found for _, found in kept]


def _gives_maps(analyzer: Analyzer) -> bool:
    try:
        analyzer.for_maps()
    except EmolensError:
        return False
    return True


def _fail(job: _Job, error: Exception) -> None:
    if job.answer.set_running_or_notify_cancel():
        job.answer.set_exception(error)
