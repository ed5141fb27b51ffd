"""The speed and size of an expression model, as `Classifier.predict` runs it: uint8 frames in, probabilities out.

    python benchmarks/expression.py [--model FILE.onnx] [--threads N] [--json]

For each batch size the median of several repeats with the fastest and the slowest; a repeat is as many calls as fit
in 0.2 s, so that one interruption does not count as a result. Targets: 4 ms for one face, 1,000 faces/s at batch 32,
6 MB. By default the shipped model on all cores; frames are random pixels, since the time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from emolens.choices import model_file, model_files
from emolens.models.classifier import Classifier
from peers import machine, versions

REPEAT = 0.2  # seconds


def random_frames(model: Classifier, count: int) -> np.ndarray:
    """Frames as the model takes them, uint8 (count, h, w) or (count, h, w, 3)."""
    size, colours = model.card.size, () if model.card.colour == "grey" else (3,)
    return np.random.default_rng(0).integers(0, 256, (count, size, size, *colours), np.uint8)


def timed(model: Classifier, frames: np.ndarray, calls: int) -> tuple[float, float]:
    """Wall and CPU ms of a call, mean over `calls`."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        model.predict(frames, batch_size=len(frames))
    return (time.perf_counter() - wall) * 1e3 / calls, (time.process_time() - cpu) * 1e3 / calls


def measured(model: Classifier, batch: int, repeats: int) -> dict[str, Any]:
    """The figures of one batch size: ms and CPU ms of a call, faces/s at the median."""
    frames = random_frames(model, batch)
    timed(model, frames, 2)  # warm
    calls = max(1, round(REPEAT * 1e3 / timed(model, frames, 2)[0]))
    walls, cpus = zip(*(timed(model, frames, calls) for _ in range(repeats)), strict=True)
    ms = statistics.median(walls)
    return {
        "batch": batch,
        "ms": ms,
        "ms_min": min(walls),
        "ms_max": max(walls),
        "cpu_ms": statistics.median(cpus),
        "faces_per_s": batch * 1e3 / ms,
        "calls": calls,
        "repeats": repeats,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| batch | median ms | min | max | CPU ms | faces/s |", "|---|---|---|---|---|---|"]
    return lines + [
        f"| {row['batch']} | {row['ms']:.2f} | {row['ms_min']:.2f} | {row['ms_max']:.2f} | {row['cpu_ms']:.2f} "
        f"| {row['faces_per_s']:.0f} |"
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, help="ONNX file with its card; by default the shipped one")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, help="by default all cores")
    parser.add_argument("--json", action="store_true", help="one JSON object and no table")
    asked = parser.parse_args()
    path = model_file("expression", model_files(asked.model or ()))
    model = Classifier.load(path, asked.threads)
    rows = [measured(model, batch, asked.repeats) for batch in asked.batches]
    cores = asked.threads or os.cpu_count() or 1
    where = machine(cores, versions("emolens", "onnxruntime", "numpy"))
    megabytes = path.stat().st_size / 1e6
    if asked.json:
        print(json.dumps({"model": model.card.name, "sha": model.sha, "mb": megabytes, "rows": rows, "machine": where}))
        return
    print(f"{model.card.name} {model.card.version}, sha {model.sha}: {megabytes:.2f} MB\n")
    print("\n".join([*table(rows), "", where]))


if __name__ == "__main__":
    main()
