"""What OpenPose left behind: keypoints as JSON, and skeletons that it has drawn.

JSON: Cao et al., "OpenPose", output format 1.0 to 1.3: `people`, each with `pose_keypoints_2d` (in 1.0
`pose_keypoints`): x, y, score for each of 25 points (BODY_25) or 18 (COCO); a point that was not found is 0, 0, 0.
Files are named `<picture>_keypoints.json`. Drawn pictures were kept under two names, `<picture>.png` and
`<picture>_rendered.png`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from emolens.errors import DataError
from emolens.files import replacing

SUFFIX = "_keypoints.json"
DRAWN = ("{}_rendered.png", "{}.png")
"""The names of a drawn skeleton, by the picture's name without its suffix. The first cannot be the picture itself."""
KEYS = ("pose_keypoints_2d", "pose_keypoints")
POINTS = (25, 18)
VERSION = 1.3
MOST_BYTES = 1 << 26


def read_keypoints(path: Path) -> np.ndarray:
    """The people in a file of OpenPose: float32 (P, 25, 3) or (P, 18, 3), x, y in pixels and score; P may be 0.

    Raises `DataError` for what is no such file, for people with different numbers of points, and for coordinates that
    were scaled to the picture (`--keypoint_scale` 3 and 4), whose size is not in the file.
    """
    people = [_person(one, f"{path}, person {at}") for at, one in enumerate(_people(path))]
    counts = {len(person) for person in people}
    if len(counts) > 1:
        raise DataError(f"{path}: people with {' and '.join(map(str, sorted(counts)))} points; one file has one kind")
    if not people:
        return np.zeros((0, POINTS[0], 3), np.float32)
    found = np.stack(people)
    seen = found[found[..., 2] > 0]
    if len(seen) and np.abs(seen[:, :2]).max() <= 1:
        raise DataError(f"{path}: coordinates from -1 to 1; run OpenPose with --keypoint_scale 0, for pixels")
    return found


def write_keypoints(people: np.ndarray, path: Path) -> None:
    """People (P, 25, 3) or (P, 18, 3) as OpenPose writes them. Raises `OutputError`."""
    rows = [
        {"person_id": [-1], "pose_keypoints_2d": [round(float(value), 3) for value in person.ravel()]}
        for person in people
    ]
    with replacing(path) as draft:
        draft.write_text(json.dumps({"version": VERSION, "people": rows}) + "\n", encoding="utf-8")


def keypoint_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of keypoints in and below a folder, each with its picture's name below it, without a suffix."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        below = path.relative_to(folder)
        yield below.with_name(below.name.removesuffix(SUFFIX)).as_posix(), path


def drawn_skeleton(folder: Path, name: str) -> Path:
    """Where the drawn skeleton of a picture lies, by the picture's id (`train/Negative/neg_1.jpg`).

    Raises `DataError` where there is none under either name, or the name leads out of the folder.
    """
    stem = PurePosixPath(name).with_suffix("")
    if stem.is_absolute() or ".." in stem.parts:
        raise DataError(f"{name!r} leaves {folder}; give an id below it")
    for pattern in DRAWN:
        path = folder / stem.with_name(pattern.format(stem.name))
        if path.is_file():
            return path
    wanted = " nor ".join(pattern.format(stem.name) for pattern in DRAWN)
    raise DataError(
        f"{folder / stem.parent}: neither {wanted} is there; 'emolens skeletons PICTURES --out {folder}' draws them"
    )


def _people(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: {path.stat().st_size} bytes, at most {MOST_BYTES} are read as keypoints")
        content = json.loads(path.read_text(encoding="utf-8"))
        people: list[Any] = content["people"]
        if not isinstance(people, list):
            raise TypeError(f"people is {type(people).__name__}, not a list")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; OpenPose writes one a picture with --write_json") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: no keypoints of OpenPose ({type(error).__name__}: {error}); leave it out, "
            "or run OpenPose on its picture again"
        ) from None
    return people


def _person(person: Any, where: str) -> np.ndarray:
    key = next((key for key in KEYS if isinstance(person, dict) and key in person), None)
    try:
        flat = np.array(person[key], np.float32)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{where}: no numbers in {KEYS[0]}") from None
    if not np.isfinite(flat).all():
        raise DataError(f"{where}: numbers in {key} that are not finite; run OpenPose on its picture again")
    if flat.ndim != 1 or len(flat) not in [3 * count for count in POINTS]:
        raise DataError(f"{where}: {flat.size} numbers; BODY_25 has 75 and COCO has 54: x, y, score a point")
    return flat.reshape(-1, 3)
