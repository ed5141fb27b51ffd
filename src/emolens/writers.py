"""Writers that stream results to a file in bounded memory: CSV, JSON, JSON Lines, Parquet.

A file comes to its name whole when its writer closes without an error, and not at all otherwise. `-` is the standard
output. CSV and Parquet hold the rows of `emolens.tables`, JSON and JSON Lines its nested records.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from emolens.columnar import column
from emolens.errors import LabelError, MissingExtra, OptionError, UnknownName
from emolens.files import replacing
from emolens.records import PhotoResult
from emolens.tables import SCHEMA_VERSION, Row, columns, nested, rows

_INTEGERS = {"frame", "face", "track_id", "schema_version"}
_STRINGS = {"source", "target", "task", "status", "label", "model", "model_sha"}
_ROW_GROUP = 4096  # rows in memory before a Parquet row group is written: about 10 MB of Python objects


class Writer(Protocol):
    """What all writers do. As a context manager it closes whole on success and leaves nothing on an exception."""

    def write(self, result: PhotoResult) -> None:
        """Append one picture."""

    def __enter__(self) -> Writer: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


class _Open:
    """The shared half of the writers: what stands open, and what is still to be written before it closes."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def _finish(self) -> None:
        """Write what a whole file still lacks."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with self._stack.pop_all():
            if error is not None:
                raise error
            self._finish()
        return None


@contextmanager
def _text_file(target: str | Path) -> Iterator[TextIO]:
    if str(target) == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's: JSON is UTF-8
        yield sys.stdout
        sys.stdout.flush()
        return
    with replacing(Path(target)) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


class CsvWriter(_Open):
    """One row per target. Floats have six significant digits, times in a video microseconds.

    A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and whoever names a photo could
    write one: such a source gets `./` before it, which still names the same file.
    """

    def __init__(self, target: str | Path, classes: Iterable[str] = ()) -> None:
        super().__init__()
        self._columns = columns(classes)
        self._csv = csv_lines(self._stack.enter_context(_text_file(target)))
        self._csv.writerow(self._columns)

    def write(self, result: PhotoResult) -> None:
        """Append the rows of one picture. Raises `LabelError` for a class that has no column."""
        self._csv.writerows(csv_cells(rows(result), self._columns))


def csv_lines(file: TextIO) -> Any:
    """What writes lists of cells as lines of CSV."""
    return csv.writer(file, lineterminator="\n")


def csv_cells(found: list[Row], names: tuple[str, ...]) -> Iterator[list[Any]]:
    """The cells of rows as a CSV file holds them. Raises `LabelError` for a class that has no column."""
    for row in fitting(found, names):
        row["source"] = _no_formula(row["source"])
        cells = (short(name, row.get(name)) for name in names)
        yield [f"{v:.15g}" if isinstance(v, float) else v for v in cells]


def short(name: str, value: Any) -> Any:
    """A cell without the tail of its float: six digits, which is what float32 holds, but microseconds for times."""
    if not isinstance(value, float):
        return value
    return round(value, 6) if name == "time_s" else float(f"{value:.6g}")


class JsonLinesWriter(_Open):
    """One nested record per line."""

    def __init__(self, target: str | Path, classes: Iterable[str] = ()) -> None:
        super().__init__()
        self._file = self._stack.enter_context(_text_file(target))

    def write(self, result: PhotoResult) -> None:
        """Append one picture."""
        self._file.write(json.dumps(nested(result), ensure_ascii=False, allow_nan=False) + "\n")


class JsonWriter(_Open):
    """A JSON list of nested records, one per line."""

    def __init__(self, target: str | Path, classes: Iterable[str] = ()) -> None:
        super().__init__()
        self._file = self._stack.enter_context(_text_file(target))
        self._before = "[\n"

    def write(self, result: PhotoResult) -> None:
        """Append one picture."""
        self._file.write(self._before + json.dumps(nested(result), ensure_ascii=False, allow_nan=False))
        self._before = ",\n"

    def _finish(self) -> None:
        self._file.write("[]\n" if self._before == "[\n" else "\n]\n")


class ParquetWriter(_Open):
    """One row per target, typed alike in every file, the classes in the metadata; needs the extra `tables`."""

    def __init__(self, target: str | Path, classes: Iterable[str] = ()) -> None:
        super().__init__()
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise MissingExtra("a Parquet file", "tables") from None
        if str(target) == "-":
            raise OptionError("a Parquet file cannot go to '-'; name a file, or use --csv - or --json -")
        self._arrow, self._columns, self._rows = pyarrow, columns(classes), list[Row]()
        self._schema = self._typed()
        draft = self._stack.enter_context(replacing(Path(target)))
        file = self._stack.enter_context(draft.open("wb"))  # by itself pyarrow opens no name that is not UTF-8
        self._file = self._stack.enter_context(parquet.ParquetWriter(file, self._schema, compression="zstd"))

    def write(self, result: PhotoResult) -> None:
        """Append the rows of one picture. Raises `LabelError` for a class that has no column."""
        self.write_rows(rows(result))

    def write_rows(self, found: list[Row]) -> None:
        """Append rows that are made already."""
        self._rows += fitting(found, self._columns)
        if len(self._rows) >= _ROW_GROUP:
            self._finish()

    def _finish(self) -> None:
        if self._rows:
            filled = [column([row.get(field.name) for row in self._rows], field.type) for field in self._schema]
            self._file.write_table(self._arrow.Table.from_arrays(filled, schema=self._schema))
        self._rows = []

    def _typed(self) -> Any:
        kinds = {"time_s": self._arrow.float64()}  # float32 is 8 ms coarse after a day
        kinds |= dict.fromkeys(_INTEGERS, self._arrow.int32()) | dict.fromkeys(_STRINGS, self._arrow.string())
        classes = [c[2:] for c in self._columns if c.startswith("p_")]
        labels = json.dumps({"schema_version": SCHEMA_VERSION, "classes": classes})
        fields = [(c, kinds.get(c, self._arrow.float32())) for c in self._columns]
        return self._arrow.schema(fields, metadata={"emolens": labels})


def fitting(found: list[Row], names: tuple[str, ...]) -> list[Row]:
    """The same rows. Raises `LabelError` for a class that has no column."""
    extra = sorted({k for row in found for k in row if k not in names})
    if extra:
        raise LabelError(f"no column for {', '.join(extra)}: open the writer with these classes, or write JSON")
    return found


def _no_formula(source: str) -> str:
    return f"./{source}" if source.startswith(("=", "+", "-", "@", "\t", "\r")) else source


WRITERS: dict[str, Callable[..., Any]] = {
    "csv": CsvWriter,
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}


def open_writer(target: str | Path, kind: str = "", classes: Iterable[str] = ()) -> Writer:
    """A writer for `target`, a path or `-`; `kind` is csv, json, jsonl or parquet, by default what the suffix says.

    `classes` are those of a model whose labels are not in `tables.CLASSES`. Raises `UnknownName` for another kind,
    `OutputError` where the file cannot be written, `MissingExtra` for Parquet without pyarrow.
    """
    kind = kind or Path(target).suffix.lstrip(".").lower()
    if kind not in WRITERS:
        raise UnknownName("table format", kind or str(target), WRITERS)
    writer: Writer = WRITERS[kind](target, classes)
    return writer
