"""What a service allows and how far it goes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from emolens.errors import OptionError
from emolens.pictures.limits import Limits

REQUEST_BYTES, HELD_BYTES = 64 * 2**20, 256 * 2**20
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Service:
    """The bounds of a service. Sizes are in bytes, times in seconds.

    `max_bytes` and `max_pixels` bound one picture, `max_faces` the faces in it, `max_files` the pictures of a request
    and `request_bytes` its whole body. `upload_seconds` is how long a body may take to arrive, `answer_seconds` how
    long an answer may take after that. `queue` requests are inside at once, of which `per_client` from one address, and
    `held_bytes` of their bodies. `batch` pictures go through the models together; with 1 there is no micro-batching.
    A video may last `film_seconds`, of which `film_fps` frames a second are taken, and its answer `film_wait`.

    `api_key` guards everything but the page and its health; empty means none. `allow_urls` lets a request name pictures
    by URL, whose host must be public. `hosts` are the names by which the service may be called, empty means any;
    `proxies` are further names, under which a proxy shows its page. `origins` are other sites whose pages may call it,
    none by default.

    Raises `OptionError` for a number below 1.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    max_faces: int = 200
    max_files: int = 16
    request_bytes: int = REQUEST_BYTES
    upload_seconds: float = 30.0
    answer_seconds: float = 60.0
    queue: int = 64
    per_client: int = 32
    held_bytes: int = HELD_BYTES
    batch: int = 8
    film_seconds: float = 60.0
    film_fps: float = 5.0
    film_wait: float = 300.0
    api_key: str = ""
    allow_urls: bool = False
    hosts: tuple[str, ...] = LOOPBACK
    proxies: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
                raise OptionError(f"Service({field.name}={value}) allows nothing; give a number above 0")

    @property
    def pictures(self) -> Limits:
        """What holds for one picture, wherever it comes from."""
        return Limits(max_bytes=self.max_bytes, max_pixels=self.max_pixels, url_seconds=10.0)

    def told(self) -> dict[str, float]:
        """The limits that a client wants to know before it sends anything."""
        names = ("max_bytes", "max_pixels", "max_faces", "max_files", "request_bytes", "film_seconds")
        return {name: getattr(self, name) for name in names}


def bytes_for(max_bytes: int) -> dict[str, int]:
    """`max_bytes`, and what of `Service` must grow with it: as a data URI a picture is a third larger."""
    request = max(REQUEST_BYTES, 2 * max_bytes)
    return {"max_bytes": max_bytes, "request_bytes": request, "held_bytes": max(HELD_BYTES, 2 * request)}
