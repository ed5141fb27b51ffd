"""Pictures decoded ahead by threads, in order, while the models run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np

from emolens.errors import InputError
from emolens.pictures.images import open_image
from emolens.pictures.limits import LIMITS, Limits
from emolens.pictures.sources import source_name

Decoded: TypeAlias = "tuple[str, np.ndarray | InputError]"
"""The name of a source, and its picture, RGB uint8 (H, W, 3), or what kept it from being read."""

THREADS = 2
AHEAD = 2


def decode(source: Any, limits: Limits = LIMITS) -> Decoded:
    """The name of a source, and its picture or the error in its place."""
    name = source_name(source)
    try:
        return name, open_image(source, limits=limits)
    except InputError as error:
        return name, error


def decode_ahead(sources: Iterable[Any], limits: Limits = LIMITS) -> Iterator[Decoded]:
    """`decode` of each source, in order; `AHEAD` sources are read ahead of the one that is yielded.

    The threads, named `emolens-decode`, end with the iterator, also when it is closed early.
    """
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="emolens-decode")
    waiting: deque[Future[Decoded]] = deque()
    try:
        for source in sources:
            waiting.append(pool.submit(decode, source, limits))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a slow URL must not hold up the one who closes
