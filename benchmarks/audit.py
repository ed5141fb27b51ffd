"""How long the audit of all 35,887 pictures of FER2013 takes, and how near its near-duplicates are.

    python benchmarks/audit.py --data ../shared/data
    python benchmarks/audit.py --data ../shared/data --sheet pairs.png --low 56 --high 62

The second form draws pairs of distinct pictures at random whose hashes differ in `low` to `high` bits, to be looked at:
so the default distance was chosen.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from emolens.data.audit import audit
from emolens.data.entries import of_record
from emolens.data.fingerprints import NEAR, fingerprint, near_pairs
from emolens.data.registry import reader

ROWS, COLUMNS, SIDE, GAP = 8, 6, 100, 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds fer2013")
    parser.add_argument("--sheet", type=Path, help="draw pairs into this picture instead of timing")
    parser.add_argument("--low", type=int, default=0, help="fewest bits in which a pair differs")
    parser.add_argument("--high", type=int, default=NEAR, help="most bits")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.sheet:
        print(sheet(asked.data, asked.sheet, asked.low, asked.high, asked.seed))
    else:
        print(json.dumps([timed(asked.data, None), timed(asked.data, NEAR)], indent=1))
    return 0


def timed(data: Path, distance: int | None) -> dict[str, object]:
    """Reading, fingerprints and comparison of the whole set: seconds by the clock and of the processor, memory."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = audit(map(of_record, reader("fer2013").read(data / "fer2013")), distance=distance)
    return {
        "near": distance,
        "rows": sum(split.rows for split in found.splits),
        "seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - cpu, 1),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "shared": {f"{one.kind}: {one.split} in {one.other}": one.rows for one in found.overlaps if one.rows},
    }


def sheet(data: Path, target: Path, low: int, high: int, seed: int) -> str:
    """Draw pairs that differ in `low` to `high` bits, and say how many there are."""
    pictures = [np.asarray(record.picture) for record in reader("fer2013").read(data / "fer2013")]
    prints = {print_.pixels: (picture, print_.look) for picture in pictures if (print_ := fingerprint(picture))}
    seen = [(picture, look) for picture, look in prints.values() if look is not None]
    looks = np.array([look for _, look in seen])
    pairs = near_pairs(looks, high)
    pairs = pairs[(looks[pairs[:, 0]] != looks[pairs[:, 1]]).sum(axis=1) >= low]
    drawn = np.random.default_rng(seed).choice(len(pairs), min(len(pairs), ROWS * COLUMNS), replace=False)
    page = Image.new("L", (COLUMNS * (2 * SIDE + GAP), ROWS * (SIDE + GAP)), 255)
    for place, pair in enumerate(pairs[drawn]):
        row, column = divmod(place, COLUMNS)
        for at, which in enumerate(pair):
            face = Image.fromarray(seen[which][0]).resize((SIDE, SIDE))
            page.paste(face, (column * (2 * SIDE + GAP) + at * SIDE, row * (SIDE + GAP)))
    page.save(target)
    return f"{len(pairs)} pairs of {len(seen)} distinct pictures differ in {low} to {high} bits; {len(drawn)} are drawn"


if __name__ == "__main__":
    sys.exit(main())
