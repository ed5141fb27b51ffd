"""The folder-of-npz layout of the hybrid group system (Gong et al. 2025) and its forerunner, written.

    FaceCoordinates/<split>/<Class>/<name>.npz   a (n, 5) x1, y1, x2, y2, score; b (n, 10) five x, then five y
    CroppedFaces/<...>.npz                       a: array of RGB crops; b (n, 10) landmarks in pixels of the crops
    FaceFeatures/<...>.npz                       a (n, 256)
    AlignedCroppedImages/<...>_<i>.jpg           96 high, 112 wide
    GlobalFeatures/<...>.npz                     a (1, 1, 256)

A picture without a face has `zeros(1)` for `a` and `b`, which the old loaders counted as a face and which is none here.
`pictures.csv` and `legacy.json` are ours: which pictures are done, and with what settings.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from emolens.data.face_columns import PictureFaces
from emolens.data.face_parts import MANIFEST, PART_ROWS, UNFINISHED, check_settings, count
from emolens.errors import DataError, OutputError
from emolens.files import replacing
from emolens.preparing.faces import crop_edges
from emolens.records import READ

COORDINATES, CROPS, DENSE, ALIGNED, WHOLE = (
    "FaceCoordinates", "CroppedFaces", "FaceFeatures", "AlignedCroppedImages", "GlobalFeatures",
)  # fmt: skip
JOURNAL, SETTINGS = "pictures.csv", "legacy.json"
COLUMNS = ("id", "split", "label", "source", "status", "message", "width", "height", "faces")
SENTINEL = np.zeros(1)


class LegacyWriter:
    """Writes pictures in the old layout, or goes on where it was stopped. A context manager, as `FacesWriter`, whose
    `done` and `counts` it has.

    Raises `OutputError` where the folder holds something else or was begun with other settings.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder, self._unsaved = folder, 0
        _claim(folder, dict(about))
        self._rows = {row["id"]: row for row in journal(folder / JOURNAL)}
        self.done = {name for name, row in self._rows.items() if row["status"] in READ}
        self._names = {stem_of(name): name for name in self._rows}

    @property
    def counts(self) -> Counter[str]:
        """How many pictures and faces there are; see `face_parts.count`."""
        found = Counter[str]()
        for row in self._rows.values():
            count(found, row["split"], row["status"], int(row["faces"]))
        return found

    def __enter__(self) -> LegacyWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def add(self, picture: PictureFaces) -> None:
        """One picture, all its files. Raises `OutputError` where two pictures differ by their suffix alone."""
        name = stem_of(picture.id)
        if (other := self._names.setdefault(name, picture.id)) != picture.id:
            raise OutputError(f"{picture.id} and {other} would be one file of the old layout; rename one, or leave out "
                              "--layout legacy")  # fmt: skip
        self._write(picture, name)
        row = {column: getattr(picture, column, "") for column in COLUMNS}
        size = {"width": picture.size[0], "height": picture.size[1], "faces": len(picture)}
        self._rows[picture.id] = row | size
        if picture.status in READ:
            self.done.add(picture.id)
        self._unsaved += 1
        if self._unsaved >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Note what is done: after it a kill loses nothing."""
        with replacing(self.folder / JOURNAL) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self._rows.values())
        self._unsaved = 0

    def _write(self, picture: PictureFaces, name: str) -> None:
        coordinates = np.concatenate([picture.boxes, picture.scores[:, None]], axis=1)
        points = _flat(picture.landmarks)
        some = len(picture) > 0
        _save(
            self.folder / COORDINATES / f"{name}.npz",
            a=coordinates if some else SENTINEL,
            b=points if some else SENTINEL,
        )
        crops = np.empty(len(picture), object)
        for at, crop in enumerate(picture.crops):
            crops[at] = crop
        corners = [crop_edges(*picture.size, box)[:2] for box in picture.boxes]
        inside = _flat(picture.landmarks - np.array(corners, np.float32).reshape(-1, 1, 2))
        _save(self.folder / CROPS / f"{name}.npz", a=crops if some else SENTINEL, b=inside if some else SENTINEL)
        _save(self.folder / DENSE / f"{name}.npz", a=picture.features if some else SENTINEL)
        if len(picture.global_features):
            _save(self.folder / WHOLE / f"{name}.npz", a=picture.global_features[None, None])
        for at, face in enumerate(picture.canvas):
            with replacing(self.folder / ALIGNED / f"{name}_{at}.jpg") as draft:
                Image.fromarray(face).save(draft, "JPEG", quality=95, subsampling=0)


def _flat(points: np.ndarray) -> np.ndarray:
    rows: np.ndarray = points.transpose(0, 2, 1).reshape(-1, 10)
    return rows


def stem_of(name: str) -> str:
    """An id without its suffix, as the old files were named. Raises `OutputError` for no path below a folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "://" in name:
        raise OutputError(f"{name}: no path below a folder, which the old layout needs; leave out --layout legacy")
    return path.with_suffix("").as_posix()


def settings_of(folder: Path) -> dict[str, Any]:
    """What a folder of the old layout was begun with; empty where emolens did not write it. Raises `DataError`."""
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"holds {type(found).__name__}, not settings by name")
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not readable ({error}); remove the folder and prepare again") from None
    return found


def _claim(folder: Path, about: dict[str, Any]) -> None:
    path = folder / SETTINGS
    if path.is_file():
        check_settings(settings_of(folder), about, folder)
        return
    if folder.is_dir() and any(folder.iterdir()):
        what = (
            "faces as Parquet"
            if any((folder / name).is_file() for name in (MANIFEST, UNFINISHED))
            else "something else"
        )
        raise OutputError(f"{folder}: holds {what}; choose a new or an empty folder for the old layout")
    with replacing(path) as draft:
        draft.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def journal(path: Path) -> list[dict[str, Any]]:
    """The rows of `pictures.csv`; none where there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and set(rows[0]) != set(COLUMNS):
        raise DataError(f"{path}: columns {list(rows[0])}, needs {list(COLUMNS)}; remove the folder and prepare again")
    return rows


def _save(path: Path, **arrays: Any) -> None:
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)
