"""The door: a socket, uvicorn behind it, a clock for those who dawdle, and a clean end."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from emolens.errors import OptionError
from emolens.server.guards import HEAD_BYTES

MOST_PORT = 65535
HEADER_SECONDS = 10.0
"""How long the head of a request may take; bodies have a clock of their own."""
STOP_SECONDS = 30
"""How long requests that are inside may take to end once the service is asked to stop."""


class Prompt(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, which hangs up on a client whose request line and headers do not arrive."""

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._clock is None:
            self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._clock = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OptionError` where the address is not ours or the port is none or taken."""
    if not 0 <= port <= MOST_PORT:  # the system would wrap it around without a word
        raise OptionError(f"--port is {port}, needs a number up to {MOST_PORT}, or 0 for a free one")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, proto)
    except (OSError, UnicodeError) as error:
        raise OptionError(f"--host {host}: {getattr(error, 'strerror', None) or error}; use 127.0.0.1") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1024)
    except OSError as error:
        sock.close()
        reason = f"{error.strerror or error}; name another port, such as --port {port + 1}"
        raise OptionError(f"{host}:{port} cannot be opened: {reason}") from None
    return sock


def run(app: FastAPI, sock: socket.socket) -> None:
    """Serve until a signal comes, then answer who is inside and return."""
    _log_to_stderr()
    server_of(app).run(sockets=[sock])


def server_of(app: FastAPI) -> uvicorn.Server:
    """The server, not yet started."""
    config = uvicorn.Config(
        app,
        http=Prompt,  # not httptools, which bounds no header
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # its lines hold paths as they came
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,  # the guard measures those that came at once
    )
    return uvicorn.Server(config)


def _log_to_stderr() -> None:
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("emolens.server")
    ours.addHandler(lines)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    for library in ("uvicorn", "python_multipart"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # they quote what came; ours are told without
