"""Videos turned into pictures to learn from: key frames, a fixed rate or one a scene; a video is in one split."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emolens.errors import DataError, NotFound, OptionError, OutputError, UnknownName
from emolens.files import replacing
from emolens.places import sha256
from emolens.video import VideoFrame, VideoReader, is_video
from emolens.video.cuts import CutWatch
from emolens.video.keyframes import WINDOW, differences, key_places, smoothed

METHODS = ("key", "rate", "scenes")
TABLE = "frames.csv"
COLUMNS = ("path", "split", "label", "sequence", "frame", "time_s", "difference", "video")
SPLITS = ("train", "val", "test")
QUALITY = 95
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which frames are taken: `method` of `METHODS`, `window` in frames for `key`, `fps` a second for `rate`."""

    method: str = "key"
    window: int = WINDOW
    fps: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName("way to choose frames", self.method, METHODS)
        if self.window < 3:
            raise OptionError(f"--window is {self.window}, needs 3 frames or more")
        if not 0 < self.fps < math.inf:
            raise OptionError(f"--fps is {self.fps:g}, needs a number of frames a second above 0")


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The frames chosen of one video.

    `numbers` (k,) are theirs. Of `key`, `times`, `values` and `curve` (n,) have a row for each frame of the video: when
    it is shown, its difference to the one before, and that smoothed; else they are empty.
    """

    numbers: frozenset[int]
    times: np.ndarray
    values: np.ndarray
    curve: np.ndarray


@dataclass(frozen=True, slots=True)
class Video:
    """One video to take frames of: `name` is unique and without a suffix, `split` and `label` may be empty."""

    source: str
    name: str
    split: str = ""
    label: str = ""


def videos(
    sources: Sequence[str], shares: Sequence[float] | None = None, labels: bool = False, seed: int = 0
) -> list[Video]:
    """The videos that `sources` name, files or folders of them, each in a split where `shares` are given.

    A video is in one split with all its frames, and so are copies of it, by their bytes. `labels` takes the name of a
    video's folder as its class. Raises `DataError` where there is none, `OptionError` for shares that are none.
    """
    paths = [path for source in sources for path in _files(source)]
    if not paths:
        raise DataError(f"{', '.join(sources)}: no video in it; give files, or a folder of them")
    splits = dealt(paths, shares, seed) if shares is not None else [""] * len(paths)
    names = _names(paths)
    folders = [Path(path).resolve().parent.name if labels else "" for path in paths]
    return [Video(*one) for one in zip(paths, names, splits, folders, strict=True)]


def dealt(paths: Sequence[str], shares: Sequence[float], seed: int = 0) -> list[str]:
    """The split of each video: those that are next in the order of their hash go where most is lacking.

    Equal files go together. The answer rests on `seed` and the bytes of the files alone.
    """
    if not 2 <= len(shares) <= 3 or min(shares) < 0 or not abs(sum(shares) - 1) <= 1e-6:
        raise OptionError(f"--split {','.join(map(str, shares))}: needs shares of train, val and test that sum to 1")
    digests = [sha256(Path(path)) for path in paths]
    groups = sorted(set(digests), key=lambda digest: hashlib.sha256(f"{seed} {digest}".encode()).hexdigest())
    counts = [0] * len(shares)
    where: dict[str, str] = {}
    for digest in groups:
        lacking = [share * len(paths) - count for share, count in zip(shares, counts, strict=True)]
        at = int(np.argmax(lacking))
        where[digest] = SPLITS[at]
        counts[at] += digests.count(digest)
    return [where[digest] for digest in digests]


def choose(source: str, choice: Choice, progress: Progress | None = None) -> Chosen:
    """Look through a video once and say which frames to take. Raises `InputError` for a video that cannot be read."""
    with VideoReader(source) as reader:
        if reader.live:
            raise DataError(f"{reader.name}: frames are chosen of what has an end; record the stream first")
        frames = _told(reader.frames(choice.fps if choice.method == "rate" else None), progress)
        if choice.method == "key":
            rows = list(differences(frames))
            numbers, times, values = (np.array(column) for column in zip(*rows, strict=True))
            places = key_places(values, choice.window)
            return Chosen(frozenset(numbers[places].tolist()), times, values, smoothed(values, choice.window))
        none = np.empty(0)
        if choice.method == "rate":
            return Chosen(frozenset(frame.number for frame in frames), none, none, none)
        watch = CutWatch()
        cuts = frozenset(f.number for f in frames if watch.cuts(f.pixels, f.time_s) or f.number == 0)
        return Chosen(cuts, none, none, none)


def write_frames(video: Video, chosen: Chosen, out: Path, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Write the chosen frames of a video as JPEG below `out` and give their rows of the table.

    They lie in `<split>/<label>/<name>_<frame>.jpg`, as far as there is a split and a label. Raises `OutputError`.
    """
    rows = []
    values = dict(enumerate(chosen.values.tolist()))
    with VideoReader(video.source) as reader:
        for frame in _told(reader.frames(), progress):
            if frame.number in chosen.numbers:
                parts = [part for part in (video.split, video.label) if part]
                path = Path(*parts, f"{video.name}_{frame.number}.jpg")
                _save(frame.pixels, out / path)
                rows.append(_row(video, frame, path, values.get(frame.number)))
    return rows


def write_table(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """The table of all frames, whole or not at all; the reader of tables (`emolens data`) knows its columns."""
    kept = [name for name in COLUMNS if name not in ("split", "label") or any(row[name] for row in rows)]
    with replacing(out / TABLE) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def spare(out: Path) -> None:
    """Raises `OutputError` where a folder already holds something: frames of two runs would mix."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise OutputError(f"{out}: is there and not empty; choose a new folder, frames of two runs would mix")


def _row(video: Video, frame: VideoFrame, path: Path, value: float | None) -> dict[str, Any]:
    return {
        "path": path.as_posix(),
        "split": video.split,
        "label": video.label,
        "sequence": video.name,
        "frame": frame.number,
        "time_s": f"{frame.time_s:.3f}",
        "difference": "" if value is None else f"{value:.4f}",
        "video": video.source,
    }


def _save(pixels: np.ndarray, path: Path) -> None:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=QUALITY)
    with replacing(path) as draft:
        draft.write_bytes(held.getvalue())


def _told(frames: Iterator[VideoFrame], progress: Progress | None) -> Iterator[VideoFrame]:
    for at, frame in enumerate(frames, start=1):
        if progress:
            progress(at)
        yield frame


def _files(source: str) -> list[str]:
    folder = Path(source)
    if not folder.is_dir():
        if not folder.exists() and not is_video(source):
            raise NotFound(f"{source}: no such video; check the spelling")
        return [source]
    return sorted(str(path) for path in folder.rglob("*") if path.is_file() and is_video(path))


def _names(paths: Sequence[str]) -> list[str]:
    """The stems of the videos, with a number where two are alike."""
    names: list[str] = []
    for path in paths:
        name = plain = Path(path).stem
        count = 1
        while name in names:
            count += 1
            name = f"{plain}-{count}"
        names.append(name)
    return names
