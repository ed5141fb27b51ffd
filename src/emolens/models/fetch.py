"""Weights from their upstream: over https, no more bytes than pinned, in place only once they are the right ones."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from emolens.errors import ChecksumError, NotFetched
from emolens.files import replacing
from emolens.models.catalogue import Entry, WeightFile, where
from emolens.pictures.limits import as_shown
from emolens.places import home, sha256

CHUNK = 1 << 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")
Progress = Callable[[int, int], None]


def fetch(
    wanted: Entry,
    folder: Path | None = None,
    *,
    progress: Progress | None = None,
    timeout: float = 60.0,
    plain_loopback: bool = False,
) -> Path:
    """Bring the weights of a catalogue entry to `folder`, by default the cache where they are looked for.

    The mirrors of the entry are tried in order. A file that is there and whole is left alone; weights that come with
    emolens or a dependency are looked up, and copied into a `folder` that is named, with their card. `progress` is
    called with the bytes read and the bytes in all. `timeout` is for one mirror, in seconds. `plain_loopback` allows
    http from this very machine, for tests and local mirrors.

    Raises `NotFetched` where no mirror gives the file or `EMOLENS_OFFLINE` is set, `ChecksumError` where a mirror gives
    other bytes and none gives the right ones, `OutputError` where the folder cannot be written. Nothing half-written
    stays behind.
    """
    if not wanted.urls:
        found = where(wanted.name)
        return found if folder is None else _copied(wanted, found, folder)
    (file,) = wanted.files
    target = (folder or home() / "models") / file.name
    if target.is_file() and sha256(target) == file.sha256:
        return target
    if os.environ.get("EMOLENS_OFFLINE", "0") not in ("", "0"):
        raise NotFetched(f"{wanted.name} is not fetched while EMOLENS_OFFLINE is set; {_by_hand(file, target)}")
    failures: list[NotFetched | ChecksumError] = []
    for url in wanted.urls:
        try:
            with replacing(target) as draft:
                _download(url, file, draft, progress, timeout, plain_loopback)
            return target
        except (NotFetched, ChecksumError) as error:
            failures.append(error)
    kind = ChecksumError if any(isinstance(error, ChecksumError) for error in failures) else NotFetched
    reasons = "; ".join(dict.fromkeys(str(error) for error in failures))
    raise kind(f"{wanted.name} was not fetched: {reasons}; {_by_hand(file, target)}")


def _copied(wanted: Entry, found: Path, folder: Path) -> Path:
    """The weights that were found on this machine, and a card beside them, in `folder`."""
    source = found if found.is_dir() else found.parent
    names = [file.name for file in wanted.files]
    cards = [name for name in (str(Path(name).with_suffix(".json")) for name in names) if (source / name).is_file()]
    for name in (*names, *cards):
        with replacing(folder / name) as draft:
            shutil.copyfile(source / name, draft)
    return folder / names[0] if len(names) == 1 else folder


def _by_hand(file: WeightFile, target: Path) -> str:
    return f"try again later, or put {file.name} (sha256 {file.sha256}) into {target.parent}"


def _download(
    url: str, file: WeightFile, draft: Path, progress: Progress | None, timeout: float, plain_loopback: bool
) -> None:
    """One file from one mirror into `draft`. Raises `NotFetched` or `ChecksumError`, naming the mirror."""
    try:
        _check_url(url, plain_loopback)
        with _opener(plain_loopback).open(_request(url), timeout=timeout) as answer, draft.open("wb") as out:
            digest, count = _copy(answer, out, file.size, progress, time.monotonic() + timeout)
    except urllib.error.HTTPError as error:
        raise NotFetched(f"{url} answered {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise NotFetched(f"{urlsplit(url).netloc} cannot be reached ({error.reason})") from None
    except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"{url} broke off ({as_shown(str(error)) or type(error).__name__})") from None
    if count < file.size:
        raise NotFetched(f"{url} broke off after {count} of {file.size} bytes")
    if count > file.size or digest != file.sha256:
        raise ChecksumError(f"{url} gives other bytes than were pinned (sha256 {digest[:12]}..., {count} bytes)")


def _copy(
    source: http.client.HTTPResponse, out: IO[bytes], size: int, progress: Progress | None, deadline: float
) -> tuple[str, int]:
    """The sha256 and the number of bytes copied: up to one more than `size`, which is enough to know.

    What has come is taken at once: waiting for a whole block, a server that drips would never meet the deadline.
    """
    digest, count = hashlib.sha256(), 0
    while count <= size and (block := source.read1(min(CHUNK, size + 1 - count))):
        if time.monotonic() > deadline:
            raise TimeoutError("too slow")
        digest.update(block)
        out.write(block)
        count += len(block)
        if progress:
            progress(min(count, size), size)
    return digest.hexdigest(), count


def _request(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"User-Agent": "emolens", "Accept-Encoding": "identity"})


def _opener(plain_loopback: bool) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_CheckedRedirects(plain_loopback))


def _check_url(url: str, plain_loopback: bool) -> None:
    parts = urlsplit(url)
    here = plain_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not here:
        raise NotFetched(f"{url} is not https: weights are fetched over https only")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to another host, since what arrives is checked by its sha256, but not to another scheme."""

    def __init__(self, plain_loopback: bool) -> None:
        self.plain_loopback = plain_loopback

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_url(newurl, self.plain_loopback)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
