"""Constants in fewer bytes: Rice codes of what firmware/kernels/tinyc_unpack.h gives back.

Weights of int8 lie around zero, and the bytes of one place in a table's entries are alike. A run of
such bytes is coded as differences d from a centre: u = 2 d, or -2 d - 1 for negative ones, is
written as u >> low in zeros and a one, and its ``low`` low bits. `ESCAPE` zeros stand before u that
would take so many or more: its eight bits follow the one.

What is unpacked at once, one array after the other, begins with a byte that says how many there
are. Before the runs of each stand its bytes, by two, and how far apart its like bytes are: 0 where
nothing is unpacked, as they are there.

A run begins with a byte: ``low`` (0 to 7), or `RAW` where the bytes stand as they are; plus
`CENTRED` where the centre follows, which else is 0. Its last byte is filled up with zeros.

`TWO_OF_FOUR` stands there for a run of which each four bytes have two of zero, as "2:4" pruning
leaves them: 19 bits for each four, three for the places of the other two, and these. What unpacks
that too is code of its own, see firmware/kernels/tinyc_unpack_two_of_four.h.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Array
from .base import Constant

RAW, TWO_OF_FOUR, CENTRED, ESCAPE = 8, 9, 16, 15
PLACES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""Of the two of four bytes, by their three bits."""
LONGEST_ENTRY = 64
"""Bytes of what may be the entry of a table."""
READ_AHEAD = 3
"""Bytes behind the last run that are read, whatever they are."""


def period(constant: Constant, twos: bool = False) -> int:
    """How far apart the bytes of a constant are that are most alike: side by side, elements, or
    entries of a table."""
    data = constant.data
    apart = {1, data.itemsize, data.itemsize * (data.shape[-1] if data.ndim > 1 else 1)}
    few = [p for p in sorted(apart) if p <= LONGEST_ENTRY]
    return min(few, key=lambda p: len(encode(data, p, twos)))


def encode(data: Array, period: int, twos: bool = False) -> bytes:
    """``data``, written in C order, little-endian, in so many runs as the ``period`` has bytes;
    twos: whether these may be `TWO_OF_FOUR`."""
    flat = np.frombuffer(data.astype(data.dtype.newbyteorder("<")).tobytes(), np.uint8)
    return b"".join(_run(plane, twos) for plane in flat.reshape(-1, period).T)


def bundle(arrays: Sequence[Array], periods: Sequence[int], twos: bool = False) -> bytes:
    """Arrays that are unpacked at once; twos: see `encode`."""
    found = bytes([len(arrays)])
    for data, period in zip(arrays, periods, strict=True):
        head = data.nbytes.to_bytes(2, "little") + bytes([period])
        found += head + (encode(data, period, twos) if period else b"")
    return found


def _run(plane: Array, twos: bool) -> bytes:
    """The shortest form of a run of uint8."""
    forms = [bytes([RAW]) + plane.tobytes()]
    if not plane.size:
        return forms[0]
    if twos and plane.size % 4 == 0 and np.count_nonzero(plane.reshape(-1, 4), 1).max() <= 2:
        forms.append(bytes([TWO_OF_FOUR]) + _twos(plane.reshape(-1, 4)))
    values, counts = np.unique(plane, return_counts=True)
    centres = {0, int(values[np.argmax(counts)]), int(np.median(plane.astype(np.int8))) & 0xFF}
    for centre in sorted(centres):
        d = (plane - np.uint8(centre)).astype(np.int8).astype(np.int64)
        u = np.where(d < 0, -2 * d - 1, 2 * d)
        low = min(range(8), key=lambda low: int(_lengths(u, low).sum()))
        head = bytes([low | CENTRED, centre]) if centre else bytes([low])
        forms.append(head + _codes(u, low))
    return min(forms, key=len)


def _twos(fours: Array) -> bytes:
    """Of uint8 [fours, 4], two of which at the most are not 0."""
    rest = np.array([[i for i in range(4) if i not in places] for places in PLACES])
    which = np.argmin([fours[:, others].any(1) for others in rest], 0)
    kept = np.take_along_axis(fours, np.array(PLACES)[which], 1)
    places = np.unpackbits(which.astype(np.uint8)[:, None], axis=1)[:, -3:]
    return np.packbits(np.concatenate([places, np.unpackbits(kept, axis=1)], 1)).tobytes()


def _lengths(u: Array, low: int) -> Array:
    """Bits of the code of each number."""
    return np.where(u >> low < ESCAPE, (u >> low) + 1 + low, ESCAPE + 1 + 8)


def _codes(u: Array, low: int) -> bytes:
    escaped = u >> low >= ESCAPE
    after = np.where(escaped, 8, low)  # bits behind the one
    zeros = np.where(escaped, ESCAPE, u >> low)
    rest = np.where(escaped, u, u & ((1 << low) - 1))
    ends = np.cumsum(zeros + 1 + after)
    bits = np.zeros(int(ends[-1]), np.uint8)
    bits[ends - after - 1] = 1
    for place in range(8):
        has = after > place
        bits[ends[has] - 1 - place] = rest[has] >> place & 1
    return np.packbits(bits).tobytes()
