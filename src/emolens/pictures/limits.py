"""How large, how small and how slow a picture may be before it is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields

from emolens.errors import OptionError


@dataclass(frozen=True, slots=True)
class Limits:
    """What `open_image` accepts. Everything is checked before pixels are decoded.

    `max_bytes` is the encoded size, `max_pixels` width times height, `min_side` the shorter side in pixels: below
    16 no detector finds a face and no expression is left to read. `url_seconds` is the total time for one URL with
    all its redirects; `allow_private` lets URLs reach private, loopback and link-local addresses.
    """

    max_bytes: int = 128 * 2**20
    max_pixels: int = 100_000_000
    min_side: int = 16
    url_seconds: float = 20.0
    max_redirects: int = 5
    allow_private: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise OptionError(f"Limits({field.name}={getattr(self, field.name)}) is negative; give 0 or more")


LIMITS = Limits()


def as_size(n: int) -> str:
    """A number of bytes as people read it: `as_size(3 * 2**20)` is `3 MiB`."""
    if n < 2**10:
        return f"{n} bytes"
    unit, name = (2**20, "MiB") if n >= 2**20 else (2**10, "KiB")
    return f"{n / unit:.3g} {name}"


def as_shown(name: str) -> str:
    """A source's name as it stands in a message: one line, at most 120 characters."""
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return name if len(name) <= 120 else f"{name[:80]}…{name[-30:]}"
