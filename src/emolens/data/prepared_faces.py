"""The faces of many pictures, found once by `emolens faces`, read back picture by picture in any order."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.columns import arrow
from emolens.data.face_columns import (
    ALIGNED,
    CANVAS,
    FEATURES,
    PLACES,
    PictureFaces,
    cut_crops,
    face_schema,
    from_cells,
    numbers,
    pixels,
)
from emolens.data.face_parts import FORMAT, MANIFEST, PART_ROWS, UNFINISHED
from emolens.errors import DataError
from emolens.files import replacing
from emolens.places import home, sha256
from emolens.records import READ

__all__ = ["PreparedFaces", "face_set", "iterate_prepared", "read_prepared"]

COPIES = ".copies"
"""Below the folder: the rows as they can be read in any order. It may be deleted at any time."""


class PreparedFaces:
    """A prepared folder. Pictures are known by their ids; what has no face gives arrays of length 0, never a fake face.

    `about` says what it was made with; it is empty of anything about the machine. Only what is asked for is in memory.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], table: Any) -> None:
        self.folder, self.about = folder, dict(manifest["about"])
        self._table = table
        self._rows = {name: row for row, name in enumerate(table["id"].to_pylist())}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    @property
    def ids(self) -> tuple[str, ...]:
        """The pictures, in the order in which they were prepared."""
        return tuple(self._rows)

    def boxes(self, name: str) -> np.ndarray:
        """float32 (F, 4): x1, y1, x2, y2 in pixels of the picture, by falling score."""
        return numbers(self._cell("boxes", name), 4)

    def scores(self, name: str) -> np.ndarray:
        """float32 (F,), 0 to 1."""
        return numbers(self._cell("scores", name))

    def landmarks(self, name: str) -> np.ndarray:
        """float32 (F, 5, 2) in pixels of the picture."""
        return numbers(self._cell("landmarks", name), 5, 2)

    def aligned(self, name: str) -> np.ndarray:
        """uint8 (F, 112, 96, 3): RGB, 112 high and 96 wide, five points where SphereFace was trained to see them."""
        return pixels(self._cell("aligned", name), *ALIGNED, 3)

    def canvas(self, name: str) -> np.ndarray:
        """uint8 (F, 96, 112, 3): RGB, 96 high and 112 wide, aligned by the eyes alone, as the hybrid system kept it."""
        return pixels(self._cell("canvas", name), *CANVAS, 3)

    def crops(self, name: str) -> list[np.ndarray]:
        """Each box as it lies in the picture, RGB uint8 (h, w, 3), cut off at the edges."""
        return cut_crops(pixels(self._cell("crops", name)), numbers(self._cell("crop_sizes", name), 2))

    def features(self, name: str) -> np.ndarray:
        """float32 (F, 256): the last hidden layer of O-Net, row for row with the boxes."""
        return numbers(self._cell("features", name), FEATURES)

    def global_features(self, name: str) -> np.ndarray:
        """float32 (256,) of the whole picture. Raises `DataError` where the folder was prepared without."""
        found = numbers(self._cell("global_features", name))
        if not len(found):
            raise DataError(f"{self.folder}: no global features of {name}; prepare it without --no-global-features")
        return found

    def grid(self, name: str) -> np.ndarray:
        """uint8 (G, 96, 112, 3): windows of a picture without a face, where they were asked for; else G = 0."""
        return pixels(self._cell("grid", name), *CANVAS, 3)

    def status(self, name: str) -> str:
        """`ok`, `no_face`, or why the picture could not be read."""
        return str(self._cell("status", name).as_py())

    def split(self, name: str) -> str:
        """`train`, `val` or `test`; empty where the source has none."""
        return str(self._cell("split", name).as_py())

    def label(self, name: str) -> str:
        """The class of the picture by its name; empty where the source has none."""
        return str(self._cell("label", name).as_py())

    def picture(self, name: str) -> PictureFaces:
        """All of one picture."""
        row = self._row(name)
        return from_cells({column: self._table[column][row] for column in self._table.column_names})

    def splits(self) -> dict[str, list[str]]:
        """The ids of each split, in their order; pictures that could not be read are left out."""
        found: dict[str, list[str]] = {}
        for name, split, status in zip(self.ids, *map(self._column, ("split", "status")), strict=True):
            if status in READ:
                found.setdefault(split, []).append(name)
        return found

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many faces each picture has, by id."""
        from pyarrow import compute

        lengths = compute.list_value_length(self._table["scores"]).to_pylist()
        return dict(zip(self.ids, lengths, strict=True))

    def require_faces(self, split: str) -> list[str]:
        """The ids of a split's pictures with a face. Raises `DataError` where there is not one."""
        ids = self.splits().get(split, [])
        found = [name for name in ids if self.counts[name]]
        if not found:
            raise DataError(
                f"{self.folder}: no face in any of the {len(ids)} pictures of {split or 'the set'}; faces cannot be "
                "learnt from there: prepare it with a smaller --min-face or --min-score, or learn from scenes"
            )
        return found

    def _column(self, name: str) -> list[Any]:
        values: list[Any] = self._table[name].to_pylist()
        return values

    def _cell(self, column: str, name: str) -> Any:
        return self._table[column][self._row(name)]

    def _row(self, name: str) -> int:
        try:
            return self._rows[name]
        except KeyError:
            raise DataError(f"{self.folder}: no picture {name!r} in it, such as {next(iter(self._rows), None)!r}; "
                            "prepare the pictures that are asked for") from None  # fmt: skip


def face_set(prepared: PreparedFaces, name: str, limit: int = PLACES) -> tuple[np.ndarray, np.ndarray]:
    """A picture's best faces as a set of fixed size: uint8 (limit, 112, 96, 3), and bool (limit,), where one is real.

    Empty slots are black and must never count: ask the mask, which is all False where nobody was found.
    """
    found = prepared.aligned(name)[:limit]
    faces = np.zeros((limit, *ALIGNED, 3), np.uint8)
    faces[: len(found)] = found
    return faces, np.arange(limit) < len(found)


def read_prepared(folder: Path | str) -> PreparedFaces:
    """What `emolens faces` wrote into a folder.

    Parquet cannot be read in any order from disk, so its rows are copied once to a file that can, beside it or in the
    cache, and mapped from there. Raises `DataError` for a folder that is none, unfinished or damaged, or holds the old
    layout, `MissingExtra` without pyarrow.
    """
    folder = Path(folder)
    pa = arrow()
    manifest = _manifest(folder)
    path = _copy_of(folder, manifest)
    if not path.is_file():
        batches = _batches(folder, manifest)
        with replacing(path) as draft, pa.OSFile(str(draft), "wb") as file, pa.ipc.new_file(file, face_schema()) as out:
            for batch in batches:
                out.write_batch(batch)
    return PreparedFaces(folder, manifest, pa.ipc.open_file(pa.memory_map(str(path))).read_all())


def iterate_prepared(folder: Path | str) -> Iterator[PictureFaces]:
    """The pictures of a prepared folder in their order; one part at a time is in memory, nothing is copied."""
    for batch in _batches(Path(folder), _manifest(Path(folder))):
        for row in range(batch.num_rows):
            yield from_cells({column: batch[column][row] for column in batch.schema.names})


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise DataError(f"{path}: format {found['format']}, this emolens reads {FORMAT}; prepare the faces again")
        _ = found["about"], [(part["file"], part["rows"], part["sha256"]) for part in found["parts"]]
        return found
    except FileNotFoundError:
        raise DataError(_why_not(folder)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a readable manifest ({error}); prepare the faces again") from None


def _why_not(folder: Path) -> str:
    if (folder / UNFINISHED).is_file():
        return f"{folder}: its faces are not all there yet; run the same 'emolens faces' again, it goes on"
    if any((folder / name).is_dir() for name in ("FaceCoordinates", "CroppedFaces", "FaceFeatures")):
        return f"{folder}: faces in the old layout; run 'emolens data convert-legacy {folder} --out DIR', read DIR"
    return f"{folder}: no prepared faces, no {MANIFEST} there; run 'emolens faces SOURCE --out {folder}'"


def _batches(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Any]:
    pa = arrow()
    for part in manifest["parts"]:
        path = folder / Path(part["file"]).name
        try:
            if sha256(path) != part["sha256"]:
                raise DataError(f"{path}: not the bytes that {MANIFEST} names; remove {folder} and prepare it again")
            yield from pa.parquet.ParquetFile(path).iter_batches(PART_ROWS, columns=face_schema().names)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a readable part ({error}); remove {folder} and prepare it again") from None


def _copy_of(folder: Path, manifest: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:12]
    place = folder / COPIES if os.access(folder, os.W_OK) else home() / "faces" / "copies"
    return place / digest / "faces.arrow"
