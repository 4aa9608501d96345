"""A bounds-checked reader of flatbuffers: nothing is followed that does not lie in the file.

The layout is that of the FlatBuffers internals page: a table starts with a signed offset
back to its vtable; the vtable holds its own size, the table's size and one 16-bit offset
for each field, 0 for an absent one; vectors and strings start with their 32-bit length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ...ir import Array

_SCALARS = {
    "bool": ("<B", 1), "i8": ("<b", 1), "u8": ("<B", 1), "i32": ("<i", 4), "u32": ("<I", 4),
    "i64": ("<q", 8), "u64": ("<Q", 8), "f32": ("<f", 4), "u16": ("<H", 2),
}  # fmt: skip


class MalformedError(ValueError):
    """An offset, a length or a field does not lie in the file."""


@dataclass(frozen=True)
class Table:
    """One table of the buffer ``buf`` at byte ``pos``; fields are read by slot number."""

    buf: bytes
    pos: int

    @classmethod
    def root(cls, buf: bytes) -> Table:
        return cls(buf, 0)._at(_integer(buf, 0, "u32"))

    def _at(self, pos: int) -> Table:
        vtable = pos - _integer(self.buf, pos, "i32")
        size, table_size = _integer(self.buf, vtable, "u16"), _integer(self.buf, vtable + 2, "u16")
        if (
            size < 4
            or size % 2
            or vtable + size > len(self.buf)
            or pos + table_size > len(self.buf)
        ):
            raise MalformedError(f"the table at byte {pos} has no valid vtable")
        return Table(self.buf, pos)

    def _field(self, slot: int) -> int | None:
        vtable = self.pos - _integer(self.buf, self.pos, "i32")
        entry = 4 + 2 * slot
        if entry + 2 > _integer(self.buf, vtable, "u16"):
            return None
        offset = _integer(self.buf, vtable + entry, "u16")
        return self.pos + offset if offset else None

    def scalar(self, slot: int, kind: str, default: float = 0) -> int | float:
        pos = self._field(slot)
        return default if pos is None else _scalar(self.buf, pos, kind)

    def table(self, slot: int) -> Table | None:
        pos = self._field(slot)
        return None if pos is None else self._at(pos + _integer(self.buf, pos, "u32"))

    def _vector(self, slot: int, item_size: int) -> tuple[int, int]:
        """(position of the first item, number of items); (0, 0) where absent."""
        pos = self._field(slot)
        if pos is None:
            return 0, 0
        start = pos + _integer(self.buf, pos, "u32")
        count = _integer(self.buf, start, "u32")
        if start + 4 + count * item_size > len(self.buf):
            raise MalformedError(f"the vector at byte {start} is longer than the file")
        return start + 4, count

    def bytes(self, slot: int) -> memoryview:
        """A vector of bytes as it lies in the buffer."""
        start, count = self._vector(slot, 1)
        return memoryview(self.buf)[start : start + count]

    def string(self, slot: int, limit: int | None = None) -> str:
        """A string, of which ``limit`` bounds the bytes that are read."""
        return bytes(self.bytes(slot)[:limit]).decode("utf-8", "replace")

    def array(self, slot: int, dtype: type[np.generic]) -> Array:
        """A vector of numbers as a 1-d array that is read-only: on a little-endian machine it
        is the buffer's own bytes."""
        start, count = self._vector(slot, np.dtype(dtype).itemsize)
        found: Array = np.frombuffer(self.buf, np.dtype(dtype).newbyteorder("<"), count, start)
        return found.astype(dtype, copy=False)

    def tables(self, slot: int) -> list[Table]:
        start, count = self._vector(slot, 4)
        return [
            self._at(start + 4 * i + _integer(self.buf, start + 4 * i, "u32")) for i in range(count)
        ]


def _scalar(buf: bytes, pos: int, kind: str) -> int | float:
    form, size = _SCALARS[kind]
    if pos < 0 or pos + size > len(buf):
        raise MalformedError(f"byte {pos} lies outside of the file")
    number: int | float = struct.unpack_from(form, buf, pos)[0]
    return number


def _integer(buf: bytes, pos: int, kind: str) -> int:
    return int(_scalar(buf, pos, kind))
