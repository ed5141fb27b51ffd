"""Prepared data read back: records one after the other, or one split as a table, mapped from disk or held in RAM."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emolens.data.base import SPLITS, Record
from emolens.data.columns import COLUMNS, arrow, from_row
from emolens.data.manifest import Manifest, part_path, read_manifest
from emolens.errors import DataError, InputError, UnknownName
from emolens.files import replacing
from emolens.pictures.images import open_image
from emolens.places import home
from emolens.taxonomy import Taxonomy

BATCH = 256
COPIES = ".copies"
"""Below a prepared folder: what is derived from it for speed. It may be deleted at any time."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One split. `table` is a `pyarrow.Table` with the columns of `emolens.data.columns`, mapped or in RAM."""

    folder: Path
    manifest: Manifest
    split: str
    table: Any

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes, in the order of `targets`."""
        return self.manifest.taxonomy

    def record(self, at: int) -> Record:
        """One record by its place. Only its own bytes are read."""
        return from_row(self.table.slice(at, 1).to_pylist()[0], self.taxonomy)

    def column(self, name: str) -> list[Any]:
        """All values of one column."""
        values: list[Any] = self.table[name].to_pylist()
        return values

    def encoded(self, at: int) -> bytes:
        """The encoded picture of one row."""
        return bytes(self.table["picture"][at]["bytes"].as_buffer())

    def targets(self) -> np.ndarray:
        """float32 (N, K): distributions, else all on the label. Raises `DataError` for a row with neither."""
        rows = [*zip(self.column("distribution"), self.column("label"), strict=True)]
        targets = np.zeros((len(rows), len(self.taxonomy)), np.float32)
        for at, (distribution, label) in enumerate(rows):
            if distribution is not None:
                targets[at] = distribution
            elif label is not None:
                targets[at, self.taxonomy.index(label)] = 1
            else:
                raise DataError(f"{self.folder}, {self.split}, row {at}: neither a distribution nor a label to learn")
        return targets

    def pixels(self, grey: bool = False, size: int | None = None) -> np.ndarray:
        """All pictures, decoded once and mapped ever after: uint8 (N, H, W, 3) RGB, or (N, H, W) with `grey`.

        With `size` each is squeezed to `size` pixels square, averaging where it shrinks. Raises `DataError` where they
        are not all of one size and none is asked for.
        """
        sizes = sorted(set(zip(self.column("width"), self.column("height"), strict=True)))
        if size is None and len(sizes) != 1:
            raise DataError(
                f"{self.folder}, {self.split}: {len(sizes)} sizes of pictures; needs all alike, or a size to squeeze to"
            )
        width, height = (size, size) if size is not None else sizes[0]
        kind = f"{'grey' if grey else 'rgb'}{'' if sizes == [(width, height)] else f'-{width}'}"
        path = _copies(self.folder, self.manifest) / f"{self.split}-{kind}.npy"
        if not path.is_file():
            self._decode(path, (len(self), height, width) if grey else (len(self), height, width, 3))
        pixels: np.ndarray = np.load(path, mmap_mode="c")  # "r" would be refused by torch
        return pixels

    def _decode(self, path: Path, shape: tuple[int, ...]) -> None:
        with replacing(path) as draft:
            # open_memmap would take a name without .npy too, and pages go to disk as they fill: no picture stays in RAM
            pixels = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
            at = 0
            stated = zip(self.column("height"), self.column("width"), strict=True)
            for chunk in self.table["picture"].iterchunks():
                for data, size in zip(chunk.field("bytes"), stated, strict=False):
                    pixels[at] = _squeezed(self._opened(at, data, size, grey=len(shape) == 3), shape[1:])
                    at += 1
            pixels.flush()
            del pixels

    def _opened(self, at: int, data: Any, size: tuple[int, int], grey: bool) -> np.ndarray:
        where = f"{self.folder}, {self.split}, row {at}"
        try:
            picture = decoded(data.as_buffer(), grey)
        except (InputError, OSError, ValueError, SyntaxError, AttributeError, Image.DecompressionBombError) as error:
            raise DataError(f"{where}: no readable picture ({error}); prepare the set again") from None
        if picture.shape[:2] != size:
            raise DataError(f"{where}: a picture of shape {picture.shape}, its columns say {size}; prepare again")
        return picture


def _squeezed(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if picture.shape == shape:
        return picture
    small = Image.fromarray(picture).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)  # averages when shrinking
    return np.asarray(small)


def decoded(data: Any, grey: bool = False) -> np.ndarray:
    """Encoded bytes that `prepare` has tried, as uint8 (H, W, 3) RGB, or (H, W) with `grey`."""
    if grey:
        picture = Image.open(io.BytesIO(data))
        if picture.mode == "L" and not picture.getexif():  # as it is wanted and upright: half the time
            return np.asarray(picture)
    rgb = open_image(memoryview(data))
    return np.asarray(Image.fromarray(rgb).convert("L")) if grey else rgb


def open_prepared(folder: Path, split: str, *, ram: bool = False) -> Prepared:
    """One split of a prepared folder.

    Parquet cannot be read in any order from disk, so by default its rows are copied once to a file that can, as large
    as the split, beside it or in the cache; that is mapped, and only what is used is in memory. `ram` reads the
    Parquet files whole instead and leaves no copy. Raises `DataError` for a folder that is not prepared or is broken,
    `UnknownName` for a split it has not, `MissingExtra` without pyarrow.
    """
    manifest = read_manifest(folder)
    if split not in manifest.splits:
        raise UnknownName(f"split of {folder}", split, manifest.splits)
    if ram:
        return Prepared(folder, manifest, split, _read(folder, manifest, split))
    path = _copies(folder, manifest) / f"{split}.arrow"
    if not path.is_file():
        _copy_rows(folder, manifest, split, path)
    pa = arrow()
    return Prepared(folder, manifest, split, pa.ipc.open_file(pa.memory_map(str(path))).read_all())


def read_prepared(folder: Path, split: str | None = None) -> Iterator[Record]:
    """The records of a prepared folder in their order, of one split or of all. A few rows at a time are in memory."""
    manifest = read_manifest(folder)
    if split is not None and split not in manifest.splits:
        raise UnknownName(f"split of {folder}", split, manifest.splits)
    taxonomy = manifest.taxonomy
    for name in SPLITS if split is None else (split,):
        for batch in _batches(folder, manifest, name):
            yield from (from_row(row, taxonomy) for row in batch.to_pylist())


def _read(folder: Path, manifest: Manifest, split: str) -> Any:
    return arrow().Table.from_batches(_batches(folder, manifest, split))


def _batches(folder: Path, manifest: Manifest, split: str) -> Iterator[Any]:
    pa = arrow()
    for part in manifest.splits.get(split, ()):
        path = part_path(folder, part)
        try:
            file = pa.parquet.ParquetFile(path, memory_map=True)
            if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
                raise DataError(f"{path}: columns {missing} are missing; prepare the set again")
            if file.metadata.num_rows != part.rows:
                raise DataError(f"{path}: {file.metadata.num_rows} rows, the manifest says {part.rows}; prepare again")
            yield from file.iter_batches(BATCH)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a readable part ({error}); prepare the set again") from None


def _copy_rows(folder: Path, manifest: Manifest, split: str, path: Path) -> None:
    pa = arrow()
    batches = _batches(folder, manifest, split)
    first = next(batches)
    with replacing(path) as draft, pa.OSFile(str(draft), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def _copies(folder: Path, manifest: Manifest) -> Path:
    """Where copies lie: beside the data, or in the cache where that folder is another's."""
    place = folder / COPIES if os.access(folder, os.W_OK) else home() / "data" / "copies"
    return place / manifest.digest
