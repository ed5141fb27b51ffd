"""True stimuli maps beside those of a run: found before it, checked when the picture is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emolens.errors import DataError, OptionError
from emolens.maps import SUFFIXES, read_map


class Truths:
    """The true map of each picture: one file for one picture, or a folder with a map of the same name for each.

    Names are relative and without suffix: of `fear/1.png` in the folder is the picture whose path ends in `fear/1`.
    Raises `OptionError` for a file and several pictures, `DataError` for pictures without a map or a name with two.
    """

    def __init__(self, place: Path, pictures: Sequence[object]) -> None:
        self._one = None if place.is_dir() else place
        self._maps = _by_name(place) if self._one is None else {}
        if self._one is not None and len(pictures) > 1:
            raise OptionError(f"--truth {place} is one file for {len(pictures)} pictures; name a folder of maps")
        missing = [str(picture) for picture in pictures if self._path(str(picture)) is None]
        if missing:
            raise DataError(
                f"{place}: no map for {missing[0]} ({len(missing)} of {len(pictures)} are missing); each picture needs "
                "one of the same name"
            )

    def of(self, source: str, size: tuple[int, int]) -> np.ndarray:
        """The true map of a picture of `size` (width, height). Raises `DataError` for another size, or all zero."""
        path = self._path(source)
        if path is None:
            raise DataError(f"no map for {source}; each picture needs one of the same name")
        found = read_map(path)
        if found.shape != size[::-1]:
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


def _by_name(folder: Path) -> dict[tuple[str, ...], Path]:
    """The maps below a folder by the parts of their relative names."""
    found: dict[tuple[str, ...], Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()):
        name = path.relative_to(folder).with_suffix("").parts
        if name in found:
            raise DataError(f"{found[name]} and {path.name}: two maps of one name; keep one")
        found[name] = path
    return found
