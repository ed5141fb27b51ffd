"""Reads a pickled list of names without unpickling it.

A pickle is a program, and running a stranger's program is what must not happen: this looks at the opcodes, admits those
that a flat list of strings needs, and collects the strings. Nothing is imported, nothing is called.
Opcodes: CPython's `pickletools`.
"""

from __future__ import annotations

import pickletools
from pathlib import Path

from emolens.data.rows import lines
from emolens.errors import DataError

LISTS = frozenset({"EMPTY_LIST", "LIST"})
SILENT = frozenset({"PROTO", "FRAME", "MARK", "APPEND", "APPENDS", "STOP"}) | LISTS
STRINGS = frozenset(
    {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
"""Those of Python 3, and of Python 2, in which such lists were once written."""
STORES = frozenset({"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"})
FETCHES = frozenset({"GET", "BINGET", "LONG_BINGET"})
MOST_BYTES = 1 << 26


def names_in(path: Path) -> list[tuple[str, str]]:
    """The names in a list file, one a line or a pickled list of strings, each with its place.

    Raises `DataError` for a pickle of anything else.
    """
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes, at most {MOST_BYTES} are read as a list of names")
    content = path.read_bytes()
    if not content.endswith(b"."):  # the opcode STOP; no picture's name ends so
        return list(lines(path))
    return [(f"{path}, entry {at}", name) for at, name in enumerate(_strings(content, path))]


def _strings(content: bytes, path: Path) -> list[str]:
    found: list[str] = []
    memo: dict[int, str | None] = {}
    last: str | None = None
    started = 0
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in STORES:
                memo[len(memo) if argument is None else int(argument)] = last
                continue
            if opcode.name in STRINGS:
                last = str(argument)
            elif opcode.name in FETCHES:
                last = memo.get(int(str(argument)))
            elif opcode.name in SILENT:
                started += opcode.name in LISTS
                last = None
                continue
            else:
                raise DataError(f"{path}: not a pickled list of names: opcode {opcode.name}; nothing was executed")
            if last is None:
                raise DataError(f"{path}: not a flat list of names; nothing was executed")
            found.append(last)
    except ValueError as error:
        raise DataError(f"{path}: neither a text list nor a pickled list of names ({error})") from None
    if started != 1:
        raise DataError(f"{path}: holds {started} pickled lists, needs one, of names; nothing was executed")
    return found
