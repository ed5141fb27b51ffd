"""Faces in the old folder-of-npz layout (`emolens.preparing.legacy`) read back, whoever wrote them.

The features in files of the old systems belong to other boxes (they were taken before the last threshold): their number
is right and nothing in them tells which row is whose.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from emolens.data.face_columns import FEATURES, PictureFaces
from emolens.data.table import SPLIT_NAMES
from emolens.errors import DataError
from emolens.faces.group_frames import eye_frames, sphereface_frames
from emolens.pictures.images import open_image
from emolens.pictures.sources import SUFFIXES
from emolens.preparing.faces import cut_out, row_of
from emolens.preparing.legacy import (
    ALIGNED,
    COORDINATES,
    CROPS,
    DENSE,
    JOURNAL,
    SENTINEL,
    WHOLE,
    journal,
    settings_of,
    stem_of,
)
from emolens.preparing.object_arrays import read_npz
from emolens.preparing.wanted import Wanted
from emolens.records import READ, Face
from emolens.taxonomy import canonical


def legacy_ids(folder: Path) -> list[str]:
    """The ids of the pictures of an old folder: from `pictures.csv`, else `<split>/<Class>/<name>.jpg` by its files.

    Raises `DataError` where there is none.
    """
    if (folder / JOURNAL).is_file():
        return [row["id"] for row in journal(folder / JOURNAL) if row["status"] in READ]
    home = folder / COORDINATES
    found = sorted(path.relative_to(home).with_suffix(".jpg").as_posix() for path in home.rglob("*.npz"))
    if not found:
        raise DataError(f"{folder}: no {COORDINATES} with .npz files in it; give the folder that holds {COORDINATES}")
    return found


def about_of(folder: Path, pictures: bool) -> dict[str, Any]:
    """What prepared faces say of having been converted; with the settings, where emolens wrote the old layout."""
    return {**settings_of(folder), "converted_from": "npz layout", "cut_from_pictures": pictures}


def read_one(folder: Path, name: str, pictures: Path | None = None) -> PictureFaces:
    """One picture of an old folder by its id; its faces are cut anew out of `pictures`, where those are given.

    Without, the crops are as they were kept, and the five-point faces are made of them. Raises `DataError` for files
    that are missing, damaged, do not fit together, or hold anything but arrays.
    """
    stem = stem_of(name)
    boxes, points = _numbers(folder / COORDINATES / f"{stem}.npz", 5, 10)
    wanted = Wanted(name, None, *_split_and_label(name), source=name)
    (features,) = _numbers(folder / DENSE / f"{stem}.npz", FEATURES)
    whole = folder / WHOLE / f"{stem}.npz"
    more: dict[str, Any] = (
        {"global_features": _array(whole, "a").reshape(-1).astype(np.float32)} if whole.is_file() else {}
    )
    faces = [Face(row[:4], float(row[4]), five) for row, five in zip(boxes, _points(points), strict=True)]
    if len(features) != len(faces):
        raise DataError(f"{folder}: {name} has {len(faces)} boxes and {len(features)} rows of features; prepare it")
    if pictures is not None:
        return cut_out(wanted, open_image(_picture(pictures, name)), faces, features, **more)
    return _from_crops(folder, stem, wanted, faces, features, more)


def _from_crops(
    folder: Path, stem: str, wanted: Wanted, faces: list[Face], features: np.ndarray, more: dict[str, Any]
) -> PictureFaces:
    path = folder / CROPS / f"{stem}.npz"
    crops = [_checked_crop(crop, path) for crop in (_list(path, "a") if faces else [])]
    (inside,) = _numbers(path, 10, names="b")
    if not len(crops) == len(inside) == len(faces):
        raise DataError(f"{path}: {len(crops)} crops and {len(inside)} landmarks for {len(faces)} boxes")
    local = [
        Face(np.array([0, 0, crop.shape[1], crop.shape[0]], np.float32), face.score, points)
        for crop, face, points in zip(crops, faces, _points(inside), strict=True)
    ]
    aligned = [sphereface_frames(crop, [face]) for crop, face in zip(crops, local, strict=True)]
    kept = [folder / ALIGNED / f"{stem}_{at}.jpg" for at in range(len(faces))]
    canvas = [
        open_image(file)[None] if file.is_file() else eye_frames(crop, [face])
        for file, crop, face in zip(kept, crops, local, strict=True)
    ]
    arrays: dict[str, Any] = {"aligned": np.concatenate(aligned), "canvas": np.concatenate(canvas)} if faces else {}
    return row_of(wanted, faces, features=features, crops=tuple(crops), **arrays, **more)


def _numbers(path: Path, *widths: int, names: str = "ab") -> list[np.ndarray]:
    """The first arrays of a file, float32 (n, width) each; n = 0 where the file has the sentinel of no face."""
    found = []
    for name, width in zip(names, widths, strict=False):
        array = _array(path, name)
        if array.shape == SENTINEL.shape and not array.any():
            array = np.zeros((0, width))
        if array.ndim != 2 or array.shape[1] != width:
            raise DataError(f"{path}: {name} has shape {array.shape}, the old layout has (n, {width}) or zeros(1)")
        found.append(array.astype(np.float32))
    return found


def _array(path: Path, name: str) -> np.ndarray:
    found = read_npz(path).get(name)
    if not isinstance(found, np.ndarray):
        raise DataError(f"{path}: no array of numbers {name!r} in it; the old layout has one")
    return found


def _list(path: Path, name: str) -> list[Any]:
    found = read_npz(path).get(name)
    if found is None:
        raise DataError(f"{path}: no array {name!r} in it; the old layout has one")
    return list(found)  # of equal sizes NumPy made one array (n, h, w, 3)


def _checked_crop(crop: Any, path: Path) -> np.ndarray:
    if not isinstance(crop, np.ndarray):
        raise DataError(f"{path}: a crop is {type(crop).__name__}, needs RGB uint8 (h, w, 3)")
    if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or 0 in crop.shape:
        raise DataError(f"{path}: a crop is {crop.dtype} {crop.shape}, needs RGB uint8 (h, w, 3)")
    return crop


def _points(flat: np.ndarray) -> np.ndarray:
    """Landmarks (n, 5, 2) of rows (n, 10): five x, then five y."""
    points: np.ndarray = flat.reshape(-1, 2, 5).transpose(0, 2, 1)
    return points


def _picture(pictures: Path, name: str) -> Path:
    exact = pictures / name
    if exact.is_file():
        return exact
    found = (exact.with_suffix(suffix) for suffix in sorted(SUFFIXES))
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        raise DataError(f"{exact}: no such picture; give the folder that holds {PurePosixPath(name).parts[0]}")
    return path


def _split_and_label(name: str) -> tuple[str, str]:
    parts = PurePosixPath(name).parts
    split = SPLIT_NAMES.get(parts[0].lower(), "") if len(parts) > 1 else ""
    return split, canonical(parts[1]) if split and len(parts) > 2 else ""
