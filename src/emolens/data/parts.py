"""The Parquet files of a data set that is being prepared: rows in, parts of fixed cut out, each whole or not there."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from emolens.data.base import SPLITS, Record, Split
from emolens.data.columns import DICTIONARIES, PACKED, arrow
from emolens.data.manifest import Part
from emolens.errors import DataError
from emolens.files import replacing
from emolens.places import sha256

GROUP_ROWS, GROUP_BYTES = 512, 32 * 2**20
"""A row group ends with the row that reaches either: so memory is bounded, whatever the pictures are."""
PART_ROWS, PART_BYTES = 4096, 256 * 2**20
"""A part ends with the row group that reaches either."""


class Parts:
    """All splits' parts below a folder; those that are there already are kept. A context manager."""

    def __init__(self, folder: Path, schema: Any) -> None:
        self._splits = {split: _Split(folder, split, schema) for split in SPLITS}

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *error: Any) -> None:
        for split in self._splits.values():
            split.stop(*error)

    def holds(self, record: Record) -> bool:
        """Whether a part from before holds this record."""
        return record.id in self._splits[record.split].ids

    def add(self, split: Split, row: dict[str, Any]) -> None:
        """Append a row to its split."""
        self._splits[split].add(row)

    def finish(self) -> dict[str, tuple[Part, ...]]:
        """Write what is left and say what is there, without splits that have no row."""
        return {name: parts for name, split in self._splits.items() if (parts := split.finish())}


class _Split:
    def __init__(self, folder: Path, name: str, schema: Any) -> None:
        self._root, self._folder, self._schema, self._arrow = folder, folder / name, schema, arrow()
        self._rows: list[dict[str, Any]] = []
        self._group_bytes = self._part_rows = self._part_bytes = 0
        self._open = ExitStack()
        self._writer: Any = None
        for left in self._folder.glob(".part-*"):  # drafts of a preparation that was killed
            left.unlink()
        self._files = sorted(self._folder.glob("part-*.parquet"))
        self.ids = {name for path in self._files for name in self._ids(path)}

    def _ids(self, path: Path) -> list[str]:
        try:
            ids: list[str] = self._arrow.parquet.read_table(path, columns=["id"])["id"].to_pylist()
        except (self._arrow.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a readable part ({error}); remove the folder and prepare again") from None
        return ids

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self._group_bytes += len(row["picture"]["bytes"]) + (len(row["map"]["bytes"]) if row["map"] else 0)
        if len(self._rows) >= GROUP_ROWS or self._group_bytes >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> tuple[Part, ...]:
        if self._rows:
            self._write_group()
        if self._writer:
            self._close_part()
        return tuple(
            Part(
                path.relative_to(self._root).as_posix(),
                self._arrow.parquet.read_metadata(path).num_rows,
                sha256(path),
            )
            for path in self._files
        )

    def stop(self, *error: Any) -> None:
        """Leave an unfinished part without a trace where there was an error; else nothing stands open."""
        self._open.__exit__(*error)

    def _write_group(self) -> None:
        if self._writer is None:
            self._open_part()
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._part_rows += len(self._rows)
        self._part_bytes += self._group_bytes
        self._rows, self._group_bytes = [], 0
        if self._part_rows >= PART_ROWS or self._part_bytes >= PART_BYTES:
            self._close_part()

    def _open_part(self) -> None:
        path = self._folder / f"part-{len(self._files):05d}.parquet"
        draft = self._open.enter_context(replacing(path))
        self._writer = self._open.enter_context(
            self._arrow.parquet.ParquetWriter(
                draft,
                self._schema,
                version="2.6",
                data_page_version="1.0",
                compression=dict.fromkeys(PACKED, "ZSTD"),
                compression_level=dict.fromkeys(PACKED, 3),
                use_dictionary=list(DICTIONARIES),
                write_statistics=["id", *DICTIONARIES],
                store_schema=True,
                use_compliant_nested_type=True,
            )
        )
        self._files.append(path)

    def _close_part(self) -> None:
        self._open.close()
        self._writer, self._part_rows, self._part_bytes = None, 0, 0
