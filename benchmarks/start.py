"""How long emolens takes to start, what starting loads, and how large a fresh core installation is.

    python benchmarks/start.py                 times of `import emolens` and `emolens --help` in fresh processes
    python benchmarks/start.py --install       also the size of the core in a new environment, by package

Bytecode is written before anything is timed: where PYTHONDONTWRITEBYTECODE is set, imports take two to three times as
long, so it is taken out of the environment. Targets: 0.3 s, 0.6 s, 300 MB; neither command loads torch, matplotlib or
cv2.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "matplotlib", "cv2")
COMMANDS = {
    "python -c pass": (["-c", "pass"], None),
    "import numpy": (["-c", "import numpy"], None),
    "import emolens": (["-c", "import emolens"], 0.3),
    "emolens --help": (
        ["-c", "import sys; from emolens.cli import main; sys.argv = ['emolens', '--help']; main()"],
        0.6,
    ),
}


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def loaded(arguments: list[str]) -> list[str]:
    """Heavy libraries among the modules that the interpreter reports importing."""
    run = [sys.executable, "-X", "importtime", *arguments]
    lines = subprocess.run(run, env=environment(), capture_output=True, text=True, check=True).stderr.splitlines()
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    return sorted(names & set(HEAVY))


def time_starts(runs: int) -> bool:
    print(f"{'command':<18}{'median s':>10}{'min s':>9}{'target':>9}  heavy libraries loaded")
    good = True
    for name, (arguments, target) in COMMANDS.items():
        seconds(arguments)  # writes the bytecode, warms the file cache
        taken = [seconds(arguments) for _ in range(runs)]
        heavy = loaded(arguments)
        median = statistics.median(taken)
        good &= not heavy and (target is None or median <= target)
        goal = f"{target:g}" if target else ""
        print(f"{name:<18}{median:>10.3f}{min(taken):>9.3f}{goal:>9}  {', '.join(heavy) or 'none'}")
    return good


def size(path: Path) -> int:
    """Bytes on disk below a path, as `du` counts them."""
    return sum(p.lstat().st_blocks * 512 for p in path.rglob("*") if not p.is_dir())


def measure_install() -> bool:
    """A new environment with the core only, without pip and its like, and the packages that weigh most."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        site = next(Path(folder).glob("lib/python*/site-packages"))
        before = size(site)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", ROOT], env=environment(), check=True)
        files = size(site) - before
        subprocess.run(
            [python, "-m", "compileall", "-q", site], env=environment(), stdout=subprocess.DEVNULL, check=False
        )
        compiled = size(site) - before
        parts = sorted(((size(p), p.name) for p in site.iterdir() if p.is_dir()), reverse=True)
    print(f"\ncore installation: {files / 1e6:.0f} MB as installed, {compiled / 1e6:.0f} MB with bytecode (target 300)")
    for weight, name in parts[:14]:
        print(f"  {weight / 1e6:>7.1f} MB  {name}")
    return compiled <= 300e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--install", action="store_true", help="also measure a fresh core installation")
    options = parser.parse_args()
    good = time_starts(options.runs)
    if options.install:
        good &= measure_install()
    sys.exit(0 if good else "a target is missed, see above")


if __name__ == "__main__":
    main()
