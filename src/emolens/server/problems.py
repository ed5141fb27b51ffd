"""Refusals: an HTTP status, one line that says why, and when it is worth coming again.

401  no key, or another one            413  too many bytes, pixels, faces, pictures, seconds
403  called from another site          415  a kind of body or file that is not read
404  no such page                      421  called by a name that is not ours
405  no such method here               422  a body or picture that is broken, too small or not allowed
408  the body did not arrive in time   429  one client has its share inside already
431  a head that is too large          503  the queue is full, or the answer took too long
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from emolens.errors import EmolensError, FetchError, InputError, MissingExtra, TooLarge, Unsupported
from emolens.pictures.images import A_VIDEO


class Problem(Exception):  # noqa: N818  RFC 9457 calls it so
    """A request that is refused; `retry_after` in seconds where waiting helps."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after = status, one_line(reason), retry_after


def one_line(reason: str) -> str:
    """A reason for somebody who is not in Python or at our command line: on one line, with what to do over HTTP."""
    reason = reason.replace(A_VIDEO, "a video, not a picture; send it to /v1/video")
    return " ".join(reason.split()).split(", or in Python", 1)[0]


def problem_of(error: EmolensError) -> Problem:
    """What the library refused, as an answer."""
    if isinstance(error, TooLarge):
        return Problem(413, str(error))
    if isinstance(error, Unsupported):
        return Problem(415, str(error))
    if isinstance(error, MissingExtra):
        return Problem(415, "this service reads no videos; send pictures")
    return Problem(422 if isinstance(error, (InputError, FetchError)) else 500, str(error))


def as_response(problem: Problem) -> JSONResponse:
    """The problem as RFC 9457 has it (application/problem+json)."""
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.reason,
    }
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")
