"""Skeletons of many pictures into a folder: `<id>_rendered.png` to learn from, `<id>_keypoints.json` beside it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from emolens.data.openpose import SUFFIX, keypoint_files, read_keypoints, write_keypoints
from emolens.drawing.skeleton import THRESHOLD, draw_skeletons
from emolens.errors import DataError, OutputError
from emolens.files import replacing
from emolens.pictures.images import open_image
from emolens.pictures.limits import LIMITS
from emolens.pictures.sources import SUFFIXES


def keypoints_below(sources: Sequence[str]) -> list[tuple[str, Path]]:
    """The files of OpenPose keypoints that sources stand for, each with its picture's name; none for pictures."""
    if len(sources) == 1 and Path(sources[0]).is_dir():
        return list(keypoint_files(Path(sources[0])))
    files = [Path(source) for source in sources if source.endswith(SUFFIX)]
    if files and len(files) < len(sources):
        raise DataError(f"{files[0]} holds keypoints and other sources are pictures; draw them apart")
    return [(path.name.removesuffix(SUFFIX), path) for path in files]


def given_keypoints(
    path: Path, name: str, pictures: Path | None, size: tuple[int, int] | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """The people of a file of keypoints, and the (width, height) of their picture.

    OpenPose does not write sizes: it is that of the picture of this name below `pictures`, else `size`, else as far as
    the points reach. Raises `DataError` where that is unknown, since nobody was found.
    """
    people = read_keypoints(path)
    if pictures is not None:
        return people, _size_of(pictures, name)
    return people, size or _reach(people, path)


def without_picture(names: Iterable[str], pictures: Path) -> list[str]:
    """Those of some names that have no picture, with any suffix, below a folder."""
    return [name for name in names if _picture(pictures, name) is None]


def is_done(out: Path, name: str) -> bool:
    """Whether the skeletons of a picture are there."""
    return _path(out, name, "_rendered.png").is_file()


def draw_one(out: Path, name: str, people: np.ndarray, size: tuple[int, int]) -> int:
    """Draw the people of one picture and keep their points; gives how many they are. Raises `OutputError`."""
    held = io.BytesIO()
    Image.fromarray(draw_skeletons(people, size)).save(held, "PNG")
    write_keypoints(people, _path(out, name, SUFFIX))
    with replacing(_path(out, name, "_rendered.png")) as draft:
        draft.write_bytes(held.getvalue())
    return len(people)


def _path(out: Path, name: str, ending: str) -> Path:
    below = PurePosixPath(name)
    if below.is_absolute() or ".." in below.parts or "://" in name:
        raise OutputError(f"{name}: no path below a folder; give pictures in a folder")
    stem = below.stem if below.suffix.lower() in SUFFIXES else below.name
    return out / below.with_name(stem + ending)


def _reach(people: np.ndarray, path: Path) -> tuple[int, int]:
    """The (width, height) that the points of people need."""
    seen = people[people[..., 2] > THRESHOLD][:, :2]
    if not len(seen) or (seen.max(axis=0) < 0).any():
        raise DataError(f"{path}: nobody in it, its picture has no known size; give --pictures DIR or --size WxH")
    width, height = (math.ceil(float(most)) + 1 for most in seen.max(axis=0))
    if width * height > LIMITS.max_pixels:
        raise DataError(f"{path}: points as far as {width} x {height}, at most {LIMITS.max_pixels:,} pixels are drawn; "
                        "give --pictures DIR or --size WxH")  # fmt: skip
    return width, height


def _size_of(pictures: Path, name: str) -> tuple[int, int]:
    path = _picture(pictures, name)
    if path is None:
        raise DataError(f"{pictures / name}: no such picture with any suffix; its size is needed to draw on")
    height, width = open_image(path).shape[:2]
    return width, height


def _picture(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{suffix}" for suffix in sorted(SUFFIXES))
    return next((path for path in paths if path.is_file()), None)
