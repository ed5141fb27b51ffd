"""The rows of a video, readable while it runs and after it was killed.

Parquet: closed part files in a folder, a new one every `PART_S` seconds of work; a reader takes the folder as one
table. CSV and JSON Lines: one file that grows, flushed every second.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TextIO

from emolens.errors import OutputError, UnknownName
from emolens.records import FrameResult
from emolens.tables import Row, columns, nested, rows
from emolens.writers import ParquetWriter, csv_cells, csv_lines

PART_S = 10.0
PART_ROWS = 4096
FLUSH_S = 1.0
KINDS = ("parquet", "csv", "jsonl")


class _Files(Protocol):
    """What all kinds of rows do; each may raise `OSError`."""

    path: Path

    def add(self, result: FrameResult) -> None:
        """Take the rows of one frame."""

    def due(self, seconds: float) -> bool:
        """Whether it is time to flush, so many seconds after the last."""

    def flush(self) -> None:
        """Make everything added so far safe."""

    def close(self) -> None:
        """End after a flush."""

    def drop(self) -> None:
        """End without one."""


class Series:
    """Rows of frames as they come. `kept` is how many frames are safely in files.

    Raises `UnknownName` for another kind than parquet, csv and jsonl, `OutputError` where nothing can be written.
    """

    def __init__(self, folder: Path, kind: str = "parquet", classes: Iterable[str] = ()) -> None:
        if kind not in KINDS:
            raise UnknownName("kind of rows", kind, KINDS)
        self.kept = 0
        self._frames = 0
        self._files = _opened(folder, kind, tuple(classes))
        self._since = monotonic()

    @property
    def name(self) -> str:
        """What the rows are called inside the folder."""
        return self._files.path.name + ("/" if self._files.path.is_dir() else "")

    def add(self, result: FrameResult) -> None:
        """The rows of one frame. Raises `OutputError` where the disk is full; what was kept before stays."""
        try:
            self._files.add(result)
            self._frames += 1
            if self._files.due(monotonic() - self._since):
                self._flush()
        except OSError as error:
            raise self._fault(error) from None

    def close(self) -> None:
        """Write what is still in memory."""
        try:
            self._flush()
            self._files.close()
        except OSError as error:
            raise self._fault(error) from None

    def _flush(self) -> None:
        self._files.flush()
        self.kept, self._since = self._frames, monotonic()

    def _fault(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self._files.path}: {error.strerror or error}")

    def __enter__(self) -> Series:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, OutputError):  # the disk is full: a second try would say it again
            self._files.drop()
            return
        self.close()


def _opened(folder: Path, kind: str, classes: tuple[str, ...]) -> _Files:
    if kind == "parquet":
        return _Parts(folder, classes)
    return (_Csv if kind == "csv" else _JsonLines)(folder, classes)


class _Parts:
    """Parquet part files `part-00000.parquet`, ..., each whole or not there."""

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        self.path = folder / "rows"
        self._classes, self._rows, self._number = classes, list[Row](), 0
        try:
            for old in self.path.glob("part-*.parquet"):  # of an earlier run: the two would be read as one table
                old.unlink()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None
        self.flush(empty=True)  # a folder that cannot be written is known before the work, not after it

    def add(self, result: FrameResult) -> None:
        self._rows += rows(result)

    def due(self, seconds: float) -> bool:
        return seconds >= PART_S or len(self._rows) >= PART_ROWS

    def flush(self, empty: bool = False) -> None:
        if not self._rows and not empty:
            return
        with ParquetWriter(self.path / f"part-{self._number:05d}.parquet", self._classes) as part:
            part.write_rows(self._rows)
        self._number += not empty  # the first part with rows takes the place of the empty one
        self._rows = []

    def close(self) -> None:
        self.flush()

    def drop(self) -> None:
        self._rows = []


class _Growing:
    """A text file that stands under its name from the start."""

    suffix = ""

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        self.path = folder / f"rows.{self.suffix}"
        self._columns = columns(classes)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = self.path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {self.path}: {reason}; choose a folder that you may write to") from None

    def due(self, seconds: float) -> bool:
        return seconds >= FLUSH_S

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def drop(self) -> None:
        try:
            self._file.close()
        except OSError:
            return  # said already


class _Csv(_Growing):
    suffix = "csv"

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        super().__init__(folder, classes)
        self._csv: Any = csv_lines(self._file)
        self._csv.writerow(self._columns)

    def add(self, result: FrameResult) -> None:
        self._csv.writerows(csv_cells(rows(result), self._columns))


class _JsonLines(_Growing):
    suffix = "jsonl"

    def add(self, result: FrameResult) -> None:
        self._file.write(json.dumps(nested(result), ensure_ascii=False, allow_nan=False) + "\n")
