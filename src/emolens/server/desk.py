"""What the routes share: the worker, who is inside, and the answers on their way to those who still wait for them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from threading import Event
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from emolens.analyzer import Analyzer
from emolens.errors import InputError
from emolens.pictures.sources import URL, source_name
from emolens.pictures.urls import fetch
from emolens.records import PhotoResult
from emolens.server.admission import SOON, Admission, Visit
from emolens.server.bodies import Upload
from emolens.server.metrics import Metrics
from emolens.server.problems import Problem
from emolens.server.service import Service
from emolens.server.worker import Answer, Worker
from emolens.tables import columns, rows
from emolens.writers import csv_cells, csv_lines

Value = TypeVar("Value")
FETCHES = 4  # URLs fetched at once


class Desk:
    """What the routes share: the worker, who is inside, and the answers on their way."""

    def __init__(self, analyzer: Analyzer, service: Service, metrics: Metrics) -> None:
        self.analyzer, self.service, self.metrics = analyzer, service, metrics
        self.admission = Admission(service)
        self.worker = Worker(analyzer, service, metrics)
        self.films = asyncio.Lock()
        self.fetches = anyio.CapacityLimiter(FETCHES)

    @asynccontextmanager
    async def visit(self, request: Request) -> AsyncIterator[Visit]:
        """The time of one request inside. Raises `Problem` where there is no room."""
        with self.admission.visit(request.client.host if request.client else "") as visit:
            self.metrics.inside.set(self.admission.inside)
            try:
                yield visit
            finally:
                self.metrics.inside.set(self.admission.inside - 1)

    async def answers(
        self, request: Request, sources: list[Upload | str], visit: Visit, maps: bool = False
    ) -> list[Answer | InputError]:
        """The answer for each source, or what kept it from being read. Raises `Problem` 503 after too long.

        With `maps` the answers hold stimuli maps; `Problem` 422 where no model here gives any.
        """
        if maps and not self.worker.maps:
            raise Problem(
                422, "no map can be had here, it takes a model of what pictures evoke; leave task=stimuli out"
            )
        wait = self.service.answer_seconds
        try:
            with anyio.fail_after(wait):
                told = asyncio.gather(*(self._answer(source, visit, maps) for source in sources))
                return await while_there(request, told)
        except TimeoutError:
            raise Problem(503, f"no answer within {wait:g} s, the service is busy; come again", SOON) from None

    def csv(self, results: Sequence[PhotoResult]) -> str:
        """The rows of results as `emolens analyze --csv` writes them."""
        names, text = columns(self.analyzer.classes), io.StringIO()
        lines = csv_lines(text)
        lines.writerow(names)
        for result in results:
            lines.writerows(csv_cells(rows(result), names))
        return text.getvalue()

    async def _answer(self, source: Upload | str, visit: Visit, maps: bool) -> Answer | InputError:
        try:
            if isinstance(source, str) and URL.match(source):
                data = await anyio.to_thread.run_sync(
                    fetch, source, self.service.pictures, limiter=self.fetches, abandon_on_cancel=True
                )
                visit.hold(len(data))
                source = Upload(data, source_name(source))
            answer = await asyncio.wrap_future(self.worker.submit(source, maps))
        except InputError as error:
            self.metrics.pictures.labels(error.status).inc()
            return error
        self.metrics.pictures.labels(answer[0].status).inc()
        self.metrics.faces.inc(len(answer[0].faces))
        return answer


async def watched(request: Request, watch: Callable[[Event], Value]) -> Value:
    """What `watch` gives in a thread of its own; it is stopped where the client leaves."""
    stop = Event()
    running = asyncio.ensure_future(anyio.to_thread.run_sync(partial(watch, stop)))
    try:
        return await while_there(request, asyncio.shield(running))
    finally:
        stop.set()
        await asyncio.wait([running])  # its frame in work; then the next video may come


async def while_there(request: Request, work: Awaitable[Value]) -> Value:
    """What work gives, unless the client leaves first: then it is cancelled. Raises `ClientDisconnect`."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait([task, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for one in (task, leaving):
            one.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)  # so that the worker knows before the door does


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
