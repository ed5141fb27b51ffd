"""Whether memory stays flat over a folder of 1,000 photos, some of them broken.

    python benchmarks/folder_memory.py [--photos 1000] [--detector mtcnn] [--model FILE] [--side 1600]

Writes the folder first: the photos of the data folder at several sizes and qualities, and one file in 25 that is
empty, truncated, text, one pixel or a decompression bomb. Then runs the analyzer over it and reports the resident set
after 100 photos and at the end (target: within 10 %), the peak, and how many results had which status. The first 100
photos hold every size, so that growth after them is not a larger photo that came late.
"""

from __future__ import annotations

import argparse
import collections
import io
import multiprocessing
import os
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from emolens.analyzer import Analyzer
from emolens.pictures.sources import expand

ROOT = Path(__file__).resolve().parent.parent
BROKEN_EVERY = 25


def originals(side: int) -> list[Image.Image]:
    """The photos to make others of: from the data folder, or scikit-image's astronaut where there is none."""
    folder = Path(os.environ.get("EMOLENS_DATA", ROOT.parent / "shared" / "data")) / "photos"
    photos = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.jpg"))]
    if not photos:
        from skimage import data

        photos = [Image.fromarray(data.astronaut())]
    for photo in photos:
        photo.thumbnail((side, side))
    return photos


def bomb() -> bytes:
    """A PNG of 45 bytes that says it is 20,000 x 20,000."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0), b"IEND")
    parts = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def broken(good: bytes) -> Iterator[bytes]:
    """Files that cannot be analysed, over and over: unreadable three times, too small, too large."""
    dot = io.BytesIO()
    Image.new("RGB", (1, 1)).save(dot, "PNG")
    while True:
        yield from (b"", good[: len(good) // 2], b"not a picture", dot.getvalue(), bomb())


def write_folder(folder: Path, count: int, side: int) -> int:
    """Write the photos; returns how many of them are broken."""
    photos, choice = originals(side), random.Random(0)
    faults, wrong = broken(encoded(photos[0], 90)), 0
    for i in range(count):
        photo = photos[i % len(photos)]
        if i >= 100:  # later ones are never larger than those before
            scale = choice.uniform(0.6, 1.0)
            photo = photo.resize((max(32, int(photo.width * scale)), max(32, int(photo.height * scale))))
        spoilt = i % BROKEN_EVERY == BROKEN_EVERY - 1
        wrong += spoilt
        (folder / f"{i:05d}.jpg").write_bytes(next(faults) if spoilt else encoded(photo, choice.randint(70, 95)))
    return wrong


def encoded(photo: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=quality)
    return out.getvalue()


def resident() -> float:
    """MB of this process in memory now (Linux), or its peak where the system does not say."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return peak()


def peak() -> float:
    """MB of this process at its largest; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--side", type=int, default=1600, help="longer side of the largest photos, in pixels")
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--model", type=Path, action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Written by another process: what making photos leaves in memory would hide what reading them adds.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as writer:
            wrong = writer.submit(write_folder, Path(folder), options.photos, options.side).result()
        analyzer = Analyzer(detector=options.detector, models=options.model)
        statuses: collections.Counter[str] = collections.Counter()
        faces, marks, start = 0, {}, time.perf_counter()
        for n, result in enumerate(analyzer.analyze_many(expand([folder])), start=1):
            statuses[result.status] += 1
            faces += len(result.faces)
            if n % 100 == 0 or n == options.photos:
                marks[n] = resident()
                print(f"{n:>6} photos  {marks[n]:>7.0f} MB  {time.perf_counter() - start:>7.1f} s", flush=True)
    report(marks, statuses, faces, wrong)


def report(marks: dict[int, float], statuses: collections.Counter[str], faces: int, wrong: int) -> None:
    first, last = marks[min(marks)], marks[max(marks)]
    failed = sum(n for status, n in statuses.items() if status not in ("ok", "no_face"))
    print(f"resident after {min(marks)}: {first:.0f} MB, at the end: {last:.0f} MB, {100 * (last / first - 1):+.1f} %")
    print(f"peak {peak():.0f} MB, {faces} faces, statuses {dict(statuses)}, {wrong} files were broken")
    if last > 1.1 * first or failed != wrong:
        sys.exit("the resident set grew by more than 10 %, or a broken file was not counted")


if __name__ == "__main__":
    main()
