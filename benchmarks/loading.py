"""How fast prepared data is made and read, beside `torch.utils.data` over loose PNG files.

    python benchmarks/loading.py                     the archive of FER2013 in EMOLENS_DATA, else ../shared/data
    python benchmarks/loading.py --limit 2000        fewer pictures an epoch, for a quick look

1. FER2013 from its archive to prepared Parquet. Target: at most 60 s on two cores.
2. An epoch over the training pictures of FER+: decoded, augmented as in training (`learn.transforms.augment`), in
   shuffled batches of 128 at 48 px. Target: 5 times the pictures a second of the loader over loose files, and at most
   1.5 GB of memory.

The peer reads one PNG a picture with Pillow and augments in `__getitem__`, as tutorials do, with 0 and with 2 workers.
A stronger peer that augments whole batches after collating is shown too. Both see the same pictures and the same
augmentation. emolens decodes in its first epoch only; that epoch is shown on its own. Every row runs in a process of
its own, all threads allowed. Memory is the peak of the process and its largest worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH = 128
ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data") / "fer2013"


def make(archive: Path, folder: Path, limit: int) -> int:
    from emolens.data.prepare import prepare

    made = prepare("fer2013", archive, folder / "fer2013")
    return sum(made.rows(split) for split in made.splits)


def prepared_epochs(archive: Path, folder: Path, limit: int) -> Iterator[int]:
    """Epochs as training has them. The first one decodes."""
    import numpy as np

    from emolens.data.faces import read_faces
    from emolens.learn.loading import batches

    faces = read_faces(folder / "ferplus", "train")
    kept = faces.keep(np.arange(len(faces)) < limit) if limit < len(faces) else faces
    loader = batches(kept, BATCH, shuffle=True)
    while True:
        yield _epoch(images for images, _ in loader)


def loose_epochs(folder: Path, limit: int, workers: int, batched: bool) -> Iterator[int]:
    """Epochs over loose PNG files; `batched` augments whole batches in the main process."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from emolens.learn.config import Augment
    from emolens.learn.transforms import augment

    class Loose(Dataset[Any]):
        def __init__(self) -> None:
            self.paths = sorted((folder / "loose").glob("*.png"))[:limit]

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, at: int) -> Any:
            with Image.open(self.paths[at]) as picture:
                image = torch.from_numpy(np.array(picture)).float()[None]
            return image if batched else augment(image[None], Augment())[0]

    loader: Any = DataLoader(Loose(), BATCH, shuffle=True, num_workers=workers, drop_last=True)
    while True:
        yield _epoch(loader) if batched else sum(len(images) for images in loader)


def _epoch(loader: Any) -> int:
    from emolens.learn.config import Augment
    from emolens.learn.transforms import augment

    return sum(len(augment(images, Augment())) for images in loader)


LOADERS: dict[str, tuple[str, Callable[..., Iterator[int]]]] = {
    "prepared": ("emolens, prepared", prepared_epochs),
    "loose0": ("loose PNG, augmented one by one, 0 workers", lambda a, f, n: loose_epochs(f, n, 0, False)),
    "loose2": ("loose PNG, augmented one by one, 2 workers", lambda a, f, n: loose_epochs(f, n, 2, False)),
    "batched0": ("loose PNG, augmented by batch, 0 workers", lambda a, f, n: loose_epochs(f, n, 0, True)),
    "batched2": ("loose PNG, augmented by batch, 2 workers", lambda a, f, n: loose_epochs(f, n, 2, True)),
}


def lay_out(archive: Path, folder: Path) -> None:
    """FER+ prepared, and the same training pictures as loose files."""
    from emolens.data.prepare import prepare
    from emolens.data.prepared import open_prepared

    prepare("ferplus", archive, folder / "ferplus")
    (folder / "loose").mkdir()
    split = open_prepared(folder / "ferplus", "train", ram=True)
    for at in range(len(split)):
        (folder / "loose" / f"{at:05d}.png").write_bytes(split.encoded(at))


def part(name: str, archive: Path, folder: Path, limit: int, epochs: int) -> dict[str, Any]:
    """One row, in this process: seconds of wall and CPU of each epoch, and the peak of memory."""
    import emolens.data.faces
    import emolens.learn.loading  # noqa: F401 - loading torch takes longer than an epoch, and is not what is timed

    found: list[dict[str, float]] = []
    start, cpu = time.perf_counter(), _cpu()
    steps = iter([make(archive, folder, limit)]) if name == "make" else LOADERS[name][1](archive, folder, limit)
    for _ in range(1 if name == "make" else epochs):
        n = next(steps)
        now, used = time.perf_counter(), _cpu()
        found.append({"n": n, "seconds": now - start, "cpu": used - cpu})
        start, cpu = now, used
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"epochs": found, "mb": peak / (2**20 if sys.platform == "darwin" else 2**10)}


def _cpu() -> float:
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(t.ru_utime + t.ru_stime for t in times)


def run(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", name, "--folder", str(folder), "--data", str(options.data),
               "--limit", str(options.limit), "--epochs", str(options.epochs)]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def report(options: argparse.Namespace, folder: Path) -> None:
    made = run("make", options, folder)
    first = made["epochs"][0]
    print(f"FER2013 to Parquet: {first['n']:,} pictures in {first['seconds']:.1f} s (target: at most 60), "
          f"CPU {first['cpu']:.1f} s, {made['mb']:.0f} MB")  # fmt: skip
    lay_out(options.data, folder)
    print(f"\n| loader, batches of {BATCH} | first epoch, pictures/s | later epochs | CPU, µs a picture | MB |")
    print("|---|---|---|---|---|")
    for name, (title, _) in LOADERS.items():
        found = run(name, options, folder)
        begin, *later = found["epochs"]
        best = min(later, key=lambda epoch: epoch["seconds"])
        print(f"| {title} | {begin['n'] / begin['seconds']:,.0f} | {best['n'] / best['seconds']:,.0f} "
              f"| {best['cpu'] / best['n'] * 1e6:.0f} | {found['mb']:.0f} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="the archive of FER2013 with FER+")
    parser.add_argument("--limit", type=int, default=10**9, help="training pictures in an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="2 or more; the best after the first one counts")
    parser.add_argument("--part", choices=("make", *LOADERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(part(options.part, options.data, options.folder, options.limit, options.epochs)))
        return
    with tempfile.TemporaryDirectory() as folder:
        report(options, Path(folder))


if __name__ == "__main__":
    main()
