"""How long the searches for weights take on the published outputs of the group systems.

    python benchmarks/group_ensemble.py [--data ../shared/data/group_outputs] [--repeats N]

The simplex of twentieths over five models, all 10,626 points, on the 3,341 rows of VAL (goal: 5 s), and the convex
search over the forerunner's fourteen on the same rows (goal: 10 s). Wall and CPU time of one call, the fastest of the
repeats; files are read before.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emolens.evaluation.group_study import FORERUNNER, hybrid_members
from emolens.evaluation.simplex import best_on_simplex
from emolens.evaluation.storing import read_tables
from emolens.evaluation.weighting import likelihood_weights
from peers import machine, versions


def fastest(search: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall and CPU seconds."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        search()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(os.environ.get("EMOLENS_DATA") or "../shared/data") / "group_outputs"
    parser.add_argument("--data", type=Path, default=folder)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    five = [one.split("val") for one in hybrid_members(asked.data)]
    many = [one.split("val") for one in read_tables(asked.data / FORERUNNER)]
    logits = np.stack([one.logits for one in five if one.logits is not None]).astype(np.float64)
    shares = np.stack([one.probabilities for one in many]).astype(np.float64)
    searches = {
        f"simplex, {len(five)} models": lambda: best_on_simplex(logits, five[0].truth),
        f"convex, {len(many)} models": lambda: likelihood_weights(shares, many[0].targets),
    }
    print(f"| search on {len(five[0]):,} rows | wall s | CPU s |\n|---|---|---|")
    for name, search in searches.items():
        wall, cpu = fastest(search, asked.repeats)
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")
    print("\n" + machine(os.cpu_count() or 1, versions("emolens", "numpy", "scipy")))


if __name__ == "__main__":
    main()
