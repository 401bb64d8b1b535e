"""Reads the pickles of the official CIFAR-10 batches without the pickle module.

Those files need 23 of pickle's opcodes. This reader knows exactly these, and none of them calls
anything: a name in the file is compared with the three NumPy names that stand in the batches and
becomes a symbol, never an object of that name. Nothing is read back from the memo, so what comes
out is a tree, and the memory it takes is bounded by the file's size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError

#: What a batch holds: numbers, byte strings, lists of these, and uint8 arrays.
Batch = dict[bytes, int | bytes | list[int | bytes] | npt.NDArray[np.uint8]]


class _Symbol(Enum):
    """Stands for a NumPy function, type or object while an array is put together."""

    RECONSTRUCT = auto()
    NDARRAY = auto()
    DTYPE = auto()
    UINT8 = auto()
    EMPTY_ARRAY = auto()


_GLOBALS = {
    (b"numpy.core.multiarray", b"_reconstruct"): _Symbol.RECONSTRUCT,
    (b"numpy", b"ndarray"): _Symbol.NDARRAY,
    (b"numpy", b"dtype"): _Symbol.DTYPE,
}
_CALLS = [
    (_Symbol.RECONSTRUCT, (_Symbol.NDARRAY, (0,), b"b"), _Symbol.EMPTY_ARRAY),
    (_Symbol.DTYPE, (b"u1", 0, 1), _Symbol.UINT8),
]
_UINT8_STATE = (3, b"|", None, None, None, -1, -1, 0)


class _Refused(Exception):
    """The reason why the bytes are refused, without the file's name."""


def read_batch(data: bytes, name: str) -> Batch:
    """Read the bytes of one batch.

    Parameters
    ----------
    data : bytes
        The whole file. Check its hash first: this reader only promises that nothing is run.
    name : str
        The file's name, for messages.

    Raises
    ------
    CorruptFileError
        On whatever the official batches do not contain, other names to import among it.
    """
    try:
        return _Reader(data).read()
    except _Refused as reason:
        raise CorruptFileError(f"{name} must be an official CIFAR-10 batch, but {reason}") from None


class _Reader:
    """A stack machine for the opcodes of the batches."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []

    def read(self) -> Batch:
        while (opcode := self._take(1)) != b".":
            if opcode not in _ACTIONS:
                raise _Refused(f"byte {self._place - 1} is an opcode that no batch uses: {opcode!r}")
            _ACTIONS[opcode](self)
        if len(self._stack) != 1 or type(self._stack[0]) is not dict or self._marks:
            raise _Refused("it is not one dictionary")
        if self._place != len(self._data):
            raise _Refused(f"{len(self._data) - self._place} bytes follow its end")
        batch: Batch = self._stack[0]
        return batch

    # Pieces of the file

    def _take(self, size: int) -> bytes:
        piece = self._data[self._place : self._place + size]
        if len(piece) != size:
            raise _Refused(f"it ends at byte {len(self._data)}, within an opcode")
        self._place += size
        return piece

    def _number(self, layout: str) -> int:
        return int(struct.unpack(layout, self._take(struct.calcsize(layout)))[0])

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self._place, self._place + 100)
        if end < 0:
            raise _Refused(f"the name at byte {self._place} has no end")
        return self._take(end + 1 - self._place)[:-1]

    # The stack

    def _pop(self) -> Any:
        # A mark protects what lies below it, as in pickle.
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise _Refused(f"the opcode before byte {self._place} finds an empty stack")
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise _Refused(f"the opcode before byte {self._place} finds no mark")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    # Opcodes

    def protocol(self) -> None:
        if (number := self._number("B")) != 2:
            raise _Refused(f"it is a pickle of protocol {number}, not 2")

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def push_number(self, layout: str) -> None:
        self._stack.append(self._number(layout))

    def push_bytes(self, layout: str) -> None:
        size = self._number(layout)
        if size < 0:
            raise _Refused(f"the string at byte {self._place} has a negative length")
        self._stack.append(self._take(size))

    def forget(self, size: int) -> None:
        self._take(size)  # a memo index; none is ever read back

    def appends(self) -> None:
        items, target = self._pop_to_mark(), self._pop()
        if type(target) is not list or not all(type(item) in (int, bytes) for item in items):
            raise _Refused(f"a list before byte {self._place} holds more than numbers and strings")
        target.extend(items)
        self._stack.append(target)

    def set_items(self) -> None:
        items, target = self._pop_to_mark(), self._pop()
        keys, values = items[::2], items[1::2]
        if (
            type(target) is not dict
            or len(keys) != len(values)
            or not all(type(key) is bytes for key in keys)
            or not all(type(value) in (int, bytes, list, np.ndarray) for value in values)
        ):
            raise _Refused(f"a dictionary before byte {self._place} holds what no batch does")
        target.update(zip(keys, values, strict=True))
        self._stack.append(target)

    def tuple_to_mark(self) -> None:
        self._push_tuple(self._pop_to_mark())

    def tuple_of(self, size: int) -> None:
        self._push_tuple([self._pop() for _ in range(size)][::-1])

    def _push_tuple(self, items: list[Any]) -> None:
        # Tuples are compared with `==` later, which an array among the items would answer with an array.
        if any(type(item) in (np.ndarray, list, dict) for item in items):
            raise _Refused(f"a tuple before byte {self._place} holds what no batch does")
        self._stack.append(tuple(items))

    def symbol(self) -> None:
        module, name = self._line(), self._line()
        if (module, name) not in _GLOBALS:
            raise _Refused(f"it names {(module + b'.' + name).decode('latin-1')!r}; nothing was run")
        self._stack.append(_GLOBALS[module, name])

    def reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        for known, expected, result in _CALLS:
            if function is known and type(arguments) is tuple and arguments == expected:
                self._stack.append(result)
                return
        raise _Refused(f"the call before byte {self._place} is none that a batch needs; nothing was run")

    def build(self) -> None:
        state, target = self._pop(), self._pop()
        if target is _Symbol.UINT8 and type(state) is tuple and state == _UINT8_STATE:
            self._stack.append(target)
        elif target is _Symbol.EMPTY_ARRAY and type(state) is tuple:
            self._stack.append(_array(state))
        else:
            raise _Refused(f"the object before byte {self._place} is none that a batch needs")


def _array(state: tuple[Any, ...]) -> npt.NDArray[np.uint8]:
    """Return the array of a pickled state: (1, (rows, columns), uint8, C order, bytes)."""
    if len(state) != 5 or state[0] != 1 or state[2] is not _Symbol.UINT8 or state[3] is not False:
        raise _Refused("its array is not of uint8 in C order")
    shape, data = state[1], state[4]
    if type(shape) is not tuple or len(shape) != 2 or not all(type(size) is int for size in shape):
        raise _Refused("its array has not two axes")
    if type(data) is not bytes or min(shape) < 1 or shape[0] * shape[1] != len(data):
        raise _Refused(f"its array of shape {shape} has another number of bytes")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


_ACTIONS: dict[bytes, Callable[[_Reader], None]] = {
    b"\x80": _Reader.protocol,
    b"(": _Reader.mark,
    b"}": lambda reader: reader.push({}),
    b"]": lambda reader: reader.push([]),
    b"N": lambda reader: reader.push(None),
    b"\x89": lambda reader: reader.push(False),
    b"K": lambda reader: reader.push_number("<B"),
    b"M": lambda reader: reader.push_number("<H"),
    b"J": lambda reader: reader.push_number("<i"),
    b"U": lambda reader: reader.push_bytes("<B"),
    b"T": lambda reader: reader.push_bytes("<i"),
    b"q": lambda reader: reader.forget(1),
    b"r": lambda reader: reader.forget(4),
    b"e": _Reader.appends,
    b"u": _Reader.set_items,
    b"t": _Reader.tuple_to_mark,
    b"\x85": lambda reader: reader.tuple_of(1),
    b"\x86": lambda reader: reader.tuple_of(2),
    b"\x87": lambda reader: reader.tuple_of(3),
    b"c": _Reader.symbol,
    b"R": _Reader.reduce,
    b"b": _Reader.build,
}
