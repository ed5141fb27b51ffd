"""What stands around every answer: a host and an origin that are ours, the key, headers, the log, and a net below."""

from __future__ import annotations

import hmac
import logging
import time
import traceback
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emolens.pictures.limits import as_size
from emolens.server.metrics import Metrics
from emolens.server.problems import Problem, as_response
from emolens.server.service import Service

LOG = logging.getLogger("emolens.server")

OPEN = ("/", "/healthz")
"""Paths that need no key; so does everything below /web/. They hold nothing but the page itself."""
HEAD_BYTES = 32 * 2**10
"""How large the head of a request may be."""
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The content policy of the page: nothing from outside, nothing inline. `blob:` and `data:` are what it made itself."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": NOTHING,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Set on every answer that does not set them itself."""


class Guard:
    """Around all routes, inside CORS alone. Nothing that a request says about itself is written to the log."""

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics) -> None:
        self._app, self._service, self._metrics = app, service, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] == "HEAD":  # answered as GET is; the server below leaves the body out
            scope = {**scope, "method": "GET"}
        try:
            check(scope, self._service)
            await self._app(scope, receive, send_guarded)
        except Problem as problem:
            await as_response(problem)(scope, receive, send_guarded)
        except ClientDisconnect:
            status = 499
        except Exception as error:
            _log_fault(error)
            if not status:
                fault = Problem(500, "a fault of this service, which its log tells; the picture was not kept")
                await as_response(fault)(scope, receive, send_guarded)
        self._note(scope, status, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")  # as it was declared: a path may hold anything
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        LOG.info("%s %s %d %.0f ms", scope["method"] if path != "other" else "-", path, status, 1000 * seconds)


def check(scope: Scope, service: Service) -> None:
    """Raises `Problem` for a large head, a host that is not ours, a page of another site, a key that is not right."""
    _check_length(scope)
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    names = (*service.hosts, *service.proxies)
    # A site may point its own name at this machine; its pages then carry that name here (DNS rebinding).
    if service.hosts and _name_of(host) not in names:
        raise Problem(421, f"this service answers to {', '.join(names)} only; start it with --allow-host to add a name")
    origin = headers.get("origin")
    if origin is not None and not _is_ours(origin, host, service):
        raise Problem(403, "pages of other sites may not call this service; start it with --allow-origin to let one in")
    if service.api_key and not _is_open(scope["path"]):
        _check_key(headers.get("authorization", ""), service.api_key)


def _check_length(scope: Scope) -> None:
    size = len(scope["path"]) + len(scope["query_string"]) + sum(len(k) + len(v) for k, v in scope["headers"])
    if size > HEAD_BYTES:
        raise Problem(431, f"the head has {as_size(size)}, at most {as_size(HEAD_BYTES)} are read; send fewer headers")


def _is_ours(origin: str, host: str, service: Service) -> bool:
    """Whether a page of this origin may call: our own, that of an allowed site, and our own as a proxy shows it."""
    place = origin.partition("://")[2]
    # A proxy may send its own name as our host or ours; the browser always names the proxy.
    return origin in service.origins or place == host or _name_of(place) in service.proxies


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/web/")


def _check_key(given: str, key: str) -> None:
    scheme, _, token = given.partition(" ")
    same = hmac.compare_digest(token.strip().encode(), key.encode())
    if scheme.lower() != "bearer" or not same:
        raise Problem(401, "this service needs its key: send the header 'Authorization: Bearer KEY'")


def _log_fault(error: Exception) -> None:
    """Where it went wrong and as what, without the message: that may hold the name of somebody's file."""
    where = "".join(traceback.format_tb(error.__traceback__)[-4:])
    LOG.error("%s\n%s", type(error).__name__, where.rstrip())
