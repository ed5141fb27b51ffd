"""Reads pickled arrays of arrays, numbers and texts without unpickling them.

NumPy keeps an array of arrays of different sizes as a pickle, and a pickle is a program: running a stranger's program
is what must not happen. This is an interpreter of its own for the few opcodes that arrays of arrays need. The names it
knows stand for inert tokens; nothing is imported, nothing is called.

Opcodes: CPython's `pickletools`. Layout: `ndarray.__reduce__` of NumPy 1 and 2, protocols 2 to 4, Python 2 too.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emolens.errors import DataError
from emolens.files import replacing

MOST_BYTES = 1 << 28  # of one array; the crops of a picture are a few megabytes
RECONSTRUCT, NDARRAY, DTYPE, ENCODE, SCALAR = "reconstruct", "ndarray", "dtype", "encode", "scalar"
NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): SCALAR,
    ("numpy._core.multiarray", "scalar"): SCALAR,
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): DTYPE,
    ("_codecs", "encode"): ENCODE,
}
NUMBERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "b1")
OBJECTS = ("O8", "O4", "O")
LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING"}
)
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
MARK = object()


@dataclass(eq=False)
class _Token:
    """A known name, a type of numbers (`code`, `order`) or an array that is being built (`value`)."""

    kind: str
    code: str = ""
    order: Any = "<"
    value: Any = None


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop(self, count: int = 1) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("its stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def since_mark(self) -> list[Any]:
        at = max(i for i, item in enumerate(self.stack) if item is MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items


def plain_npz(path: Path, out: Path) -> dict[str, tuple[int, ...]]:
    """Write an .npz file anew without pickles, and give the shapes of its arrays.

    Arrays of arrays of one shape become one array, and arrays of numbers or texts plain ones. Raises `DataError` as
    `read_npz`, and for arrays of several shapes, `OutputError`.
    """
    plain: dict[str, Any] = {name: _plain(found, name, path) for name, found in read_npz(path).items()}
    with replacing(out) as draft, draft.open("wb") as file:
        np.savez(file, **plain)
    return {name: array.shape for name, array in plain.items()}


def _plain(found: np.ndarray | list[Any], name: str, path: Path) -> np.ndarray:
    if isinstance(found, np.ndarray):
        return found
    kinds = {type(item).__name__ for item in found}
    shapes = {item.shape for item in found if isinstance(item, np.ndarray)}
    if len(shapes) > 1 or (kinds & {"ndarray", "str", "NoneType"} and len(kinds) > 1) or kinds == {"NoneType"}:
        came = ", ".join(sorted(kinds)) + (f" of shapes {sorted(shapes)}" if shapes else "")
        raise DataError(f"{path}: {name!r} holds {came}, which no plain array can; crops of the old face layout are "
                        "converted with the folder they lie in")  # fmt: skip
    return np.stack(found) if shapes else np.array(found)


def read_npz(path: Path) -> dict[str, np.ndarray | list[Any]]:
    """The arrays of an .npz file by name; an array of objects is a list of arrays, numbers and texts.

    Raises `DataError` for what is no such file, and for a pickle of anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {member.filename.removesuffix(".npy"): _member(archive, member) for member in archive.infolist()}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the old layout has one a picture") from None
    except Exception as error:  # of damaged bytes zipfile, zlib and NumPy's tokenizer raise a dozen classes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: not an .npz file of arrays of numbers ({reason}); nothing in it was run") from None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray | list[Any]:
    if member.file_size > MOST_BYTES:
        raise ValueError(f"{member.filename} unpacks to {member.file_size} bytes, at most {MOST_BYTES} are read")
    content = archive.read(member)
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = header(stream)
    if dtype.hasobject:
        return objects_in(content[stream.tell() :])
    found: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    return found


def objects_in(pickled: bytes) -> list[Any]:
    """The items of a pickled array of objects: arrays, numbers, texts. Raises `ValueError` for any other pickle."""
    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "STOP":
            break
        _step(machine, opcode.name, argument)
    (found,) = machine.stack
    items = _of(found, "array").value
    if not isinstance(items, list):
        raise ValueError("holds one array of numbers, not an array of objects")
    return [_item(item) for item in items]


def _item(item: Any) -> Any:
    if item is None or isinstance(item, (str, int, float)):
        return item
    array = _of(item, "array").value
    if not isinstance(array, np.ndarray):
        raise ValueError("an array in it holds objects")
    return array


def _step(machine: _Machine, opcode: str, argument: Any) -> None:
    stack = machine.stack
    if opcode in ("PROTO", "FRAME"):
        return
    if opcode in CONSTANTS or opcode in LITERALS:
        stack.append(CONSTANTS.get(opcode, argument))
    elif opcode in ("MARK", "EMPTY_LIST"):
        stack.append(MARK if opcode == "MARK" else [])
    elif opcode in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
        machine.memo[len(machine.memo) if argument is None else argument] = stack[-1]
    elif opcode in ("BINGET", "LONG_BINGET"):
        stack.append(machine.memo[argument])
    elif opcode in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        stack.append(tuple(machine.since_mark() if opcode == "TUPLE" else machine.pop(int(opcode[-1]))))
    elif opcode in ("APPEND", "APPENDS"):
        items = machine.pop() if opcode == "APPEND" else machine.since_mark()
        stack[-1].extend(items)
    elif opcode in ("GLOBAL", "STACK_GLOBAL"):
        name = tuple(argument.split(" ") if opcode == "GLOBAL" else machine.pop(2))
        if name not in NAMES:
            raise ValueError(f"names {'.'.join(map(str, name))}, which no array needs")
        stack.append(_Token(NAMES[name]))
    elif opcode == "REDUCE":
        called, arguments = machine.pop(2)
        stack.append(_made(called, arguments))
    elif opcode == "BUILD":
        target, state = machine.pop(2)
        _build(target, state)
        stack.append(target)
    else:
        raise ValueError(f"opcode {opcode} is not one that arrays need")


def _of(value: Any, kind: str) -> _Token:
    if not isinstance(value, _Token) or value.kind != kind:
        raise ValueError(f"{type(value).__name__} where {kind} belongs")
    return value


def _made(called: Any, arguments: Any) -> Any:
    """What a call of one of the known names stands for."""
    kind = called.kind if isinstance(called, _Token) else ""
    if kind == RECONSTRUCT:
        _of(arguments[0], NDARRAY)
        return _Token("array")
    if kind == DTYPE and arguments[0] in (*NUMBERS, *OBJECTS):
        return _Token("numbers", arguments[0])
    if kind == SCALAR:
        return _values(_of(arguments[0], "numbers"), arguments[1], (1,)).tolist()[0]
    if kind == ENCODE and arguments[1] == "latin1":  # how protocol 2 keeps bytes
        return arguments[0].encode("latin1")
    raise ValueError("calls something that is no array")


def _build(target: Any, state: Any) -> None:
    if isinstance(target, _Token) and target.kind == "numbers":
        target.order = {"<": "<", "|": "|", ">": ">"}[state[1]]  # state is (version, byte order, ...)
        return
    array = _of(target, "array")
    _, shape, numbers, fortran, data = state
    kind = _of(numbers, "numbers")
    if kind.code in OBJECTS:
        if len(shape) != 1 or not isinstance(data, list) or len(data) != shape[0]:
            raise ValueError(f"an array of arrays of shape {shape}; one in a row is read")
        array.value = data
        return
    array.value = _values(kind, data, shape, "F" if fortran else "C")


def _values(numbers: _Token, data: Any, shape: Sequence[int], order: Any = "C") -> np.ndarray:
    data = data.encode("latin1") if isinstance(data, str) else data  # the bytes of Python 2
    dtype = np.dtype(numbers.code).newbyteorder(numbers.order)
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order=order)
