"""A data set's folder, out of which no path leads, and the files in it."""

# A check for each of 290,000 names stays with os.path: pathlib takes several times as long.
# ruff: noqa: PTH113, PTH114

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from emolens.data.problems import Fault, Kind, Problems
from emolens.pictures.sources import SUFFIXES

DRIVE = re.compile(r"[A-Za-z]:")


class Archive:
    """The folder `root`. Names come from lists that strangers wrote: absolute ones, `..` and links out are refused."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = os.path.realpath(root)
        self._inside: dict[Path, bool] = {}  # by folder: a check for each of 290,000 files would take longer

    def path(self, name: str, where: str) -> Path:
        """`name` below the root. Raises `Fault` of kind `path` for a name that leads out of it."""
        below = PurePosixPath(name.replace("\\", "/"))
        parts = below.parts
        if not parts or "\0" in name or below.is_absolute() or ".." in parts or DRIVE.match(parts[0]):
            raise Fault("path", where, f"{name!r} leaves {self.root}; give paths below it, without '..'")
        path = self.root / below
        if not self._stays(path.parent) or (os.path.islink(path) and not self._is_below(path)):
            raise Fault("path", where, f"{name!r} is a link out of {self.root}; put the file itself there")
        return path

    def file(self, name: str, where: str) -> Path:
        """As `path`, and the file is there. Raises `Fault` of kind `missing` where it is not."""
        path = self.path(name, where)
        if not os.path.isfile(path):  # says False, as pathlib does not, for names longer than a disk allows
            raise Fault("missing", where, f"{path} is not there")
        return path

    def first(self, *names: str) -> Path | None:
        """The first of these files or folders that is there, or None."""
        return next((self.root / name for name in names if (self.root / name).exists()), None)

    def folders(self, below: str = "") -> list[str]:
        """Names of the folders in a folder, sorted, hidden ones left out. Raises `Fault` for a folder that is none."""
        return [entry.name for entry in self._shown(below) if entry.is_dir()]

    def pictures(self, below: str, problems: Problems) -> Iterator[str]:
        """Names of the pictures in and below a folder, by suffix, sorted; hidden files and folders are left out."""
        try:
            shown = self._shown(below)
        except Fault as fault:
            problems.add(fault)
            return
        for entry in shown:
            name = str(PurePosixPath(below) / entry.name)
            if entry.is_dir():
                try:
                    self.path(name, name)
                    if entry.is_symlink():
                        raise Fault("path", name, "is a link to a folder; put the files themselves there")
                except Fault as fault:
                    problems.add(fault)
                    continue
                yield from self.pictures(name, problems)
            elif PurePosixPath(name).suffix.lower() in SUFFIXES:
                yield name

    def _shown(self, below: str) -> list[os.DirEntry[str]]:
        folder = self.root / below
        try:
            with os.scandir(folder) as entries:
                return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
        except OSError as error:
            kind: Kind = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
            raise Fault(kind, str(folder), f"no folder that can be listed ({error.strerror})") from None

    def name_of(self, path: Path) -> str:
        """A path below the root as text, as it stands in records and messages."""
        return path.relative_to(self.root).as_posix()

    def _stays(self, folder: Path) -> bool:
        if folder not in self._inside:
            self._inside[folder] = self._is_below(folder)
        return self._inside[folder]

    def _is_below(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return real == self._real_root or real.startswith(self._real_root.rstrip(os.sep) + os.sep)
