"""Prepared faces written part by part; a preparation that was stopped goes on after its last part.

A folder holds `faces.json` (written last: a folder with it is whole), Parquet parts (`face_columns`) and, where global
features were asked for, the projection that made them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from emolens.columnar import column
from emolens.data.columns import arrow
from emolens.data.face_columns import PictureFaces, faces_table
from emolens.errors import DataError, OutputError
from emolens.files import replacing
from emolens.places import sha256
from emolens.records import READ

FORMAT = 1
MANIFEST, UNFINISHED = "faces.json", "unfinished_faces.json"
PART_ROWS, PART_BYTES = 128, 64 * 2**20
"""A part ends with the picture that reaches either: so much is lost at most when a run is killed, or held in memory."""


class FacesWriter:
    """Writes pictures into a prepared folder, or goes on with one of the same settings. A context manager.

    `about` are the settings in JSON's terms: what was begun with others is refused. `done` has the ids that are there
    already, but for pictures that could not be read: these may be added again, and what could be read then takes the
    place of the old row. Without an error the folder is whole when the context ends; after one its whole parts stay.

    Raises `OutputError` where the folder holds something else, `DataError` for a damaged part, `MissingExtra`.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._pa = arrow()
        self.folder, self.about, self.counts = folder, dict(about), Counter[str]()
        self._rows: list[PictureFaces] = []
        self._bytes = 0
        self._claim()
        self._take_stock()

    def __enter__(self) -> FacesWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()

    def add(self, picture: PictureFaces) -> None:
        """One picture. Raises `OutputError` where the disk is full."""
        if self._unread.get(picture.id) == (picture.status, picture.message):
            return  # it says so already
        self._rows.append(picture)
        arrays = (picture.aligned, picture.canvas, picture.grid, picture.features, *picture.crops)
        self._bytes += sum(array.nbytes for array in arrays)
        if len(self._rows) >= PART_ROWS or self._bytes >= PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held as a part: after it a kill loses nothing."""
        if not self._rows:
            return
        self._drop(self._unread.keys() & {row.id for row in self._rows})
        path = self.folder / f"part-{len(self._parts):05d}.parquet"
        self._write(faces_table(self._rows), path)
        self._parts.append(self._known(path))
        self._rows, self._bytes = [], 0

    def finish(self) -> dict[str, Any]:
        """Write the last part and the manifest, which makes the folder whole; gives the manifest."""
        self.flush()
        manifest = {"format": FORMAT, "about": self.about, "counts": dict(sorted(self.counts.items())),
                    "parts": self._parts}  # fmt: skip
        _write_json(self.folder / MANIFEST, manifest)
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        return manifest

    def _take_stock(self) -> None:
        """What the parts on disk hold."""
        self.counts.clear()
        self.done, self._unread = set[str](), dict[str, tuple[str, str]]()
        self._parts = [self._known(path) for path in sorted(self.folder.glob("part-*.parquet"))]

    def _drop(self, names: set[str]) -> None:
        """Take rows of pictures that could not be read out of their parts: they can now. Killed here, a run goes on."""
        if not names:
            return
        if (self.folder / MANIFEST).is_file():  # which names the bytes of parts that are about to change
            (self.folder / MANIFEST).replace(self.folder / UNFINISHED)
        for path in [self.folder / part["file"] for part in self._parts]:
            ids = self._pa.parquet.read_table(path, columns=["id"])["id"].to_pylist()
            if not names.isdisjoint(ids):
                kept = column([at for at, name in enumerate(ids) if name not in names], self._pa.int64())
                self._write(self._pa.parquet.read_table(path).take(kept), path)
        self._take_stock()

    def _write(self, table: Any, path: Path) -> None:
        with replacing(path) as draft:
            self._pa.parquet.write_table(table, draft, compression="zstd", compression_level=1, use_dictionary=False)

    def _claim(self) -> None:
        """Note the settings. Raises `OutputError` where the folder is something else, or was begun with others."""
        for name in (MANIFEST, UNFINISHED):
            path = self.folder / name
            if path.is_file():
                self._check_same(path)
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            _write_json(self.folder / UNFINISHED, {"format": FORMAT, "about": self.about})
        elif not any((self.folder / name).is_file() for name in (MANIFEST, UNFINISHED)):
            raise OutputError(f"{self.folder}: {_held(self.folder)}; choose a new or an empty folder")
        for left in self.folder.glob(".part-*"):  # drafts of a run that was killed
            left.unlink()

    def _check_same(self, path: Path) -> None:
        try:
            there = json.loads(path.read_text(encoding="utf-8"))["about"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{path}: not readable ({error}); remove the folder and prepare again") from None
        check_settings(there, self.about, self.folder)

    def _known(self, path: Path) -> dict[str, Any]:
        """A part's entry in the manifest; takes note of the ids and counts that it brings."""
        try:
            table = self._pa.parquet.read_table(path, columns=["id", "split", "status", "message", "scores"])
        except (self._pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a readable part ({error}); remove the folder and prepare again") from None
        for name, split, status, message, scores in zip(*(one.to_pylist() for one in table.columns), strict=True):
            count(self.counts, split, status, len(scores))
            if status in READ:
                self.done.add(name)
            else:
                self._unread[name] = (status, message)
        return {"file": path.name, "rows": table.num_rows, "sha256": sha256(path)}


def check_settings(there: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raises `OutputError` where a folder was begun with other settings than those of now; names them."""
    if differing := sorted(k for k in {*there, *now} if there.get(k) != now.get(k)):
        came = ", ".join(f"{name} {there.get(name)!r} there, {now.get(name)!r} now" for name in differing)
        raise OutputError(f"{folder}: begun with other settings ({came}); choose another folder")


def count(counts: Counter[str], split: str, status: str, faces: int) -> None:
    """Count a picture: `pictures`, `faces` and its status, and the first two of its split, as in `train: faces`."""
    counts.update({"pictures": 1, "faces": faces, status: 1})
    if split:
        counts.update({f"{split}: pictures": 1, f"{split}: faces": faces})


def _held(folder: Path) -> str:
    """What a folder that is no prepared one holds; `legacy.json` is what `preparing.legacy` writes first."""
    old = (folder / "legacy.json").is_file()
    return "holds faces in the old layout" if old else "is there and holds no prepared faces"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as draft:
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
