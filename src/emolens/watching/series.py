"""The rows of a video, readable while it runs and after it was killed.

Parquet: closed part files in a folder, a new one every `PART_S` seconds of work; a reader takes the folder as one
table. CSV and JSON Lines: one file that grows by whole lines, every second. All hold the same rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from emolens.errors import OutputError, UnknownName
from emolens.records import FrameResult
from emolens.tables import Row, columns, rows
from emolens.writers import ParquetWriter, csv_cells, csv_lines, fitting, short

PART_S = 10.0
PART_ROWS = 4096
FLUSH_S = 1.0
NAMES = {"parquet": "rows", "csv": "rows.csv", "jsonl": "rows.jsonl"}
"""What the rows of each kind are called inside the folder."""
PARTS = "part-*.parquet"


class _Files(Protocol):
    """What all kinds of rows do; each may raise `OSError`."""

    path: Path

    def add(self, found: list[Row]) -> None:
        """Take the rows of one frame."""

    def due(self, seconds: float) -> bool:
        """Whether it is time to flush, so many seconds after the last."""

    def flush(self) -> None:
        """Make everything added so far safe, or leave the files as they were."""

    def close(self) -> None:
        """End; what was not flushed is lost."""


class Series:
    """Rows of frames as they come. `kept` is how many frames are safely in files.

    What an earlier run left in the folder is removed first: two runs would be read as one table.

    Raises `UnknownName` for another kind than parquet, csv and jsonl, `OutputError` where nothing can be written.
    """

    def __init__(self, folder: Path, kind: str = "parquet", classes: Iterable[str] = ()) -> None:
        if kind not in NAMES:
            raise UnknownName("kind of rows", kind, NAMES)
        path, names = folder / NAMES[kind], columns(classes)
        self.kept = 0
        self._frames = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._files: _Files = _Parts(path, tuple(classes)) if kind == "parquet" else _Growing(path, names)
            self._files.flush()  # a folder that cannot be written is known before the work, not after it
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {path}: {reason}; choose a folder that you may write to") from None
        self._since = monotonic()

    @property
    def name(self) -> str:
        """What the rows are called inside the folder."""
        return self._files.path.name + ("/" if self._files.path.is_dir() else "")

    def add(self, result: FrameResult) -> None:
        """The rows of one frame. Raises `OutputError` where the disk is full; what was kept before stays."""
        try:
            self._files.add(rows(result))
            self._frames += 1
            if self._files.due(monotonic() - self._since):
                self._flush()
        except OSError as error:
            raise self._fault(error) from None

    def close(self) -> None:
        """Write what is still in memory. Raises `OutputError` where that fails; the files are closed all the same."""
        try:
            self._flush()
        except OSError as error:
            raise self._fault(error) from None
        finally:
            self._files.close()

    def _flush(self) -> None:
        self._files.flush()
        self.kept, self._since = self._frames, monotonic()

    def _fault(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self._files.path}: {error.strerror or error}")

    def __enter__(self) -> Series:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, OutputError):  # the disk is full: a second try would say it again
            self._files.close()
            return
        self.close()


def earlier(folder: Path) -> list[Path]:
    """The files of rows, of any kind, that a run has left in a folder, with the drafts of one that was killed."""
    parts = folder / NAMES["parquet"]
    return [folder / NAMES["csv"], folder / NAMES["jsonl"], *parts.glob(PARTS), *parts.glob(f".{PARTS}.*")]


class _Parts:
    """Parquet part files `part-00000.parquet`, ..., each whole or not there."""

    def __init__(self, path: Path, classes: tuple[str, ...]) -> None:
        self.path, self._classes = path, classes
        self._rows, self._number, self._empty = list[Row](), 0, True
        for old in path.glob(PARTS):
            old.unlink()

    def add(self, found: list[Row]) -> None:
        self._rows += found

    def due(self, seconds: float) -> bool:
        return seconds >= PART_S or len(self._rows) >= PART_ROWS

    def flush(self) -> None:
        if not self._rows and not self._empty:
            return
        with ParquetWriter(self.path / f"part-{self._number:05d}.parquet", self._classes) as part:
            part.write_rows(self._rows)
        self._number += bool(self._rows)  # the first part with rows takes the place of the empty one
        self._rows, self._empty = [], False

    def close(self) -> None:
        self._rows = []


class _Growing:
    """A text file that stands under its name from the start, and holds whole lines at any time.

    CSV by its suffix, else JSON Lines: an object a row, with all columns in their order, `null` where one is empty.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self.path, self._columns = path, names
        self._file = path.open("wb", buffering=0)  # lines that wait do so here, not where a kill would cut one in two
        self._lines, self._safe = io.StringIO(newline=""), 0
        self._csv: Any = csv_lines(self._lines) if path.suffix == ".csv" else None
        if self._csv:
            self._csv.writerow(names)

    def add(self, found: list[Row]) -> None:
        if self._csv:
            self._csv.writerows(csv_cells(found, self._columns))
            return
        for row in fitting(found, self._columns):
            cells = {name: short(name, row.get(name)) for name in self._columns}
            self._lines.write(json.dumps(cells, ensure_ascii=False, allow_nan=False) + "\n")

    def due(self, seconds: float) -> bool:
        return seconds >= FLUSH_S

    def flush(self) -> None:
        waiting = memoryview(self._lines.getvalue().encode())
        try:
            while len(waiting):
                waiting = waiting[self._file.write(waiting) :]
        except OSError:
            with suppress(OSError):  # of half a line; a device cannot be cut
                self._file.truncate(self._safe)
                self._file.seek(self._safe)
            raise
        self._safe = self._file.tell()
        self._lines.seek(0)
        self._lines.truncate()

    def close(self) -> None:
        self._file.close()
