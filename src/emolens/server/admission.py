"""Who may come in: a bounded queue, of which no client takes more than its share, and bounded memory for bodies."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from emolens.pictures.limits import as_size
from emolens.server.problems import Problem
from emolens.server.service import Service

SOON, LATE = 1, 30
"""Seconds after which a refused request is worth sending again: at the least and at the most."""
STEADYING = 0.1
"""What one visit counts in the mean of how long they last."""


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
            raise Problem(503, "too much is being sent at once; come again", self._admission.soon)


class Admission:
    """Counts who is inside. Used by the event loop alone, so it needs no lock."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.inside, self.held = 0, 0
        self._clients: Counter[str] = Counter()
        self._lasting, self._promised = 0.0, 0.0

    @property
    def soon(self) -> int:
        """Whole seconds after which it is worth to come again: as long as visits last, and all who are inside are out.

        Who comes sooner finds the same queue, and refusing him takes time from those inside.
        """
        return min(LATE, max(SOON, math.ceil(self._lasting)))

    def _turn(self) -> int:
        """Whole seconds after which to come to a full queue again: each who is refused is told a later time.

        So no more come back in a second than leave in it, however many stand outside: with one time for all of them
        most would send their picture in vain again and again, which costs both sides what an answer needs.
        """
        now = time.monotonic()
        after = max(self._promised + self._lasting / self.service.queue, now + self._lasting)
        self._promised = min(after, now + LATE)
        return min(LATE, max(SOON, math.ceil(self._promised - now)))

    @contextmanager
    def visit(self, client: str) -> Iterator[Visit]:
        """The time of one request inside. Raises `Problem` 429 or 503 where there is no room."""
        if self.inside >= self.service.queue:
            raise Problem(503, f"{self.inside} requests are waiting, no more are taken; come again", self._turn())
        if self._clients[client] >= self.service.per_client:
            mine = self._clients[client]
            raise Problem(429, f"{mine} requests of yours are waiting; send the next after them", self.soon)
        if 2 * self.inside < self.service.queue:
            self._promised = 0.0  # those who were sent away have come or stay away
        visit = Visit(self)
        self.inside += 1
        self._clients[client] += 1
        began = time.monotonic()
        try:
            yield visit
        finally:
            self._lasting += STEADYING * (time.monotonic() - began - self._lasting)
            self.inside -= 1
            self.held -= visit.held
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
