"""Photos from file to answer, decode included: emolens beside fer, the same files in the same run.

    python benchmarks/photos.py --yunet FILE.onnx --fer-python VENV/bin/python

Each side lives in a process of its own and gets the path of one file after another, in random order and interleaved;
models are warm. The clock of emolens runs around `Analyzer.analyze(path)`, that of fer around `cv2.imread` and
`FER(mtcnn=True).detect_emotions`. Of the rounds the median counts, per photo; then come the median, mean and 90th
percentile over photos, with the 95 % bootstrap interval of the median over photos. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from peers import ROOT, Answers, Worker, interleaved, machine, median_interval, serve, use_cores, versions

PEER = "fer"
Answer = Callable[[bytes], dict[str, Any]]

# ---- in the worker: a path in, the number of faces out


def emolens_answer(detector: str, task: str, models: list[str]) -> Answer:
    from emolens.analyzer import Analyzer

    analyzer = Analyzer(task, detector, models)
    return lambda path: {"faces": len(analyzer.analyze(os.fsdecode(path)).faces)}


def fer_answer(threads: int) -> Answer:
    import cv2
    import torch
    from fer.fer import FER  # `from fer import FER` of its README fails in 25.10.3

    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    detector = FER(mtcnn=True)
    return lambda path: {"faces": len(detector.detect_emotions(cv2.imread(os.fsdecode(path))))}


def work(asked: argparse.Namespace) -> None:
    if asked.worker == PEER:
        return serve(fer_answer(asked.cores), versions("fer", "tensorflow", "torch", "facenet-pytorch"))
    answer = emolens_answer(asked.worker, asked.task, asked.model)
    return serve(answer, versions("emolens", "onnxruntime", "numpy", "pillow"))


# ---- in the parent: photos, workers, tables


def started(asked: argparse.Namespace) -> list[Worker]:
    """The workers that were asked for, each ready."""
    shared = ["--task", asked.task, "--cores", str(asked.cores), *(f"--model={path}" for path in asked.model)]
    wanted = {"emolens mtcnn": (sys.executable, "mtcnn")}
    if asked.yunet:
        wanted["emolens yunet"] = (sys.executable, str(asked.yunet))
    if asked.fer_python:
        wanted[PEER] = (asked.fer_python, PEER)
    return [
        Worker(name, python, [__file__, "--worker", worker, *shared], asked.cores)
        for name, (python, worker) in wanted.items()
    ]


def medians(answers: Answers, key: str) -> dict[str, np.ndarray]:
    """By worker, the median over rounds of each photo."""
    return {name: np.array([np.median([a[key] for a in per]) for per in rows]) for name, rows in answers.items()}


def overall(answers: Answers, draws: int, seed: int) -> list[str]:
    """A row for each worker; the ratio is the time of fer by its own, photo by photo."""
    ms, cpu, faces = (medians(answers, key) for key in ("ms", "cpu_ms", "faces"))
    lines = [
        "| | median ms | mean ms | p90 ms | median CPU ms | fer takes, times as long | faces |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, times in ms.items():
        ratio = median_interval(ms[PEER] / times, draws, seed, ".2f") if PEER in ms and name != PEER else ""
        lines.append(
            f"| {name} | {median_interval(times, draws, seed)} | {times.mean():.1f} | {np.percentile(times, 90):.1f} "
            f"| {np.median(cpu[name]):.1f} | {ratio} | {faces[name].sum():.0f} |"
        )
    return lines


def by_photo(answers: Answers, photos: list[Path]) -> list[str]:
    """A row for each photo: ms, faces, and how many times as long fer takes."""
    from PIL import Image

    ms, faces = medians(answers, "ms"), medians(answers, "faces")
    ours = [name for name in ms if name != PEER]
    ratios = [f"{PEER} by {name}" for name in ours] if PEER in ms else []
    lines = [
        f"| photo | size | {' | '.join(f'{name} ms' for name in ms)} | {' | '.join(f'{name} faces' for name in ms)} |"
        + "".join(f" {ratio} |" for ratio in ratios),
        "|---" * (2 + 2 * len(ms) + len(ratios)) + "|",
    ]
    for i, photo in enumerate(photos):
        with Image.open(photo) as picture:
            cells = [photo.name, f"{picture.width} x {picture.height}"]
        cells += [f"{times[i]:.1f}" for times in ms.values()] + [f"{found[i]:.0f}" for found in faces.values()]
        cells += [f"{ms[PEER][i] / ms[name][i]:.2f}" for name in ours] if ratios else []
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--yunet", type=Path, help="a YuNet .onnx file; without it MTCNN alone")
    parser.add_argument("--fer-python", help="interpreter that has fer; see README.md")
    parser.add_argument("--task", default="expression,group")
    parser.add_argument("--model", action="append", default=[], help="ONNX file in the place of a shipped model")
    parser.add_argument("--data", type=Path, help="folder of real data (EMOLENS_DATA, else ../shared/data)")
    parser.add_argument("--photos", type=int, help="the first so many only")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    asked = options()
    asked.cores = use_cores(asked.cores)
    if asked.worker:
        return work(asked)
    data = asked.data or Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")
    photos = sorted((data / "photos").glob("*.jpg"))[: asked.photos]
    if not photos:
        sys.exit("no photos here; name the folder of real data by --data or EMOLENS_DATA")
    workers = started(asked)
    answers = interleaved(workers, [os.fsencode(photo) for photo in photos], asked.rounds, asked.seed)
    for worker in workers:
        worker.close()
    print(f"{len(photos)} photos, {asked.rounds} rounds, tasks {asked.task}\n")
    print("\n".join([*overall(answers, asked.draws, asked.seed), "", *by_photo(answers, photos), ""]))
    print(machine(asked.cores, {name: v for worker in workers for name, v in worker.packages.items()}))


if __name__ == "__main__":
    main()
