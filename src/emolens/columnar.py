"""Arrow columns laid out by hand.

Arrow imports pandas before it looks at a Python object or a NumPy array: 50 MB and more, and a quarter of a second, for
nothing that is needed here. `kind` is always an Arrow type, which brings its library along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def column(values: Sequence[Any], kind: Any) -> Any:
    """Texts, bytes or numbers, some of them None, as an Arrow array of that type, of 2 GB of text or bytes at most."""
    import pyarrow as pa

    if (missing := sum(value is None for value in values)) == len(values):
        return pa.nulls(len(values), kind)
    there = np.packbits([value is not None for value in values], bitorder="little") if missing else None
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        whole = [b"" if value is None else value.encode() if isinstance(value, str) else value for value in values]
        return _array(kind, len(values), there, _offsets(whole), b"".join(whole))
    numbers = [0 if value is None else value for value in values]
    return _array(kind, len(values), there, np.array(numbers, kind.to_pandas_dtype()))


def lists(cells: Sequence[np.ndarray], kind: Any) -> Any:
    """Arrays (n, ...) of numbers, one a row, as an Arrow array of lists of numbers, or of lists of so many numbers."""
    import pyarrow as pa

    fixed = pa.types.is_fixed_size_list(kind.value_type)
    number = kind.value_type.value_type if fixed else kind.value_type
    flat = np.concatenate([np.empty(0, number.to_pandas_dtype()), *(cell.ravel() for cell in cells)])
    items = _array(number, len(flat), None, flat.astype(number.to_pandas_dtype(), copy=False))
    if fixed:
        items = pa.FixedSizeListArray.from_arrays(items, kind.value_type.list_size)
    return pa.Array.from_buffers(kind, len(cells), [None, pa.py_buffer(_offsets(cells))], children=[items])


def _offsets(cells: Sequence[Any]) -> np.ndarray:
    ends = np.cumsum([0, *map(len, cells)], dtype=np.int64)
    if ends[-1] >= 2**31:
        raise OverflowError(
            f"{ends[-1]:,} bytes or numbers in one column, Arrow's lists end at 2**31; write fewer rows at once"
        )
    return ends.astype(np.int32)


def _array(kind: Any, length: int, *parts: Any) -> Any:
    import pyarrow as pa

    buffers = [None if part is None else pa.py_buffer(part) for part in parts]
    return pa.Array.from_buffers(kind, length, buffers)
