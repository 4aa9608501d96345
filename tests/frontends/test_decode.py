"""TFLM_DECODE: compressed weights are what was compressed, as TensorFlow Lite Micro reads them."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, tflm, write_model

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read

TABLES, HUFFMAN, PRUNED = 0, 1, 2
Pair = tuple[np.ndarray, np.ndarray]


def header(form: int, *more: int) -> np.ndarray:
    return np.pad(np.array([form, 1, 0, 0, 1, *more], np.uint8), (0, 11 - len(more)))


def packed(bits: str) -> np.ndarray:
    """A string of bits as bytes, in whole words."""
    bits = bits.ljust(-(-len(bits) // 32) * 32, "0")
    return np.array([int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)], np.uint8)


def pair(form: int, more: list[int], tables: np.ndarray, bits: str) -> Pair:
    behind = np.frombuffer(tables.tobytes(), np.uint8)
    return packed(bits), np.concatenate([header(form, *more), behind])


def with_tables(data: np.ndarray, width: int, axis: int | None) -> Pair:
    """Indices into the values that each channel has."""
    rows = [data] if axis is None else np.moveaxis(data, axis, 0)
    tables = [np.unique(row) for row in rows]
    stride = max(map(len, tables))
    at = [np.searchsorted(table, row) for table, row in zip(tables, rows, strict=True)]
    indices = at[0] if axis is None else np.moveaxis(np.stack(at), 0, axis)
    assert stride <= 1 << width
    bits = "".join(f"{i:0{width}b}" for i in indices.ravel())
    return pair(TABLES, [width, stride], np.stack([np.resize(t, stride) for t in tables]), bits)


def pruned(data: np.ndarray, zeros: np.ndarray) -> Pair:
    there = data != zeros
    bits = "".join("01"[int(b)] for b in there.ravel())
    return pair(PRUNED, [], data[there], bits)


CODES = {7: "00", -3: "01", 100: "100", -128: "1010", 0: "10110", 55: "10111", 1: "110", 2: "111"}


def huffman(data: np.ndarray, wide: bool) -> Pair:
    """By `CODES` and tables of two bits each."""
    entry, places = (np.uint32, 27) if wide else (np.uint16, 11)
    mask = 0xFFFF if data.dtype == np.int16 else 0xFF
    table: list[int] = []

    def fill(prefix: str) -> int:
        start = len(table)
        table.extend([0] * 4)
        for i in range(4):
            here = f"{prefix}{i:02b}"
            known = [s for s, code in CODES.items() if here.startswith(code)]
            if known:
                used = len(CODES[known[0]]) - len(prefix)
                found = 1 << (8 * np.dtype(entry).itemsize - 1)
                table[start + i] = found | used << places | (known[0] & mask)
            else:
                table[start + i] = 1 << places | (fill(here) - start - i)
        return start

    fill("")
    bits = "".join(CODES[int(x)] for x in data.ravel())
    return pair(HUFFMAN, [1 << 4 | wide], np.array(table, entry), bits)


def model(path: Path, pairs: list[Pair], weights: list[TensorSpec]) -> Path:
    """A model that gives an input less what is below 0, and what it decodes."""
    constants = [a for both in pairs for a in both]
    tensors = [
        TensorSpec("x", (1, 4), "float32"), TensorSpec("y", (1, 4), "float32"),
        *(TensorSpec(f"c{i}", a.shape, "uint8", data=a) for i, a in enumerate(constants)),
        *weights,
    ]  # fmt: skip
    results = [2 + len(constants) + i for i in range(len(weights))]
    coded = list(range(2, 2 + len(constants)))
    steps = [("CUSTOM TFLM_DECODE", b"", coded, results), ("RELU", None, [0], [1])]
    return write_model(path, steps, tensors, [0], [1, *results])


def spec(data: np.ndarray, channels: int = 1, axis: int = 0, zero: Any = 0) -> TensorSpec:
    scale = np.linspace(0.1, 1, channels) if data.dtype == np.int8 else None
    return TensorSpec("w", data.shape, data.dtype.name, scale, zero, axis)


def compare(path: Path, weights: list[np.ndarray]) -> None:
    graph = read(path)
    for value, data in zip(graph.outputs[1:], weights, strict=True):
        np.testing.assert_array_equal(value.array, data)
    if tflm() is not None:
        interpreter = tflm().from_file(str(path), arena_size=1 << 16)
        interpreter.set_input(np.zeros((1, 4), np.float32), 0)
        interpreter.invoke()
        for i, data in enumerate(weights):
            np.testing.assert_array_equal(interpreter.get_output(i + 1), data)


@pytest.mark.parametrize("width", range(1, 8))
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float32"])
def test_tables(width: int, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(width)
    values = rng.integers(-128, 128, 1 << width).astype(dtype)
    data = values[rng.integers(0, len(values), (7, 5))]
    pairs = [with_tables(data, width, None)]
    compare(model(tmp_path / "m.tflite", pairs, [spec(data)]), [data])


@pytest.mark.parametrize("axis", [0, 1])
def test_tables_of_channels(axis: int, tmp_path: Path) -> None:
    data = np.random.default_rng(axis).integers(-4, 4, (6, 6)).astype(np.int8)
    weights = [spec(data, 6, axis, [0] * 6)]
    compare(model(tmp_path / "m.tflite", [with_tables(data, 4, axis)], weights), [data])


@pytest.mark.parametrize("zeros", [[0], [-5], [3, 0, -2, 7, 1, 1]])
@pytest.mark.parametrize("axis", [0, 1])
def test_pruned(axis: int, zeros: list[int], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    zero = np.reshape(zeros, (-1, 1) if axis == 0 else (1, -1)).astype(np.int8)
    data = np.where(rng.random((6, 6)) < 0.6, zero, rng.integers(-99, 99, (6, 6))).astype(np.int8)
    weights = [spec(data, len(zeros), axis if len(zeros) > 1 else 0, zeros)]
    compare(model(tmp_path / "m.tflite", [pruned(data, zero)], weights), [data])


@pytest.mark.parametrize(("dtype", "wide"), [("int8", False), ("int8", True), ("int16", True)])
def test_huffman(dtype: str, wide: bool, tmp_path: Path) -> None:
    data = np.random.default_rng(6).choice(list(CODES), (3, 41)).astype(dtype)
    compare(model(tmp_path / "m.tflite", [huffman(data, wide)], [spec(data)]), [data])


def test_several_at_once(tmp_path: Path) -> None:
    a = np.int8([[1, 0, 0, 7]])
    b = np.float32([0.5, 0.25, 0.5])
    pairs = [pruned(a, np.int8([0])), with_tables(b, 1, None)]
    compare(model(tmp_path / "m.tflite", pairs, [spec(a), spec(b)]), [a, b])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda about: about.__setitem__(1, 2), "its version is unknown"),
        (lambda about: about.__setitem__(0, 9), "cannot be decoded: 9"),
        (lambda about: about.__setitem__(6, 200), "cannot be decoded"),
    ],
)
def test_what_is_no_code_is_named(change: Any, words: str, tmp_path: Path) -> None:
    data = np.int8([[0, 0, 0], [3, 4, 5]])
    code, about = with_tables(data, 2, 0)
    change(about)
    path = model(tmp_path / "m.tflite", [(code, about)], [spec(data, 2, 0, [0, 0])])
    with pytest.raises(CompileError, match=words) as caught:
        read(path)
    assert caught.value.id == "E301"


def test_short_codes_are_named(tmp_path: Path) -> None:
    data = np.random.default_rng(7).choice(list(CODES), 400).astype(np.int8)
    for code, about in (
        huffman(data, False),
        pruned(data, np.int8([0])),
        with_tables(data, 3, None),
    ):
        path = model(tmp_path / f"{zlib.crc32(about)}.tflite", [(code[:8], about)], [spec(data)])
        with pytest.raises(CompileError, match=r"E301 .*cannot be decoded"):
            read(path)
