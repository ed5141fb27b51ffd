"""Reads lists of arrays from joblib files without unpickling them.

A joblib file is a pickle in which each array is a small object (`joblib.numpy_pickle.NumpyArrayWrapper`: shape, order,
dtype, alignment) followed, in the middle of the stream, by one byte that counts padding, the padding, and the bytes of
the array. A pickle is a program, and running a stranger's program is what must not happen; so this is an interpreter
of its own for the few opcodes that lists of arrays need. The three names it knows stand for inert tokens: nothing is
imported, nothing is called.

Opcodes: CPython's `pickletools`. Layout: joblib's `numpy_pickle` (BSD-3), versions 0.10 to 1.5.
"""

from __future__ import annotations

import io
import math
import pickletools
from dataclasses import dataclass, field
from typing import Any

import lz4.frame
import numpy as np

from emolens.errors import ModelError

MOST_BYTES = 1 << 28  # a file that unpacks to more is no weight file of a face detector
LZ4_MAGIC = b"\x04\x22\x4d\x18"
WRAPPER, NDARRAY, DTYPE = ("joblib.numpy_pickle", "NumpyArrayWrapper"), ("numpy", "ndarray"), ("numpy", "dtype")
DTYPES = {"f2": np.float16, "f4": np.float32, "f8": np.float64, "i4": np.int32, "i8": np.int64}
MARK = object()


@dataclass(eq=False)
class _Token:
    """What a known name, or a call to one, becomes: a name and its state, with no behaviour."""

    name: tuple[str, str]
    code: str = ""
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Machine:
    """The state of the walk: the stream, the pickle's stack and its memo."""

    stream: io.BytesIO
    stack: list[Any] = field(default_factory=list)
    memo: list[Any] = field(default_factory=list)

    def since_mark(self) -> list[Any]:
        """Pops what lies above the last mark, and the mark."""
        at = max(i for i, item in enumerate(self.stack) if item is MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def pop(self, count: int) -> list[Any]:
        """Pops `count` items, in the order they were pushed."""
        items = self.stack[-count:]
        if len(items) < count:
            raise ModelError("the pickle's stack is empty")
        del self.stack[-count:]
        return items


def read_arrays(content: bytes, name: str = "the file") -> list[np.ndarray]:
    """The arrays of a joblib file that holds a list or tuple of arrays, plain or in an LZ4 frame.

    `content` is the file, `name` is what errors call it. Raises `ModelError` for everything else: other compressions,
    other objects, other opcodes, a truncated file.
    """
    try:
        if content.startswith(LZ4_MAGIC):
            content = _unpack(content)
        found = _walk(_Machine(io.BytesIO(content)))
    except (ModelError, ValueError, IndexError, KeyError, TypeError, RuntimeError, EOFError, OverflowError) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise ModelError(f"{name}: not a joblib file of a list of arrays ({reason}); install it again") from None
    return found


def _unpack(content: bytes) -> bytes:
    unpacked: bytes = lz4.frame.LZ4FrameDecompressor().decompress(content, max_length=MOST_BYTES + 1)
    if len(unpacked) > MOST_BYTES:
        raise ModelError(f"unpacks to more than {MOST_BYTES} bytes")
    return unpacked


def _walk(machine: _Machine) -> list[np.ndarray]:
    for opcode, argument, _ in pickletools.genops(machine.stream):
        if opcode.name == "STOP":
            break
        _step(machine, opcode.name, argument)
    (found,) = machine.stack
    if not isinstance(found, (list, tuple)) or not all(isinstance(item, np.ndarray) for item in found):
        raise ModelError(f"holds {type(found).__name__} and not a list of arrays")
    return list(found)


def _step(machine: _Machine, opcode: str, argument: Any) -> None:
    """One opcode. The ones that could call something admit the known tokens alone."""
    stack = machine.stack
    if opcode in ("PROTO", "FRAME"):
        return
    if opcode in CONSTANTS:
        stack.append(CONSTANTS[opcode]() if opcode in ("EMPTY_LIST", "EMPTY_DICT") else CONSTANTS[opcode])
    elif opcode in ("BININT", "BININT1", "BININT2", "SHORT_BINUNICODE"):
        stack.append(argument)
    elif opcode == "MEMOIZE":
        machine.memo.append(stack[-1])
    elif opcode in ("BINGET", "LONG_BINGET"):
        stack.append(machine.memo[argument])
    elif opcode == "TUPLE":
        stack.append(tuple(machine.since_mark()))
    elif opcode in ("TUPLE1", "TUPLE2", "TUPLE3"):
        stack.append(tuple(machine.pop(int(opcode[-1]))))
    elif opcode in ("APPEND", "APPENDS"):
        items = machine.pop(1) if opcode == "APPEND" else machine.since_mark()
        _of(stack[-1], list).extend(items)
    elif opcode in ("SETITEM", "SETITEMS"):
        items = machine.pop(2) if opcode == "SETITEM" else machine.since_mark()
        _of(stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))
    elif opcode in CALLS:
        stack.append(CALLS[opcode](*machine.pop(2)))
    elif opcode == "BUILD":
        target, state = machine.pop(2)
        stack.append(_build(machine, _of(target, _Token), state))
    else:
        raise ModelError(f"opcode {opcode} is not one that arrays need")


def _of(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise ModelError(f"a {type(value).__name__} where a {kind.__name__.strip('_')} belongs")
    return value


def _known(module: str, name: str) -> _Token:
    if (module, name) not in (WRAPPER, NDARRAY, DTYPE):
        raise ModelError(f"names {module}.{name}, which no array needs")
    return _Token((module, name))


def _new_wrapper(token: Any, arguments: Any) -> _Token:
    if _of(token, _Token).name != WRAPPER or arguments != ():
        raise ModelError("makes an object that is no array")
    return _Token(WRAPPER)


def _new_dtype(token: Any, arguments: Any) -> _Token:
    if _of(token, _Token).name != DTYPE or arguments[0] not in DTYPES:
        raise ModelError("calls something that is no type of numbers")
    return _Token(DTYPE, code=arguments[0])


def _build(machine: _Machine, target: _Token, state: Any) -> _Token | np.ndarray:
    if target.name == DTYPE and target.code:
        if state[1] not in ("<", "|"):  # state is (version, byte order, ...): numpy's __setstate__
            raise ModelError("numbers are not little-endian")
        return target
    if target.name != WRAPPER:
        raise ModelError("gives a state to something that has none")
    return _array(machine.stream, _of(state, dict))


def _array(stream: io.BytesIO, state: dict[str, Any]) -> np.ndarray:
    """The bytes of an array lie in the stream right behind its wrapper, after the padding that joblib counts."""
    dtype = np.dtype(DTYPES[_of(state["dtype"], _Token).code]).newbyteorder("<")
    if _of(state["subclass"], _Token).name != NDARRAY or state["order"] not in ("C", "F"):
        raise ModelError("an array of a kind that is not admitted")
    shape = tuple(_of(side, int) for side in state["shape"])
    wanted = math.prod(shape) * dtype.itemsize
    if state.get("numpy_array_alignment_bytes") is not None:
        stream.read(stream.read(1)[0])
    if min(shape, default=1) < 0 or wanted > MOST_BYTES or len(data := stream.read(wanted)) < wanted:
        raise ModelError(f"too few bytes for an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order=state["order"])


CONSTANTS: dict[str, Any] = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "MARK": MARK,
}  # fmt: skip
CALLS = {"STACK_GLOBAL": _known, "NEWOBJ": _new_wrapper, "REDUCE": _new_dtype}
