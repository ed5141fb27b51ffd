"""How right a model is on the rows of a split whose very pixels are in no other split of the set.

    emolens predict g1.onnx --data fer2013 --split test --out g1.parquet
    python benchmarks/pixel_copies.py g1.parquet --data prepared/fer2013

`--data` is a folder that `emolens data prepare` made. FER+ has such subsets in `emolens evaluate` itself; this is for
sets whose published protocol counts the copies, as FER2013.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from emolens.data.labelled import digests
from emolens.data.manifest import read_manifest
from emolens.data.prepared import open_prepared
from emolens.evaluation.metrics import hits, mean_estimate
from emolens.evaluation.storing import read_predictions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    asked = parser.parse_args()
    table = read_predictions(asked.table)
    (split,) = set(table.splits.tolist())
    others = [name for name in read_manifest(asked.data).splits if name != split]
    seen = {one for name in others for one in digests(open_prepared(asked.data, name, ram=True).pixels(grey=True))}
    rows = open_prepared(asked.data, split, ram=True)
    copied = dict(zip(rows.column("id"), (one in seen for one in digests(rows.pixels(grey=True))), strict=True))
    copy, right = np.array([copied[name] for name in table.ids.tolist()]), hits(table.probabilities, table.targets)
    print("| rows | n | accuracy % |\n|---|---|---|")
    for name, kept in ((f"all of {split}", copy | ~copy), ("no pixel copies", ~copy), ("pixel copies", copy)):
        if kept.any():
            found = mean_estimate(right[kept])
            interval = f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"
            print(f"| {name} | {found.n:,} | {100 * found.value:.2f} {interval} |")


if __name__ == "__main__":
    main()
