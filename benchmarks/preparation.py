"""Pictures prepared a second: `emolens faces` beside facenet-pytorch built anew for each picture.

    python benchmarks/preparation.py --facenet-python VENV/bin/python

The hybrid group system loaded its face detector again for each picture; the peer does the same and stops where the
faces are found: it opens a picture, builds MTCNN and detects boxes and landmarks. emolens does all that its command
does: detection, crops, two alignments, features of faces and of the whole picture, Parquet. Both read the same files,
each in a process of its own, in turn; the first round is thrown away. Processor time (of all threads) is what compares
on a machine that others use too; the wall clock counts on a quiet one.

A round has each photo `--times` over: emolens opens its nets once a run, as on a folder, and 21 photos alone would be a
run of two seconds of which that is a twentieth.

`--passes` times the photos go through emolens once more at the end, in one run, to see whether memory grows: the set
that is resident is read after each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from peers import ROOT, Worker, bootstrap, interleaved, machine, serve, use_cores, versions

OURS, PEER = "emolens faces", "facenet-pytorch, built for each picture"

# ---- in the worker: prepares the pictures of a question, a JSON list of paths


def emolens_prepare(threads: int, whole: bool) -> Callable[[list[str]], dict[str, Any]]:
    os.environ["EMOLENS_THREADS"] = str(threads)
    from emolens.data.face_parts import FacesWriter
    from emolens.models.catalogue import where
    from emolens.models.classifier import Classifier
    from emolens.preparing.faces import Settings, find_faces
    from emolens.preparing.projection import GlobalFeatures
    from emolens.preparing.wanted import Wanted

    def prepare(paths: list[str]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            model = Classifier.load(where("evoked_emotion6"), threads=1) if whole else None
            features = GlobalFeatures(model, Path(folder)) if model else None
            resident = []
            with FacesWriter(Path(folder), {}) as writer:
                names = (Wanted(f"{at}_{path}", path) for at, path in enumerate(paths))
                for at, picture in enumerate(find_faces(names, Settings(), features), start=1):
                    writer.add(picture)
                    if at % 21 == 0:
                        resident.append(resident_mb())
            return {"faces": writer.counts["faces"], "resident": resident}

    return prepare


def facenet_prepare(threads: int) -> Callable[[list[str]], dict[str, Any]]:
    import torch
    from facenet_pytorch import MTCNN
    from PIL import Image

    torch.set_num_threads(threads)

    def prepare(paths: list[str]) -> dict[str, Any]:
        faces = 0
        for path in paths:
            picture = Image.open(path).convert("RGB")
            boxes, _, _ = MTCNN(keep_all=True, device="cpu").detect(picture, landmarks=True)
            faces += 0 if boxes is None else len(boxes)
        return {"faces": faces}

    return prepare


def resident_mb() -> float:
    """Megabytes of this process in memory; 0 where the system does not tell so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def work(name: str, threads: int, whole: bool) -> None:
    if name == OURS:
        prepare, packages = emolens_prepare(threads, whole), versions("onnxruntime", "numpy")
    else:
        prepare, packages = facenet_prepare(threads), versions("facenet-pytorch", "torch")
    serve(lambda question: prepare(json.loads(question)), packages)


# ---- in the parent


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--facenet-python", help="interpreter that has facenet-pytorch")
    parser.add_argument("--data", type=Path, help="folder of real data (EMOLENS_DATA, else ../shared/data)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=3, help="how often a round has each photo")
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-global-features", action="store_true", help="leave out what the peer has no part of")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def rate_line(name: str, answers: list[dict[str, Any]], pictures: int) -> str:
    cpu, wall = (np.median([answer[key] for answer in answers]) / pictures for key in ("cpu_ms", "ms"))
    return f"| {name} | {cpu:.0f} | {1000 / cpu:.1f} | {wall:.0f} | {1000 / wall:.1f} | {answers[0]['faces']} |"


def ratio_line(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], key: str, what: str, seed: int) -> str:
    ratios = np.array([one[key] / other[key] for one, other in zip(theirs, ours, strict=True)])
    low, high = bootstrap(lambda rows: np.median(ratios[rows]), len(ratios), 1000, seed)
    return (
        f"- {what}: {np.median(ratios):.2f} [{low:.2f}, {high:.2f}] times the pictures a second, {len(ratios)} rounds"
    )


def memory_line(resident: list[float]) -> str:
    half = len(resident) // 2
    slope = float(np.polyfit(np.arange(len(resident) - half), resident[half:], 1)[0]) if len(resident) > 3 else 0.0
    first, most, last = (f"{value:.0f}" for value in (resident[0], max(resident), resident[-1]))
    return (
        f"- memory of emolens after each of {len(resident)} passes: {first} MB at first, {most} at most, {last} at the "
        f"end; {slope:+.2f} MB a pass over the last half"
    )


def main() -> None:
    asked = options()
    if asked.worker:
        return work(asked.worker, asked.threads, not asked.no_global_features)
    data = asked.data or Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")
    paths = sorted(str(path) for path in (data / "photos").glob("*.jpg"))
    if not paths:
        sys.exit("photos are not here; name the folder of real data by --data or EMOLENS_DATA")
    cores = use_cores(asked.threads)
    shared = ["--threads", str(asked.threads), *(["--no-global-features"] if asked.no_global_features else [])]
    wanted = {OURS: sys.executable, PEER: asked.facenet_python}
    workers = [
        Worker(name, python, [__file__, "--worker", name, *shared], asked.threads)
        for name, python in wanted.items()
        if python
    ]
    question = paths * asked.times
    answers = interleaved(workers, [json.dumps(question).encode()], asked.rounds, asked.seed)
    resident = workers[0].ask(json.dumps(paths * asked.passes).encode())["resident"]
    for worker in workers:
        worker.close()
    packages = {name: version for worker in workers for name, version in worker.packages.items()}
    print(f"{len(paths)} photos, {asked.times} times over; {machine(cores, packages)}\n")
    print("| | CPU ms a picture | pictures a CPU second | ms | pictures a second | faces |\n|---|---|---|---|---|---|")
    for name, rows in answers.items():
        print(rate_line(name, rows[0], len(question)))
    print()
    if PEER in answers:
        for key, what in (("cpu_ms", "processor time"), ("ms", "wall clock")):
            print(ratio_line(answers[OURS][0], answers[PEER][0], key, what, asked.seed))
    print(memory_line(resident))


if __name__ == "__main__":
    main()
