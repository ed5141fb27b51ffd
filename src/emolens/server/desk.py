"""What the routes share: the worker, who is inside, and the answers on their way to those who still wait for them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from emolens.server.photos import Encoded, for_the_eye
from emolens.server.problems import Problem
from emolens.server.service import Service
from emolens.server.worker import Worker
from emolens.tables import columns, rows
from emolens.writers import csv_cells, csv_lines

Value = TypeVar("Value")
FETCHES = 4  # URLs fetched at once
PAINTED = 2  # pictures made ready for the eye at once: each holds its pixels meanwhile


class Desk:
    """What the routes share: the worker, who is inside, and the answers on their way."""

    def __init__(self, analyzer: Analyzer, service: Service, metrics: Metrics) -> None:
        self.analyzer, self.service, self.metrics = analyzer, service, metrics
        self.admission = Admission(service)
        self.worker = Worker(analyzer, service, metrics)
        self.films = asyncio.Lock()
        # Pools of their own: who leaves is not waited for, yet what he left behind keeps its place until it has ended.
        self._fetchers = ThreadPoolExecutor(FETCHES, thread_name_prefix="emolens-fetch")
        self._painters = ThreadPoolExecutor(PAINTED, thread_name_prefix="emolens-paint")

    def close(self) -> None:
        """Answer what waits and end the threads."""
        self.worker.close()
        self._fetchers.shutdown()
        self._painters.shutdown()

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
    ) -> list[PhotoResult | InputError]:
        """The answer for each source, or what kept it from being read. Raises `Problem` 503 after too long.

        With `maps` the answers hold stimuli maps; `Problem` 422 where no model here gives any.
        """
        if maps and not self.worker.maps:
            raise Problem(
                422, "no map can be had here, it takes a model of what pictures evoke; leave task=stimuli out"
            )
        told = asyncio.gather(*(self._answer(source, visit, maps) for source in sources))
        return await self._in_time(request, told)

    async def picture(self, request: Request, source: Upload | str, visit: Visit, plain: bool) -> Encoded:
        """A picture for the eye, drawn on, or `plain`: then no model looks at it.

        Raises `InputError` for what cannot be read, `Problem` 503 after too long.
        """
        return await self._in_time(request, self._picture(source, visit, plain))

    def csv(self, results: Sequence[PhotoResult]) -> str:
        """The rows of results as `emolens analyze --csv` writes them."""
        names, text = columns(self.analyzer.classes), io.StringIO()
        lines = csv_lines(text)
        lines.writerow(names)
        for result in results:
            lines.writerows(csv_cells(rows(result), names))
        return text.getvalue()

    async def _in_time(self, request: Request, work: Awaitable[Value]) -> Value:
        wait = self.service.answer_seconds
        try:
            with anyio.fail_after(wait):
                return await while_there(request, work)
        except TimeoutError:
            raise Problem(503, f"no answer within {wait:g} s, the service is busy; come again", SOON) from None

    async def _here(self, source: Upload | str, visit: Visit) -> Upload | str:
        """The source, fetched where it is a URL."""
        if not (isinstance(source, str) and URL.match(source)):
            return source
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(self._fetchers, fetch, source, self.service.pictures)
        visit.hold(len(data))
        return Upload(data, source_name(source))

    async def _picture(self, source: Upload | str, visit: Visit, plain: bool) -> Encoded:
        source = await self._here(source, visit)
        result = None if plain else await self._answer(source, visit, maps=False)
        if isinstance(result, InputError):
            raise result
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._painters, for_the_eye, source, self.service.pictures, result)

    async def _answer(self, source: Upload | str, visit: Visit, maps: bool) -> PhotoResult | InputError:
        try:
            source = await self._here(source, visit)
            result = await asyncio.wrap_future(self.worker.submit(source, maps))
        except InputError as error:
            self.metrics.pictures.labels(error.status).inc()
            return error
        self.metrics.pictures.labels(result.status).inc()
        self.metrics.faces.inc(len(result.faces))
        return result


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
