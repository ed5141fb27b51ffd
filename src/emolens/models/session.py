"""ONNX Runtime sessions: how they are opened, on how many cores, and what they share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import onnxruntime as ort

from emolens.errors import ModelError, OptionError

# TensorRT compiles for minutes on first use, and CUDA serves the same machines; Azure sends what it is given away.
SKIPPED_PROVIDERS = {"TensorrtExecutionProvider", "AzureExecutionProvider"}

MOST_THREADS = 1024

RESERVED = 1 << 28
"""Bytes of address space for what the nets compute, of which the system gives only what is written to. In the pieces of
growing size that ONNX Runtime takes otherwise, what two threads need at once leaves gaps that too little fits into."""

ROWS_A_CORE = 8
"""The least that a core is dealt of a batch: less is not worth opening a second session."""


def open_session(model: Path | bytes, threads: int | None = None) -> ort.InferenceSession:
    """Open an ONNX file, or its bytes, on the best provider that is installed; warns where that one does not start.

    `threads` bounds the threads inside one operator; by default `EMOLENS_THREADS`, else what ONNX Runtime finds.
    Raises `ModelError` where the file is no model, `OptionError` where the variable is no number.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or _threads_wanted()
    # Idle threads of one session would burn the cores that the next net, or the decoder of the next picture, needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _open_shared_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # ONNX Runtime would keep a plan of its memory for every shape it ever saw: 40 MB over 1,000 photos of many sizes.
    options.enable_mem_pattern = False
    content = model if isinstance(model, bytes) else str(model)
    providers = [name for name in ort.get_available_providers() if name not in SKIPPED_PROVIDERS]
    try:
        session = ort.InferenceSession(content, options, providers=providers)
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own
        name = "the bytes given" if isinstance(model, bytes) else str(model)
        reason = " ".join(str(error).split())
        raise ModelError(f"{name}: not a model that ONNX Runtime {ort.__version__} can open ({reason})") from None
    if (used := session.get_providers()[0]) != providers[0]:
        warnings.warn(f"{providers[0]} did not start, {used} is used", RuntimeWarning, stacklevel=2)
    return session


@cache
def _open_shared_memory() -> None:
    """One store of memory for all sessions of this process; each would else keep for ever what it needed once.

    Two cores with every task, 21 photos of 640 px: 282 MB resident instead of 568, in no more time.
    """
    sizes = {"initial_chunk_size_bytes": RESERVED}
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    with suppress(Exception):  # another library of this process has opened one, which serves as well
        ort.create_and_register_allocator(place, ort.OrtArenaCfg(sizes))


class Net:
    """One ONNX file, or its bytes: open on all cores that may be used and, once that is asked for, on one.

    Whoever has several pictures at a time has them done sooner, and with less work, one picture a core than all cores
    on each picture. Raises as `open_session` does.
    """

    def __init__(self, model: Path | bytes, threads: int | None = None) -> None:
        self._model = model
        self._threads = threads
        self.all_cores = open_session(model, threads)

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs `names` for the rows, along the first axis, of the inputs.

        A large batch is dealt out, a part a core: 32 faces of 48 px on two cores take a seventh less processor time
        than with both cores on every operator, one after the other.
        """
        rows = len(next(iter(inputs.values())))
        lanes = min(self._threads or cores(), cores(), rows // ROWS_A_CORE)
        if lanes < 2 or (session := self.one_core) is self.all_cores:
            return list(self.all_cores.run(list(names), dict(inputs)))
        dealt = zip(*(np.array_split(values, lanes) for values in inputs.values()), strict=True)
        with ThreadPoolExecutor(lanes) as pool:
            found = list(pool.map(lambda part: session.run(list(names), dict(zip(inputs, part, strict=True))), dealt))
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    @cached_property
    def one_core(self) -> ort.InferenceSession:
        """Runs in the thread that calls it, and in no other; on a GPU there is nothing to share out."""
        if cores() == 1 or self.all_cores.get_providers()[0] != "CPUExecutionProvider":
            return self.all_cores
        return open_session(self._model, 1)


def cores() -> int:
    """The cores to use: `EMOLENS_THREADS`, else those that this process may use, in a container often not all."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_threads_wanted() or allowed, allowed)


def _threads_wanted() -> int:
    named = os.environ.get("EMOLENS_THREADS") or "0"
    if not named.isdecimal() or int(named) > MOST_THREADS:
        raise OptionError(
            f"EMOLENS_THREADS is {named!r}, needs a number of threads up to {MOST_THREADS}, or 0 for one a core"
        )
    return int(named)
