"""What a picture evokes, from file to answer at batch 1, decode included: emolens beside torch with the same net.

    python benchmarks/evoked.py [--model FILE.onnx] [--backbone NAME ...] [--data DIR] [--pictures 60]

Each side lives in a process of its own and gets the path of one picture after another, in random order and interleaved;
models are warm. The clock of emolens runs around `Analyzer("evoked").analyze(path)`. The torch side decodes and
stretches by the same functions and runs the timm backbones on the picture and the mirror image of its middle, with a
linear head on all their features, in eager float32, in inference mode; its weights are random, since the time does not
depend on them. Of the rounds the median counts, per picture; then come the median, mean and 90th percentile over
pictures with the 95 % bootstrap interval of the median. Target: 60 ms.
Pictures are those of Emotion6, spread over its six keywords, and with --photos the larger ones of `photos` instead.
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

TARGET_MS = 60
BACKBONES = ("tf_efficientnet_lite0", "tf_efficientnet_lite2")
Answer = Callable[[bytes], dict[str, Any]]

# ---- in the worker: a path in, the label out


def emolens_answer(model: list[str]) -> Answer:
    from emolens.analyzer import Analyzer

    analyzer = Analyzer("evoked", models=model)

    def answer(path: bytes) -> dict[str, Any]:
        evoked = analyzer.analyze(os.fsdecode(path)).evoked
        return {"label": evoked.label if evoked else ""}

    return answer


def torch_answer(backbones: list[str], size: int, threads: int) -> Answer:
    import timm
    import torch

    from emolens.learn.join import middle_part
    from emolens.learn.studies.evoked_default import MIDDLE
    from emolens.pictures.images import open_image, stretched

    torch.set_num_threads(threads)
    start, end = middle_part(size, MIDDLE)
    trunks = [timm.create_model(name, num_classes=0, global_pool="").eval() for name in backbones]
    heads = torch.nn.Linear(sum(trunk.num_features for trunk in trunks), 9)  # seven classes, valence, arousal

    def answer(path: bytes) -> dict[str, Any]:
        levels = stretched(open_image(os.fsdecode(path)), size).transpose(2, 0, 1)[None].astype(np.float32)
        with torch.inference_mode():
            frame = torch.from_numpy(np.ascontiguousarray(levels)) / 127.5 - 1  # or the layout of the file slows torch
            middle = frame[..., start:end, start:end].flip(-1)
            views = torch.cat([frame, torch.nn.functional.interpolate(middle, (size, size), mode="bilinear")])
            found = heads(torch.cat([trunk(views).mean(dim=(2, 3)) for trunk in trunks], dim=1)).mean(dim=0)
            shares = found[:7].softmax(dim=0)
        return {"label": str(int(shares.argmax()))}

    return answer


def work(asked: argparse.Namespace) -> None:
    if asked.worker == "torch":
        return serve(torch_answer(asked.backbone, asked.size, asked.cores), versions("torch", "timm"))
    return serve(emolens_answer(asked.model), versions("emolens", "onnxruntime", "numpy", "pillow"))


# ---- in the parent: pictures, workers, the table


def chosen(asked: argparse.Namespace) -> list[Path]:
    data = asked.data or Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")
    if asked.photos:
        return sorted((data / "photos").glob("*.jpg"))
    every = sorted((data / "Emotion6" / "images").glob("*/*.jpg"))
    return every[:: max(1, len(every) // asked.pictures)][: asked.pictures]


def table(answers: Answers, draws: int, seed: int) -> list[str]:
    lines = ["| | median ms | mean ms | p90 ms | median CPU ms |", "|---|---|---|---|---|"]
    for name, rows in answers.items():
        ms, cpu = (np.array([np.median([one[key] for one in per]) for per in rows]) for key in ("ms", "cpu_ms"))
        spread = f"{median_interval(ms, draws, seed)} | {ms.mean():.1f} | {np.percentile(ms, 90):.1f}"
        lines.append(f"| {name} | {spread} | {np.median(cpu):.1f} |")
    return lines


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="append", default=[], help="ONNX file; by default the shipped model")
    parser.add_argument("--backbone", nargs="+", default=list(BACKBONES), help="timm's names of the same trunks")
    parser.add_argument("--size", type=int, default=256, help="input of the torch net, pixels")
    parser.add_argument("--no-torch", action="store_true", help="emolens alone")
    parser.add_argument("--data", type=Path, help="folder of real data (EMOLENS_DATA, else ../shared/data)")
    parser.add_argument("--photos", action="store_true", help="the photos of several sizes in place of Emotion6")
    parser.add_argument("--pictures", type=int, default=60)
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
    pictures = chosen(asked)
    if not pictures:
        sys.exit("no pictures here; name the folder of real data by --data or EMOLENS_DATA")
    shared = ["--cores", str(asked.cores), "--size", str(asked.size)]
    shared += [f"--model={path}" for path in asked.model]
    shared += ["--backbone", *asked.backbone]
    names = ["emolens"] if asked.no_torch else ["emolens", "torch"]
    workers = [Worker(name, sys.executable, [__file__, "--worker", name, *shared], asked.cores) for name in names]
    answers = interleaved(workers, [os.fsencode(picture) for picture in pictures], asked.rounds, asked.seed)
    for worker in workers:
        worker.close()
    trunks = " and ".join(asked.backbone)
    print(f"{len(pictures)} pictures, {asked.rounds} rounds, target {TARGET_MS} ms; torch: {trunks}\n")
    print("\n".join([*table(answers, asked.draws, asked.seed), ""]))
    print(machine(asked.cores, {name: v for worker in workers for name, v in worker.packages.items()}))


if __name__ == "__main__":
    main()
