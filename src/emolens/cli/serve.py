"""`emolens serve`: the page and the service, on this machine unless told otherwise."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from emolens.cli.loading import load_analyzer
from emolens.cli.options import (
    Abstain,
    Detector,
    MinFace,
    MinScore,
    Models,
    Tasks,
    Threads,
    limit_threads,
    number,
)
from emolens.errors import MissingExtra, OptionError

KEY = "EMOLENS_API_KEY"
LEAST_KEY = 16
NAME = re.compile(r"[\w.-]+|\[[\da-fA-F:.]+\]")

_PORT = number("--port", int, "a whole number")
_COUNT = number("--max-mb", float, "a number of MiB")
_PIXELS = number("--max-megapixels", float, "a number of millions")
_FACES = number("--max-faces", int, "a whole number")
_SECONDS = number("--timeout", float, "seconds")
_QUEUE = number("--queue", int, "a whole number")
_CLIENT = number("--per-client", int, "a whole number")
_BATCH = number("--batch-size", int, "a whole number")

Host = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; other than this machine: with a key.")
]
Port = Annotated[int, typer.Option("--port", metavar="N", parser=_PORT, help="0 takes a free one.")]
KeyFile = Annotated[
    str | None, typer.Option("--api-key-file", metavar="FILE", help=f"A key that callers must send; or set {KEY}.")
]
Urls = Annotated[bool, typer.Option("--allow-urls", help="Fetch pictures by URL, from public addresses only.")]
Origins = Annotated[
    list[str] | None,
    typer.Option("--allow-origin", metavar="URL", help="A site whose pages may call (CORS). Repeatable."),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="A name under which a proxy shows the page. Repeatable."),
]
MaxMb = Annotated[
    float | None, typer.Option("--max-mb", metavar="N", parser=_COUNT, help="MiB of a picture; by default 20.")
]
MaxPixels = Annotated[
    float | None, typer.Option("--max-megapixels", metavar="N", parser=_PIXELS, help="Of a picture; by default 40.")
]
MaxFaces = Annotated[
    int | None, typer.Option("--max-faces", metavar="N", parser=_FACES, help="In a picture; by default 200.")
]
Seconds = Annotated[
    float | None, typer.Option("--timeout", metavar="S", parser=_SECONDS, help="For an answer; by default 60.")
]
Queue = Annotated[
    int | None, typer.Option("--queue", metavar="N", parser=_QUEUE, help="Requests inside; by default 64.")
]
PerClient = Annotated[
    int | None,
    typer.Option("--per-client", metavar="N", parser=_CLIENT, help="Of those from one address; by default 32."),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", metavar="N", parser=_BATCH, help="Pictures analysed together; by default 8."),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key_file: KeyFile = None,
    allow_urls: Urls = False,
    allow_origin: Origins = None,
    allow_host: Names = None,
    task: Tasks = None,
    detector: Detector = "auto",
    model: Models = None,
    abstain_below: Abstain = None,
    min_face: MinFace = None,
    min_score: MinScore = None,
    max_mb: MaxMb = None,
    max_megapixels: MaxPixels = None,
    max_faces: MaxFaces = None,
    timeout: Seconds = None,
    queue: Queue = None,
    per_client: PerClient = None,
    batch_size: BatchSize = None,
    threads: Threads = None,
) -> None:
    """Serve the page and the service. Nothing that is sent is kept or logged. Ctrl-C ends it.

    Exit code: 0 after Ctrl-C or a request to terminate; 2 where something must be changed.
    """
    try:
        from emolens.server.app import create_app
        from emolens.server.running import open_socket, run
        from emolens.server.service import LOOPBACK, Service, bytes_for
    except ImportError:
        raise MissingExtra("the service", "serve") from None
    near = _is_loopback(host)
    limits = {
        "max_pixels": None if max_megapixels is None else round(max_megapixels * 1e6),
        "max_faces": max_faces,
        "answer_seconds": timeout,
        "queue": queue,
        "per_client": per_client,
        "batch": batch_size,
    }
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    if max_mb is not None:
        given |= bytes_for(round(max_mb * 2**20))
    key = _key(api_key_file)
    proxies = tuple(map(_name, allow_host or ()))
    shown = f"[{host}]" if ":" in host else host
    given["hosts"] = tuple(dict.fromkeys((*LOOPBACK, shown.lower()))) if near or proxies else ()
    origins = tuple(allow_origin or ())
    service = Service(api_key=key, allow_urls=allow_urls, proxies=proxies, origins=origins, **given)
    sock = open_socket(host, port)
    limit_threads(threads)
    analyzer = load_analyzer(task, detector, model, False, abstain_below, min_face, min_score, None)
    if not near:
        _warn(host, key)
    typer.echo(f"emolens: http://{shown}:{sock.getsockname()[1]}  (Ctrl-C ends it)", err=True)
    run(create_app(analyzer, service), sock)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name(given: str) -> str:
    if not NAME.fullmatch(given):
        raise OptionError(f"--allow-host is {given!r}, needs a name without scheme and port, such as app.example")
    return given.lower()


def _key(file: str | None) -> str:
    """The key of the file, else of the environment: every user of a machine can read its command lines."""
    key, where = os.environ.get(KEY, ""), KEY
    if file is not None:
        try:
            key, where = Path(file).read_text(encoding="utf-8"), file
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OptionError(f"--api-key-file {file}: {reason}; give a file that holds the key") from None
    key = key.strip()
    if (file is not None or key) and (len(key) < LEAST_KEY or not key.isascii() or not key.isprintable()):
        raise OptionError(f"the key in {where} has {len(key)} characters, needs {LEAST_KEY} or more of plain ASCII")
    return key


def _warn(host: str, key: str) -> None:
    typer.echo(
        f"emolens: warning: {host} can be reached from other machines, over HTTP that anyone between can read", err=True
    )
    if not key:
        typer.echo(
            f"emolens: warning: anyone who reaches it can use it; give a key (--api-key-file FILE or {KEY}), "
            "or listen on 127.0.0.1",
            err=True,
        )
