"""The rows of text tables, each with its place in its file, so that an error can name it."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emolens.data.problems import Fault, Kind
from emolens.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its file and line, its fields by column, and fields for which there is no column.

    A row that is too short lacks the last ones.
    """

    where: str
    fields: Mapping[str, str | None]
    surplus: tuple[str, ...] = ()

    def text(self, column: str) -> str:
        """The text of a field, without blanks around it. Raises `Fault` where it is empty or absent.

        Also where the row has more fields than there are columns: a comma in a name shifts all that follow.
        """
        if self.surplus:
            what = f"{list(self.surplus)} behind the last column; put names with commas in quotes"
            raise Fault("row", self.where, what)
        value = self.maybe(column)
        if value is None:
            raise Fault("row", self.where, f"{column!r} is empty; give a value")
        return value

    def maybe(self, column: str) -> str | None:
        """The text of a field, or None where it is empty or absent."""
        value = self.fields.get(column)
        return (value.strip() or None) if isinstance(value, str) else None

    def number(
        self, column: str, low: float = float("-inf"), high: float = float("inf"), kind: Kind = "value"
    ) -> float:
        """A field as a number from `low` to `high`. Raises `Fault`."""
        return number(self.text(column), column, self.where, low, high, kind)

    def maybe_number(self, column: str, low: float = float("-inf"), high: float = float("inf")) -> float | None:
        """As `number`, or None where the field is empty or absent."""
        return None if self.maybe(column) is None else self.number(column, low, high)

    def code(self, column: str, names: Sequence[str], first: int = 0) -> str:
        """A field that holds the number of a class, counted from `first`, as the class's name. Raises `Fault`."""
        return coded(self.text(column), names, self.where, first)


def number(
    text: str,
    what: str,
    where: str,
    low: float = float("-inf"),
    high: float = float("inf"),
    kind: Kind = "value",
) -> float:
    """A text as a finite number from `low` to `high`. Raises `Fault`."""
    try:
        value = float(text)
    except ValueError:
        raise Fault(kind, where, f"{what} is {text!r}, needs a number") from None
    if not math.isfinite(value):
        raise Fault(kind, where, f"{what} is {text!r}, needs a finite number")
    if not low <= value <= high:
        raise Fault(kind, where, f"{what} is {value:g}, allowed: numbers from {low:g} to {high:g}")
    return value


def coded(text: str, names: Sequence[str], where: str, first: int = 0) -> str:
    """The class whose number is in a text. Raises `Fault` of kind `label` for another number or none."""
    try:
        index = int(text) - first
    except ValueError:
        index = -1
    if not 0 <= index < len(names):
        raise Fault(
            "label", where, f"label {text!r}; allowed: {first} to {first + len(names) - 1} for {', '.join(names)}"
        )
    return names[index]


def csv_rows(path: Path, needed: Iterable[str], delimiter: str = ",") -> Iterator[Row]:
    """The rows of a CSV file with a header, whose column names may have blanks around them.

    Raises `DataError` for a file that cannot be read, that lacks a needed column or has one twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            # Strict: else a quote that is never closed takes all later rows into its field.
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in columns]
            if missing:
                raise DataError(f"{path}: columns {missing} are missing; found {columns}")
            if twice := [name for name, n in Counter(columns).items() if n > 1 and name]:
                raise DataError(f"{path}: columns {twice} are there more than once; keep one of each")
            for fields in reader:
                if fields:
                    surplus = tuple(filter(str.strip, fields[len(columns) :]))
                    yield Row(f"{path}:{reader.line_num}", dict(zip(columns, fields, strict=False)), surplus)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error}); save it as CSV in UTF-8") from None


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a text file that are not blank, each with its place. Raises `DataError`."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for at, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{at}", line.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable text file ({error}); save it as text in UTF-8") from None
