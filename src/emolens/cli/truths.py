"""True stimuli maps beside those of a run: found before it, checked when the picture is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emolens.errors import DataError, InputError, OptionError
from emolens.maps import maps_below, read_map
from emolens.pictures.images import open_image
from emolens.pictures.limits import as_shown
from emolens.pictures.sources import is_remote, source_name


class Truths:
    """The true map of each picture: one file for one picture, or a folder with a map of the same name for each.

    Names are relative and without suffix: of `fear/1.png` in the folder is the picture whose path ends in `fear/1`.
    Raises `OptionError` for a file and several pictures, `DataError` for pictures without a map or a name with two.
    """

    def __init__(self, place: Path, pictures: Sequence[object]) -> None:
        self._one = None if place.is_dir() else place
        self._maps = maps_below(place) if self._one is None else {}
        if self._one is not None and len(pictures) > 1:
            raise OptionError(f"--truth {place} is one file for {len(pictures)} pictures; name a folder of maps")
        missing = [name for picture in pictures if self._path(name := source_name(picture)) is None]
        if missing:
            raise DataError(
                f"{place}: no map for {as_shown(missing[0])} ({len(missing)} of {len(pictures)} are missing); "
                "each picture needs one of the same name"
            )

    def check(self, pictures: Sequence[object]) -> None:
        """Look at the truth of every picture before the first is analysed: a fault shall not end a run half-way.

        Raises as `of`. Pictures that would be fetched, or cannot be read, have the truth alone looked at, not its size.
        """
        for picture in pictures:
            name = source_name(picture)
            self.of(name, None if isinstance(picture, str) and is_remote(picture) else _size(picture))

    def of(self, source: str, size: tuple[int, int] | None) -> np.ndarray:
        """The true map of a picture of `size` (width, height), where that is known.

        Raises `DataError` for another size, or all zero, `InputError` for a file that is no map.
        """
        path = self._path(source)
        if path is None:
            raise DataError(f"no map for {source}; each picture needs one of the same name")
        found = read_map(path)
        if size is not None and found.shape != size[::-1]:
            came = f"{found.shape[1]} x {found.shape[0]}"
            raise DataError(f"{path}: a map of {came} pixels, {source} has {size[0]} x {size[1]}; give one of its size")
        if not found.any():
            raise DataError(f"{path}: all zero, it says nothing of where; give another, or leave --truth out")
        return found

    def _path(self, source: str) -> Path | None:
        if self._one is not None:
            return self._one
        parts = Path(source).with_suffix("").parts
        known = (self._maps.get(parts[at:]) for at in range(len(parts)))
        return next((path for path in known if path is not None), None)


def _size(picture: object) -> tuple[int, int] | None:
    try:
        height, width = open_image(picture).shape[:2]  # type: ignore[arg-type]
    except InputError:  # it gets a row that says so
        return None
    return width, height
