"""Constants of few levels: what is unpacked is what was there, from as many bytes as promised."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sanitized import unpacked

from tinyc.ir import Array
from tinyc.kernels.levels import LAYOUTS, bundle, levels, table_bytes


def clustered(channels: int, depth: int, count: int) -> Array:
    """int8 [channels, depth] of so many levels in each channel, -128 and 127 among them."""
    rng = np.random.default_rng(channels * depth + count)
    rows = np.zeros((channels, depth), np.int8)
    for row in rows:
        known = np.append(rng.choice(np.arange(-127, 127), count - 2, replace=False), [-128, 127])
        row[:] = rng.choice(known, depth)
        row[:count] = known[: row[:count].size]
    return rows


def alike(count: int, size: int) -> Array:
    """int8 [size] of so many levels in all, -128 and 127 among them."""
    return np.resize(clustered(1, size, count), size)


def arrays() -> list[tuple[Array, tuple[int, int] | None]]:
    """Arrays as kernels hold them, and the layout of those that have few levels: as a whole, of odd
    sizes; of one channel after the other, of two and of four side by side, four inputs of a channel
    at a time; of two channels in an int16; of too many levels."""
    rows = {n: clustered(16, 200, n) for n in (4, 16)}
    wide = [np.maximum(r, -127).astype(np.int16) for r in rows.values()]
    halves = [r[0::2] + 256 * r[1::2] for r in wide]
    found: list[tuple[Array, tuple[int, int] | None]] = [
        (np.zeros(200, np.int8), (1, 1)),
        *((alike(n, size), (1, 1)) for n in (4, 16) for size in (201, 202, 205, 1000)),
        (alike(16, 400).reshape(5, 80).view(np.uint8) ^ np.uint8(128), (1, 1)),
    ]
    for r in rows.values():
        found += [
            (r, (1, 1)),
            (r.reshape(8, 2, 200).transpose(0, 2, 1), (1, 1)),
            (r.reshape(4, 4, 200).transpose(0, 2, 1), (2, 1)),
            (r.reshape(8, 2, 50, 4).transpose(0, 2, 1, 3)[:, :48], (2, 2)),
        ]
    for half in halves:
        for pairs, layout in ((1, (1, 1)), (2, (2, 2)), (4, (4, 2))):
            # [tile, pair, quad, half, parity] -> [tile, quad, parity, pair, half]
            tiles = half.reshape(-1, pairs, 50, 2, 2).transpose(0, 2, 4, 1, 3)
            found.append((tiles[:, :48], layout))
    found += [(np.arange(200, dtype=np.int8), None), (clustered(3, 20, 16), None)]
    return [(np.ascontiguousarray(data), layout) for data, layout in found]


def test_layouts() -> None:
    for data, layout in arrays():
        form = levels(data)
        assert (None if form is None else form.layout) == layout
        if form is not None:
            assert form.words().nbytes == form.bytes
    assert {layout for _, layout in arrays()} == {*LAYOUTS, None}


def test_bytes() -> None:
    """Those of places of 4 or 2 bits, and the tables."""
    for count, most in ((16, 0.53), (4, 0.26)):
        rows = clustered(64, 576, count).reshape(32, 2, 576).transpose(0, 2, 1)
        form = levels(np.ascontiguousarray(rows))
        assert form is not None and form.bytes <= most * 64 * 576
    assert levels(clustered(64, 40, 16)) is None  # tables would take more than places save


def test_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    """In C, under ASan and UBSan, from a stream of its exact length, to memory of the arena's."""
    gcc = shutil.which("gcc") or pytest.skip("no host gcc with ASan and UBSan found")
    pieces, streams = [], []
    for data, _ in arrays():
        at = -(-data.nbytes // 8) * 8
        streams.append(bundle([data], at))
        pieces.append((data.nbytes, at + table_bytes([data]), streams[-1].size))
    stream = np.concatenate(streams)
    made = unpacked(gcc, tmp_path, "tinyc_levels.h", "tinyc_unpack_levels", stream, pieces)
    assert made == b"".join(data.tobytes() for data, _ in arrays())
