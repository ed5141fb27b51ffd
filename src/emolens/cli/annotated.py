"""The annotated pictures of a run, and the names under which they neither meet each other nor a photo of the user's."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from emolens.errors import InputError
from emolens.limits import LIMITS
from emolens.records import PhotoResult

MOST_OF_JPEG = 65_500  # pixels on a side that the format can hold


class StandardInput(io.BytesIO):
    """The bytes of the standard input, kept so that they can be read twice: to analyze and to draw."""

    name = "-"

    def __init__(self) -> None:
        super().__init__(sys.stdin.buffer.read(LIMITS.max_bytes + 1))


class AnnotatedPictures:
    """Writes `<name>_annotated.jpg` into a folder for each picture that could be read.

    Pictures of one name from different folders get `_2`, `_3`, ... in the order of the run; none of the `pictures` that
    are analysed is ever overwritten, though they lie in the same folder. Those of an earlier run are: `expand` knows
    them by their mark and leaves them out.
    """

    def __init__(self, folder: Path, pictures: Iterable[object]) -> None:
        self._folder = folder
        self._taken = {os.path.abspath(p).lower() for p in pictures if isinstance(p, str)}  # noqa: PTH100

    def add(self, picture: str | StandardInput, result: PhotoResult) -> None:
        """Draw and write one picture. Raises `OutputError` where the folder cannot be written."""
        if not result.ok:
            return
        from emolens.draw import annotate, save
        from emolens.images import open_image

        try:
            pixels = open_image(picture)
        except InputError:  # gone since it was analysed: its row is right all the same
            return
        drawn = annotate(pixels, result)
        save(drawn, self._free(stem(result.source), ".jpg" if max(drawn.shape) <= MOST_OF_JPEG else ".png"))

    def _free(self, stem: str, suffix: str) -> Path:
        number = 1
        while True:
            path = self._folder / f"{stem}_annotated{f'_{number}' if number > 1 else ''}{suffix}"
            key = os.path.abspath(path).lower()  # noqa: PTH100  lower: some file systems see no case
            if key not in self._taken:
                self._taken.add(key)
                return path
            number += 1


def stem(source: str) -> str:
    """The name of a source as part of the name of a file."""
    if source.startswith("data:") or source == "-":
        return "picture"
    path = urlsplit(source).path if "://" in source else source
    stem = re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", Path(path).stem)
    return stem[:100] or "picture"
