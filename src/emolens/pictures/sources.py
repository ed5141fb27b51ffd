"""Where pictures come from: names and folders in, one source at a time out, and the encoded bytes behind a source."""

# A walk over a million names stays with strings: a Path for each costs more than listing the folder.
# ruff: noqa: PTH100, PTH112, PTH116, PTH118, PTH122, PTH123, PTH207

from __future__ import annotations

import base64
import binascii
import glob
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote_to_bytes

import numpy as np
from PIL import Image

from emolens.errors import InputError, NotFound, TooLarge, Unreadable
from emolens.pictures.limits import LIMITS, Limits, as_shown, as_size

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".gif"}
    | {".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"}
)
"""What counts as a picture inside a folder. A file that is named itself is read whatever its suffix."""
URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
DATA_URI = re.compile(r"data:", re.IGNORECASE)
GLOB = re.compile(r"[*?\[]")
MOST_ESCAPES = 2**18
"""Percent escapes in a data URI: enough for base64 of 6 MB whose every + and / is escaped."""
MARK = "annotated by emolens"
"""Stands in the first bytes of every annotated picture, so that a second run does not take it for a photo."""
_MARKED = re.compile(r"_(annotated|evoked|stimuli|emotions|map(16|_\w+)?)(_\d+)?\.(jpg|png)$")


def expand(sources: Iterable[str | Path]) -> Iterator[str]:
    """Files, folders, globs, URLs, data URIs and `-` (standard input) as one source after the other.

    A folder gives the pictures in it and below it by suffix, in the order of their names; hidden ones are left out,
    links are followed, a loop is walked once. Pictures that emolens drew itself in an earlier run are left out of
    folders and patterns. A pattern that the shell did not expand is expanded here. A source
    named twice comes once. Nothing is raised: a missing path, a pattern without a match and a folder without a
    picture come out as they are, so that `open_image` says what is wrong and the others go on.

    `**` follows links as well, and where they lead in circles, as below /proc, it ends only where the system's own
    bound on links is met: name the folder instead.
    """
    seen: set[int] = set()  # hashes rather than names: a million photos are about 70 MB, not 300
    for given in sources:
        for source in _expand_one(str(given)):
            key = hash(source if is_remote(source) else os.path.abspath(source))
            if key not in seen:
                seen.add(key)
                yield source


def source_name(source: object) -> str:
    """What tables say about where a picture came from. Printable, and never the content itself.

    A path as given; a URL without password and with secret-looking query values blanked; `data:image/png;base64,…`
    with its length; `bytes:` and the first 8 digits of the SHA-1; the name of a file object; `image` or `array`.
    """
    if isinstance(source, (str, os.PathLike)):
        return _text_name(os.fsdecode(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "bytes:" + hashlib.sha1(source, usedforsecurity=False).hexdigest()[:8]
    if isinstance(source, np.ndarray):
        return "array"
    named = getattr(source, "filename" if isinstance(source, Image.Image) else "name", None)
    if isinstance(named, (str, os.PathLike)) and str(named):
        return _text_name(os.fsdecode(named))
    return "image" if isinstance(source, Image.Image) else "file" if hasattr(source, "read") else type(source).__name__


def read_source(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes], limits: Limits = LIMITS
) -> bytes:
    """The encoded bytes behind a source, at least one and at most `limits.max_bytes`. Raises `InputError`."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = _read_text(os.fspath(source), limits)
    else:
        data = _read_stream(source, limits)
    name = as_shown(source_name(source))
    if not data:
        raise Unreadable(f"{name}: empty (0 bytes); give a picture")
    if len(data) > limits.max_bytes:
        raise _too_large(name, len(data), limits)
    return data


def _expand_one(given: str) -> Iterator[str]:
    if is_remote(given):
        yield given
    elif os.path.isdir(given):
        yield from _folder_or_itself(given)
    elif GLOB.search(given) and not os.path.lexists(given):
        # `**` names every folder on the way as well; what lies in them is matched without walking them again.
        matches = sorted(m for m in glob.iglob(given, recursive=True) if "**" not in given or not os.path.isdir(m))
        matches = [match for match in matches if not _is_annotated(match)]
        for match in matches:
            yield from _folder_or_itself(match) if os.path.isdir(match) else (match,)
        if not matches:
            yield given
    else:
        yield given


def _folder_or_itself(folder: str) -> Iterator[str]:
    found = False
    for path in pictures_in(folder):
        found = True
        yield path
    if not found:
        yield folder


def pictures_in(folder: str) -> Iterator[str]:
    """The pictures in and below a folder, by suffix, in the order of their names; one folder is listed at a time.

    A folder below that may not be listed comes out as itself, so that it is not passed over in silence.
    """
    walked: set[tuple[int, int]] = set()
    waiting = [(folder, True)]  # a stack, not recursion: deep trees are legal
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield path
            continue
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) not in walked:
                walked.add((status.st_dev, status.st_ino))
                waiting.extend(_inside(path))
        except OSError:
            if path != folder:
                yield path


def _inside(folder: str) -> list[tuple[str, bool]]:
    """Pictures and folders in a folder, last name first, each with whether it is a folder."""
    with os.scandir(folder) as entries:
        shown = [(e.name, _leads_to_folder(e)) for e in entries if not e.name.startswith(".")]
    shown.sort(reverse=True)
    kept = [(os.path.join(folder, n), d) for n, d in shown if d or os.path.splitext(n)[1].lower() in SUFFIXES]
    return [(path, is_folder) for path, is_folder in kept if is_folder or not _is_annotated(path)]


def _is_annotated(path: str) -> bool:
    """Whether emolens drew this file: by its name and, since a photo may have such a name too, by the mark in it."""
    if not _MARKED.search(path):
        return False
    try:
        with open(path, "rb") as file:
            return MARK.encode() in file.read(1024)
    except OSError:
        return False


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: a source that cannot be read, and the others go on
        return False


def is_remote(source: str) -> bool:
    """Whether a source is no path: the standard input, a URL or a data URI."""
    return source == "-" or bool(URL.match(source) or DATA_URI.match(source))


def _text_name(text: str) -> str:
    if DATA_URI.match(text):
        return f"{text.partition(',')[0][:60]},… ({len(text)} characters)"
    if URL.match(text):
        from emolens.pictures.urls import shown_url

        return shown_url(text)
    # A file name is bytes to the system: those that are not UTF-8 come as surrogates, which no table can hold.
    return text.encode("utf-8", "backslashreplace").decode()


def _read_text(text: str, limits: Limits) -> bytes:
    if text == "-":
        return _read_stream(sys.stdin.buffer, limits)
    if DATA_URI.match(text):
        return _read_data_uri(text, limits)
    if URL.match(text):
        from emolens.pictures.urls import fetch  # http and ssl cost more than the rest of this module together

        return fetch(text, limits)
    return _read_path(text, limits)


def _read_path(path: str, limits: Limits) -> bytes:
    name = as_shown(_text_name(path))
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise _not_a_file(path, name)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{name}: a pipe, socket or device; give a regular file, or `-` for standard input")
        if status.st_size > limits.max_bytes:
            raise _too_large(name, status.st_size, limits)
        with open(path, "rb") as file:
            return file.read(limits.max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        what = "no file matches this pattern" if GLOB.search(path) else "no such file or folder"
        raise NotFound(f"{name}: {what}; check the spelling and the folder you are in") from None
    except PermissionError:
        raise Unreadable(f"{name}: permission denied; make it readable for this user") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        text = getattr(error, "strerror", None) or str(error)
        raise Unreadable(f"{name}: {text}; give the path of a picture") from None


def _not_a_file(folder: str, name: str) -> InputError:
    if not os.access(folder, os.R_OK | os.X_OK):
        return Unreadable(f"{name}: a folder that this user may not list; change its permissions")
    if next(pictures_in(folder), None) is None:
        return NotFound(f"{name}: a folder without a picture; give one with {', '.join(sorted(SUFFIXES))}")
    return Unreadable(f"{name}: a folder, not a picture; emolens.pictures.sources.expand gives the pictures in it")


def _read_data_uri(uri: str, limits: Limits) -> bytes:
    name = as_shown(_text_name(uri))
    head, comma, body = uri.partition(",")
    if not comma:
        raise Unreadable(f"{name}: a data URI without a comma; give data:image/png;base64,<data>")
    is_base64 = head.lower().rstrip().endswith(";base64")
    _check_uri(name, body, is_base64, limits)
    data = unquote_to_bytes(body)
    if not is_base64:
        return data
    plain = b"".join(data.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise Unreadable(f"{name}: not base64; give data:image/png;base64,<data>") from None


def _check_uri(name: str, body: str, is_base64: bool, limits: Limits) -> None:
    """Refuses what is too large before it is unpacked, where an escape of 3 characters takes 200 bytes."""
    escapes = body.count("%")
    size = len(body) - 2 * escapes
    size = size * 3 // 4 if is_base64 else size
    if size > limits.max_bytes + 3:
        raise _too_large(name, size, limits)
    if escapes > MOST_ESCAPES:
        raise TooLarge(f"{name}: {escapes} percent escapes, at most {MOST_ESCAPES} are read; give it as base64")


def _read_stream(stream: Any, limits: Limits) -> bytes:
    name = as_shown(source_name(stream))
    try:
        if stream is not sys.stdin.buffer and stream.seekable():
            stream.seek(0)  # as Pillow does: a buffer that was just written is read from its start
        data = stream.read(limits.max_bytes + 1)
    except (OSError, ValueError, AttributeError) as error:
        raise Unreadable(f"{name}: cannot be read ({as_shown(str(error))}); give an open binary file") from None
    if not isinstance(data, bytes):
        raise Unreadable(f"{name}: gives {type(data).__name__}, not bytes; open the file with mode 'rb'")
    return data


def _too_large(name: str, size: int, limits: Limits) -> TooLarge:
    return TooLarge(
        f"{name}: {as_size(size)} encoded, at most {as_size(limits.max_bytes)} are read; "
        "give a smaller picture, or in Python: Limits(max_bytes=...)"
    )
