"""The body of a request as pictures. Nothing of it ever touches the disk, and no name in it is taken for a path."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anyio
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from emolens.pictures.limits import as_shown, as_size
from emolens.pictures.sources import DATA_URI
from emolens.server.admission import Visit
from emolens.server.problems import Problem
from emolens.server.service import Service

KINDS = "multipart/form-data, application/json, image/*, video/* or application/octet-stream"
REMOTE = re.compile(r"https?://", re.IGNORECASE)
MOST_MARKS = {b"[{,": 2**14, b"\\": 2**20}  # some writers of JSON escape each / of a data URI
"""Of these in a JSON body, counted before it is parsed, since nobody else is served meanwhile."""
LINGER = 2.0
"""Seconds for which a body that was refused is still read: a client that is sending hears no answer before its end."""


class Upload(io.BytesIO):
    """The bytes of one picture or video with the name that its sender gave it, for messages and tables only."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = shown_name(name)


def shown_name(name: str) -> str:
    """The last part of a path of any system, printable, at most 120 characters."""
    return as_shown(re.split(r"[/\\]", name)[-1].strip()) or "picture"


async def read_sources(request: Request, service: Service, visit: Visit) -> list[Upload | str]:
    """The pictures of a request, in order: uploads, and data URIs or URLs as they are. Raises `Problem`."""
    try:
        with anyio.fail_after(service.upload_seconds):
            found = await _read(request, service, visit)
    except TimeoutError:
        wait = f"{service.upload_seconds:g} s"
        raise Problem(408, f"the body was not here after {wait}; send a smaller one, or over a faster line") from None
    except Problem:
        if not visit.ended:
            await _linger(request)
        raise
    if not found:
        raise Problem(422, "no picture came; send one or more in the field 'file'")
    if len(found) > service.max_files:
        raise Problem(413, f"{len(found)} pictures came, at most {service.max_files} are taken; send them in parts")
    return found


async def _read(request: Request, service: Service, visit: Visit) -> list[Upload | str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > service.request_bytes:
        what = f"a body of {as_size(int(stated))} is announced, at most {as_size(service.request_bytes)} are read"
        raise Problem(413, f"{what}; send fewer or smaller pictures")
    body = _counted(request, visit)
    if kind == "multipart/form-data":
        return await _form(request, body, service)
    if kind == "application/json":
        return _named(await _whole(body), service)
    if kind.startswith(("image/", "video/")) or kind == "application/octet-stream":
        data = await _whole(body)
        return [Upload(data, "picture")] if data else []
    raise Problem(415, f"a body of type {as_shown(kind) or 'none'} is not read; send {KINDS}")


async def _counted(request: Request, visit: Visit) -> AsyncGenerator[bytes, None]:
    while not visit.ended:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        visit.ended = not message.get("more_body", False)  # known before the chunk is read, which may be refused
        chunk = message.get("body", b"")
        visit.hold(len(chunk))
        yield chunk


async def _whole(body: AsyncIterator[bytes]) -> bytes:
    held = bytearray()
    async for chunk in body:
        held += chunk
    return bytes(held)


async def _linger(request: Request) -> None:
    with anyio.move_on_after(LINGER):
        while (await request.receive()).get("more_body", False):
            pass  # dropped as it comes


async def _form(request: Request, body: AsyncGenerator[bytes, None], service: Service) -> list[Upload | str]:
    parser = _InMemory(
        request.headers,
        body,
        max_files=service.max_files,
        max_fields=service.max_files,
        max_part_size=2 * service.max_bytes,  # a data URI is a third larger than what it holds
    )
    try:
        form = await parser.parse()
        if not parser.ended:
            raise ValueError("its end is missing")
    except (MultiPartException, MultipartParseError, KeyError, ValueError, UnicodeError, LookupError) as error:
        reason = as_shown(getattr(error, "message", None) or str(error))
        raise Problem(422, f"the multipart body cannot be read ({reason.rstrip('.')}); send it whole") from None
    found: list[Upload | str] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and name == "file":
            found.append(Upload(await value.read(), value.filename or ""))
        elif isinstance(value, str) and name in ("file", "url"):
            found.append(_allowed(value, service))
        else:
            raise Problem(422, f"field {as_shown(name)!r} is not known; pictures go into 'file', addresses into 'url'")
    await form.close()
    return found


class _InMemory(MultiPartParser):
    spool_max_size = 2**62  # never to disk; `Visit.hold` bounds what is held
    max_file_size = spool_max_size  # as Starlette called it before 0.46
    ended = False

    def on_end(self) -> None:
        """The closing boundary, without which the last pictures may be missing."""
        self.ended = True


def _named(body: bytes, service: Service) -> list[Upload | str]:
    """The sources of `{"source": "data:..."}` or `{"source": ["data:...", ...]}`."""
    for marks, most in MOST_MARKS.items():
        came = sum(body.count(mark) for mark in marks)
        if came > most:
            what = f"{came} of {' '.join(marks.decode())} in the JSON body"
            raise Problem(422, f"{what}, at most {most} are read; send the picture itself in 'file'")
    try:
        source: Any = json.loads(body)["source"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Problem(422, 'the JSON body is not {"source": "data:image/...;base64,..."} or a list of such') from None
    sources = source if isinstance(source, list) else [source]
    return [_allowed(one, service) for one in sources]


def _allowed(source: Any, service: Service) -> str:
    """A data URI, or an http(s) URL where this service fetches such; never a path of this machine."""
    if isinstance(source, str) and DATA_URI.match(source):
        return source
    if isinstance(source, str) and REMOTE.match(source):
        if service.allow_urls:
            return source
        raise Problem(422, "this service fetches no URLs; send the picture itself")
    raise Problem(422, "a source is neither a data URI nor an http(s) URL; send the picture itself in 'file'")
