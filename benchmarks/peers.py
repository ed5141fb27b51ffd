"""What benchmarks share: workers that hold one peer each, intervals by bootstrap, and the machine in a line.

A worker is a process with an interpreter of its own, since recent torch and TensorFlow abort in one process. It gets
its questions as bytes through a pipe and times itself around the answer alone. Peers' environments import this file:
it needs numpy and the standard library, nothing of emolens.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.02  # seconds between two questions: threads of the worker before may spin for some ms after their answer
Answers = dict[str, list[list[dict[str, Any]]]]  # by worker and question, one for each round


def versions(*packages: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}


def serve(answer: Callable[[bytes], dict[str, Any]], packages: dict[str, str]) -> None:
    """In the worker: says the versions of its `packages`, then answers questions from stdin until it is closed.

    An answer is a line of JSON on stdout, with the wall and CPU time it took, in ms, as `ms` and `cpu_ms`.
    """
    answers = _own_stdout()
    _say(answers, packages)
    while header := sys.stdin.buffer.read(8):
        question = sys.stdin.buffer.read(struct.unpack("<Q", header)[0])
        wall, cpu = time.perf_counter(), time.process_time()
        found = answer(question)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        _say(answers, {**found, "ms": wall * 1e3, "cpu_ms": cpu * 1e3})


def _own_stdout() -> BinaryIO:
    """Standard output for the answers alone: whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _say(answers: BinaryIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content).encode() + b"\n")
    answers.flush()


class Worker:
    """A peer in a process of its own: `arguments` follow `python`, its own interpreter, on the command line.

    The versions of its `packages` are known once it is ready. Exits the benchmark where the worker dies.
    """

    def __init__(self, name: str, python: str, arguments: Sequence[str], threads: int) -> None:
        settings = {name: str(threads) for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "EMOLENS_THREADS")}
        self.name = name
        self._command = [python, *arguments]
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **settings, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.packages = cast("dict[str, str]", self._heard())

    def ask(self, question: bytes) -> dict[str, Any]:
        pipe = cast(BinaryIO, self._process.stdin)
        try:
            pipe.write(struct.pack("<Q", len(question)) + question)
            pipe.flush()
        except BrokenPipeError:
            pass  # said by the line that does not come
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        line = cast(BinaryIO, self._process.stdout).readline()
        if not line:
            sys.exit(f"{self.name} died; run {' '.join(self._command)} </dev/null to see why")
        return dict(json.loads(line))

    def close(self) -> None:
        cast(BinaryIO, self._process.stdin).close()
        self._process.wait(timeout=60)


def interleaved(workers: Sequence[Worker], questions: Sequence[bytes], rounds: int, seed: int) -> Answers:
    """Every answer: question by question in random order, workers in random order; a first round is thrown away."""
    shuffle = random.Random(seed).shuffle
    answers: Answers = {worker.name: [[] for _ in questions] for worker in workers}
    for number in range(rounds + 1):
        order = list(range(len(questions)))
        shuffle(order)
        for i in order:
            turn = list(workers)
            shuffle(turn)
            for worker in turn:
                time.sleep(PAUSE)
                answer = worker.ask(questions[i])
                if number:
                    answers[worker.name][i].append(answer)
    return answers


def bootstrap(figure: Callable[[np.ndarray], Any], n: int, draws: int, seed: int) -> np.ndarray:
    """The 2.5 and 97.5 percentiles of a figure of row numbers, over draws with replacement."""
    rng = np.random.default_rng(seed)
    return np.asarray(np.percentile([figure(rng.integers(0, n, n)) for _ in range(draws)], [2.5, 97.5], axis=0))


def median_interval(values: np.ndarray, draws: int, seed: int, form: str = ".1f") -> str:
    """The median of `values` with its 95 % bootstrap interval, as text."""
    low, high = bootstrap(lambda rows: np.median(values[rows]), len(values), draws, seed)
    return f"{np.median(values):{form}} [{low:{form}}, {high:{form}}]"


def use_cores(count: int) -> int:
    """Keeps this process and its children on the first `count` cores that it may use; says how many those are."""
    if not hasattr(os, "sched_setaffinity"):  # macOS and Windows: the threads are bounded all the same
        return min(count, os.cpu_count() or 1)
    cores = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, cores)
    return len(cores)


def machine(cores: int, packages: dict[str, str]) -> str:
    """CPU, cores used, load, versions and commit: what a figure needs beside it."""
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    named = ", ".join(f"{name} {version}" for name, version in packages.items())
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{_cpu()}, {cores} of {os.cpu_count()} cores{load}; {system}, {named}; commit {_commit()}"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of this checkout, and whether files differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + (" with changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.strip()
