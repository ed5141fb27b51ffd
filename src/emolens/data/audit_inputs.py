"""What `data audit` is given: a list, a folder of pictures, or a prepared set in Parquet; told apart here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emolens.data.columns import arrow
from emolens.data.entries import COLUMNS, Entry, named, read_folder, read_list, usual_split
from emolens.data.manifest import UNFINISHED, is_prepared, part_path, read_manifest
from emolens.data.problems import Fault, Problems
from emolens.errors import DataError

PICTURES = ("picture", "image", "img")
"""What the column with encoded pictures may be called: bytes, or a struct with `bytes` as Hugging Face writes it."""
BATCH = 128


def read_input(
    source: Path, split: str = "", root: Path | None = None, problems: Problems | None = None
) -> Iterator[Entry]:
    """The entries of one input; an empty `split` means the one that the input itself names for each row.

    A folder with Parquet files in or below it is a prepared set, any other folder holds pictures in class folders; a
    file is a list, see `read_list`, unless it ends in .parquet. Raises `DataError` where it is none of these, where a
    prepared set is not whole, and where there is no row: a split that is empty by mistake shares nothing.
    """
    problems = problems if problems is not None else Problems()
    before, empty = problems.total, True
    for entry in _entries(source, split, root, problems):
        empty = False
        yield entry
    if empty and problems.total == before:
        raise DataError(f"{source}: nothing to audit, it holds no row; give what the split consists of")


def _entries(source: Path, split: str, root: Path | None, problems: Problems) -> Iterator[Entry]:
    tables = _tables(source)
    if tables:
        return (entry for table in tables for entry in read_parquet(table, split, problems))
    if source.is_dir():
        return read_folder(source, split, problems)
    if source.is_file():
        return read_list(source, split, root, problems)
    raise DataError(f"{source}: no such file or folder; give a list (.csv, .txt), a folder or a prepared set")


def _tables(source: Path) -> list[Path]:
    if is_prepared(source):
        splits = read_manifest(source).splits
        return [part_path(source, part) for parts in splits.values() for part in parts]
    if (source / UNFINISHED).is_file():
        raise DataError(f"{source}: its preparation was stopped; run 'emolens data prepare' again to end it")
    if source.is_dir():
        return sorted(path for path in source.rglob("*.parquet") if path.is_file())
    return [source] if source.suffix.lower() == ".parquet" and source.is_file() else []


def read_parquet(path: Path, split: str = "", problems: Problems | None = None) -> Iterator[Entry]:
    """The entries of one Parquet file: `id` or a path column, and where they are there `split`, `label`, `subject`,
    `sequence`, `group`, `boxes` and the pictures.

    An empty `split` means the column `split`, else the file's name. Rows are read in small batches. Raises
    `DataError` where the file cannot be read or names no rows, `MissingExtra` without pyarrow.
    """
    problems = problems if problems is not None else Problems()
    pa = arrow()
    try:
        file = pa.parquet.ParquetFile(path)
        names = _columns(path, file.schema_arrow.names)
        for start, batch in _batches(file, names):
            numbered = list(enumerate(batch, start=start))
            yield from problems.each(numbered, lambda row: _entry(path, row, names, split))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None


def _batches(file: Any, names: Mapping[str, str]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    start = 1
    for batch in file.iter_batches(batch_size=BATCH, columns=sorted(set(names.values()))):
        yield start, batch.to_pylist()
        start += batch.num_rows


def _columns(path: Path, found: list[str]) -> dict[str, str]:
    """Meaning -> name of a column in this file."""
    wanted = {**COLUMNS, "path": ("id", *COLUMNS["path"]), "picture": PICTURES, "boxes": ("boxes",)}
    chosen = {what: next((name for name in names if name in found), "") for what, names in wanted.items()}
    if chosen["path"] in (chosen["picture"], ""):
        raise DataError(f"{path}: no column that names the rows, found {found}; name it id or path")
    return {what: name for what, name in chosen.items() if name}


def _entry(path: Path, row: tuple[int, dict[str, Any]], names: Mapping[str, str], split: str) -> Entry:
    at, fields = row
    where = f"{path}, row {at}"
    given = {what: fields[name] for what, name in names.items()}
    if not given["path"]:
        raise Fault("row", where, f"{names['path']!r} is empty; give a value")
    picture, path_inside = _picture(given.get("picture"), where)
    return named(
        path_inside or str(given["path"]),
        split or usual_split(str(given.get("split") or path.stem)),
        _text(given.get("label")),
        where,
        picture,
        region=str(given.get("boxes") or ""),
        subject=_text(given.get("subject")),
        sequence=_text(given.get("sequence")),
        group=_text(given.get("group")),
    )


def _picture(value: Any, where: str) -> tuple[bytes | None, str]:
    """Encoded bytes from a binary column or a struct, None where the row has none; the path in its archive or ""."""
    path = ""
    if isinstance(value, dict):
        value, path = value.get("bytes"), value.get("path") or ""
    if value is None or isinstance(value, bytes):
        return value, path
    raise Fault("row", where, f"the picture is {type(value).__name__}, needs encoded bytes")


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
