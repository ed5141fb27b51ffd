"""Nets for stimuli maps on drawn pictures whose truth is known: a stand-in for EmotionROI, in its folders and lists.

    python benchmarks/stimuli.py --out DIR [--each 60] [--side 112] [--size 96] [--threads 1] [--seed 0]

Draws two sets (`emolens data draw-emotionroi`): `picture`, where the emotion says nothing of where the map is, and
`label`, where it alone says which of three things it is on. Trains `fcnel` on the first and `emofcnel` on both, with
ImageNet weights that need no network, and judges each once on `test` at the size of its pictures. Targets: FCNEL has a
correlation (CC) of .9 or more and a third of the centre prior's MAE or less, after at most ten minutes of one core; the
map of EmoFCNEL follows the label on `label` (the gain in CC over other labels is above 0, its interval too) and not on
`picture`. What is there from an earlier call is judged and not trained again; times are in their `times.json`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from emolens.data.drawn_emotionroi import draw_emotionroi
from emolens.data.prepare import prepare
from emolens.data.prepared import open_prepared
from emolens.evaluation.map_asking import BATCH, ask_maps, judge_rows
from emolens.evaluation.metrics import Estimate
from emolens.learn.config import StimuliRecipe, changed
from emolens.learn.fit import fit
from emolens.learn.predict_maps import run_maps
from emolens.learn.recipes import recipe
from emolens.learn.runs import recipe_of
from emolens.learn.studies.label_swap import swap_labels
from emolens.learn.tasks.stimuli import mapped_of
from peers import machine, versions

CASES = {"fcnel on picture": 12, "emofcnel on picture": 12, "emofcnel on label": 30}
"""What is trained, and for how many epochs."""
SHOWN = ("cc", "mae", "mse", "sim", "kl", "auc_judd", "f_0.3")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="where drawn sets and runs go")
    parser.add_argument("--each", type=int, default=60, help="pictures of each emotion")
    parser.add_argument("--side", type=int, default=112, help="width of the pictures")
    parser.add_argument("--size", type=int, default=96, help="input of the nets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=CASES, help="one of the three")
    return parser.parse_args()


def trained(case: str, asked: argparse.Namespace) -> tuple[Path, Path, dict[str, float]]:
    """The prepared folder and the run of a case, and what training took."""
    name, _, kind = case.partition(" on ")
    data, run = asked.out / f"{kind}-prepared", asked.out / case.replace(" ", "-")
    if not (asked.out / kind).exists():
        draw_emotionroi(asked.out / kind, kind, asked.each, asked.side, asked.seed)
    prepare("emotionroi", asked.out / kind, data)
    if not (run / "times.json").is_file():
        shutil.rmtree(run, ignore_errors=True)  # of a call that was stopped: its time could not be told
        settings = [f"net.size={asked.size}", f"optim.epochs={CASES[case]}", "optim.ema=0.95", "optim.lr=0.002",
                    f"seed={asked.seed}", "augment.light=0.1"]  # fmt: skip
        wall, cpu = time.perf_counter(), time.process_time()
        fit(changed(recipe(name), settings), data, run, progress=False)
        took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        (run / "times.json").write_text(json.dumps(took) + "\n", encoding="utf-8")
    return data, run, json.loads((run / "times.json").read_text(encoding="utf-8"))


def shown(figure: Estimate) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def report(case: str, asked: argparse.Namespace) -> None:
    data, run, took = trained(case, asked)
    rows, model = open_prepared(data, "test"), run_maps(run)
    summary = judge_rows(ask_maps(model, rows), rows).summary()
    print(f"\n{case}: n = {len(rows)} test pictures, {took['cpu_s']:.0f} s CPU ({took['wall_s']:.0f} s by the clock)\n")
    print("| figure | map | centre prior | mean of other truths |\n|---|---|---|---|")
    for name in SHOWN:
        print(f"| {name} | " + " | ".join(shown(summary[who][name]) for who in ("map", "centre", "mean")) + " |")
    factor = summary["centre"]["mae"].value / summary["map"]["mae"].value
    print(f"\nMAE of the centre prior / that of the map: {factor:.1f}")
    if len(model.labels) > 1:
        print_swap(run, data)


def print_swap(run: Path, data: Path) -> None:
    held, model = mapped_of(recipe_of(run, StimuliRecipe), data, "test"), run_maps(run)
    maps = np.concatenate([model.every(held.images[at : at + BATCH]) for at in range(0, len(held), BATCH)])
    swap = swap_labels(maps, held.maps / 255, held.emotion)
    moves = f"by a swapped label {shown(swap.moved)}, by another picture {shown(swap.between)}"
    print(f"moves of a map, MAE: {moves}: {swap.share:.0%}")
    print(f"CC with the truth: own label {shown(swap.own)}, other labels {shown(swap.other)}, gain {shown(swap.gain)}")


def main() -> None:
    asked = options()
    torch.set_num_threads(asked.threads)
    asked.out.mkdir(parents=True, exist_ok=True)
    for case in CASES if asked.only is None else (asked.only,):
        report(case, asked)
    print("\n" + machine(asked.threads, versions("emolens", "torch", "timm", "lightning")))


if __name__ == "__main__":
    main()
