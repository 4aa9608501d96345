"""Constants of few levels in fewer bytes: places in tables, of 4 or 2 bits, of what
firmware/kernels/tinyc_levels.h gives back. Clustered weights are such, and those of few bits.

Bytes go by twos: a pair of places makes two bytes, or one int16 of a lower byte plus 256 times an
upper one (see `tinyc.kernels.halves`). A series of pairs has a table of its own for either byte, or
one for both: all of an array, or, where each channel has levels of its own, what lies in a group of
channels, first index of the array, every so many pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Array

UPPER = 0x80
"""Beside the number of bits: that pairs are int16."""
LAYOUTS = ((1, 1), (2, 1), (2, 2), (4, 2))
"""How many series lie in a group, and how many pairs of one side by side."""
UNIT = 4
"""Pairs that are unpacked at a time."""
WORTH = 0.75
"""Of the bytes of an array that it may take at the most."""
PAIR = {
    "Cortex-M0+": {2: 13.6, 4: 12.5},
    "Cortex-M3": {2: 6.6, 4: 5.4},
    "Cortex-M4": {2: 6.2, 4: 5.1},
    "Cortex-M33": {2: 6.2, 4: 5.1},
    "Cortex-M7": {2: 6.2, 4: 5.1},
}
ENTRY = {"Cortex-M0+": 5.7, "Cortex-M3": 3.5, "Cortex-M4": 2.6, "Cortex-M33": 2.6, "Cortex-M7": 2.6}
"""Cycles to unpack a pair, by the bits of a place, and to make what it is looked up in, at zero
wait states: measured on Cortex-M0+, M3 and M4, of the weights of a 3x3 convolution of 64 channels
with 64, each with levels of its own."""


@dataclass(frozen=True)
class Levels:
    """An array, so coded. bits: of a place; series: [series, pairs, 2]: the levels as int16;
    layout: of `LAYOUTS`; shared: whether both bytes of a series have one table; itemsize: of an
    element; groups: of series that lie one behind the other."""

    bits: int
    series: Array
    layout: tuple[int, int]
    shared: bool
    itemsize: int
    groups: int

    @property
    def table_bytes(self) -> int:
        """Of what pairs are looked up in when they are unpacked."""
        return 2 << 2 * self.bits

    def cycles(self, core: str) -> float:
        pairs = self.series.shape[0] * self.series.shape[1]
        return PAIR[core][self.bits] * pairs + ENTRY[core] * len(self.series) * self.table_bytes / 2

    @property
    def bytes(self) -> int:
        """That it takes."""
        count, pairs, _ = self.series.shape
        tables = (1 if self.shared else 2) << self.bits
        return 12 + count * (tables + -(-2 * pairs * self.bits // 32) * 4)

    def words(self) -> Array:
        """uint32: what stands for the array, its first word apart."""
        count, run = self.layout
        pairs = self.series.shape[1]
        bits = self.bits | (UPPER if self.itemsize == 2 else 0)
        step = 2 * count if run == 1 else 2
        tables = 1 if self.shared else 2
        found = [
            np.array([self.groups | count << 16, pairs | bits << 16 | tables << 24], "<u4"),
            np.array([step | 4 * count << 8 | 2 * run << 16], "<u4"),
        ]
        for one in self.series:
            found += _coded(one, self.bits, self.shared)
        return np.asarray(np.concatenate(found))


def levels(data: Array) -> Levels | None:
    """``data`` in the fewest bytes that this comes to; None where it has too many levels, or too
    few bytes."""
    forms = [form for form in _forms(data) if form is not None]
    best = min(forms, key=lambda form: form.bytes, default=None)
    return best if best and best.bytes <= WORTH * data.nbytes else None


def unpacking(data: Array, core: str) -> float:
    """Cycles that an array takes to be unpacked. core: see `tinyc.kernels.cost.core_of`."""
    form = levels(data)
    return data.nbytes / 2 if form is None else form.cycles(core)


def bundle(arrays: Sequence[Array], at: int) -> Array:
    """int32: arrays that are unpacked at once, those of few levels by them. at: bytes from where
    they are unpacked to up to memory for tables."""
    found = [np.array([len(arrays) | at << 8], "<u4")]
    for data in arrays:
        form = levels(data)
        found.append(np.array([data.nbytes | (0 if form is None else 1) << 16], "<u4"))
        found.append(_words(_bytes(data)) if form is None else form.words())
    return np.asarray(np.concatenate(found).view(np.int32))


def table_bytes(arrays: Sequence[Array]) -> int:
    """Of the tables that are made to unpack them."""
    return max((form.table_bytes for form in map(levels, arrays) if form is not None), default=0)


def _bytes(data: Array) -> bytes:
    return data.astype(data.dtype.newbyteorder("<")).tobytes()


def _words(data: bytes) -> Array:
    return np.frombuffer(data + bytes(-len(data) % 4), "<u4")


def _forms(data: Array) -> Iterator[Levels | None]:
    if data.itemsize > 2 or data.dtype.kind == "f" or not data.size:
        return
    pairs = _pairs(data)
    for bits in (2, 4):
        whole = np.concatenate([pairs, np.repeat(pairs[-1:], -len(pairs) % UNIT, 0)])
        yield _form(whole[None], bits, (1, 1), data.itemsize, 1)
        groups = data.shape[0]
        for count, run in LAYOUTS:
            if len(pairs) % (groups * count * UNIT) or groups == 1:
                continue
            parts = pairs.reshape(groups, -1, count, run, 2).transpose(0, 2, 1, 3, 4)
            series = parts.reshape(groups * count, -1, 2)
            yield _form(series, bits, (count, run), data.itemsize, groups)


def _pairs(data: Array) -> Array:
    """int16 [pairs, 2]: lower and upper bytes, as they are told apart."""
    if data.itemsize == 2:
        flat = data.ravel().astype(np.int64)
        lower = ((flat + 128) & 255) - 128
        return np.asarray(np.stack([lower, (flat - lower) >> 8], 1), np.int16)
    flat = np.frombuffer(_bytes(data), np.int8).astype(np.int16)
    return np.concatenate([flat, flat[-1:]] if flat.size % 2 else [flat]).reshape(-1, 2)


def _form(
    series: Array, bits: int, layout: tuple[int, int], itemsize: int, groups: int
) -> Levels | None:
    most = 1 << bits
    if all(len(np.unique(one)) <= most for one in series):
        return Levels(bits, series, layout, True, itemsize, groups)
    if all(len(np.unique(one[:, i])) <= most for one in series for i in (0, 1)):
        return Levels(bits, series, layout, False, itemsize, groups)
    return None


def _coded(series: Array, bits: int, shared: bool) -> list[Array]:
    """The tables of a series, and the places of its pairs in them."""
    tables, places = [], np.zeros(len(series), np.int64)
    for i in range(2):
        known = np.unique(series if shared else series[:, i])
        if i == 0 or not shared:
            tables.append(np.resize(np.append(known, known[-1:]), 1 << bits).astype(np.int8))
            tables[-1][: len(known)] = known
        places |= np.searchsorted(known, series[:, i]) << bits * i
    each = 4 // bits  # of places of pairs, in a byte
    filled = np.append(places, np.zeros(-len(places) % each, np.int64)).reshape(-1, each)
    codes = (filled << 2 * bits * np.arange(each)).sum(1).astype(np.uint8)
    return [_words(np.concatenate(tables).tobytes()), _words(codes.tobytes())]
