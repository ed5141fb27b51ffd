"""Who may come in: a bounded queue, of which no client takes more than its share, and bounded memory for bodies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from emolens.limits import as_size
from emolens.server.problems import Problem
from emolens.server.service import Service

SOON = 1
"""Seconds after which a refused request is worth sending again."""


class Visit:
    """One request that is inside; `hold` counts the bytes of its body, of which there are no more once it `ended`."""

    def __init__(self, admission: Admission) -> None:
        self._admission, self.held, self.ended = admission, 0, False

    def hold(self, count: int) -> None:
        """Raises `Problem` 413 for a body that is too large, 503 where all bodies together are."""
        service = self._admission.service
        self.held += count
        self._admission.held += count
        if self.held > service.request_bytes:
            raise Problem(413, f"the body passes {as_size(service.request_bytes)}; send fewer or smaller pictures")
        if self._admission.held > service.held_bytes:
            raise Problem(503, "too much is being sent at once; come again", SOON)


class Admission:
    """Counts who is inside. Used by the event loop alone, so it needs no lock."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.inside, self.held = 0, 0
        self._clients: Counter[str] = Counter()

    @contextmanager
    def visit(self, client: str) -> Iterator[Visit]:
        """The time of one request inside. Raises `Problem` 429 or 503 where there is no room."""
        if self.inside >= self.service.queue:
            raise Problem(503, f"{self.inside} requests are waiting, no more are taken; come again", SOON)
        if self._clients[client] >= self.service.per_client:
            raise Problem(429, f"{self._clients[client]} requests of yours are waiting; send the next after them", SOON)
        visit = Visit(self)
        self.inside += 1
        self._clients[client] += 1
        try:
            yield visit
        finally:
            self.inside -= 1
            self.held -= visit.held
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
