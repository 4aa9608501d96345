"""Operators that move, pick or resize, against LiteRT's reference kernels, bit for bit."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import interpret

pytest.importorskip("ai_edge_litert")

SCALE, ZERO = 0.05, -9

# name, options, constant operands (before: SPLIT's axis), input shapes, output shapes
Case = tuple[str, dict[str, Any], list[Any], list[tuple[int, ...]], list[tuple[int, ...]]]


def strided(
    begin: Sequence[int], end: Sequence[int], step: Sequence[int], /, **masks: int
) -> tuple:
    names = {f"{k}Mask" if k != "offset" else k: v for k, v in masks.items()}
    return "STRIDED_SLICE", names, [begin, end, step]


CASES: list[Case] = [
    ("RESHAPE", {"newShape": [3, -1]}, [[3, -1]], [(2, 3, 4)], [(3, 8)]),
    ("SQUEEZE", {"squeezeDims": [0, -1]}, [], [(1, 3, 1, 1)], [(3, 1)]),
    ("SQUEEZE", {}, [], [(1, 3, 1, 2)], [(3, 2)]),
    ("EXPAND_DIMS", {}, [[-2]], [(2, 3)], [(2, 1, 3)]),
    ("TRANSPOSE", {}, [[2, 0, 1]], [(2, 3, 5)], [(5, 2, 3)]),
    ("TRANSPOSE", {}, [[0, 3, 1, 2]], [(2, 3, 4, 5)], [(2, 5, 3, 4)]),
    ("PAD", {}, [[[0, 0], [1, 2], [0, 3], [2, 0]]], [(1, 3, 2, 5)], [(1, 6, 5, 7)]),
    ("PAD", {}, [[[2, 1]]], [(4,)], [(7,)]),
    ("MIRROR_PAD", {"mode": 0}, [[[0, 0], [1, 2], [3, 1]]], [(2, 3, 4)], [(2, 6, 8)]),
    ("MIRROR_PAD", {"mode": 1}, [[[0, 0], [3, 2], [0, 1]]], [(2, 3, 4)], [(2, 8, 5)]),
    ("CONCATENATION", {"axis": -1}, [], [(2, 3, 1), (2, 3, 5)], [(2, 3, 6)]),
    ("CONCATENATION", {"axis": 1}, [], [(1, 2, 3), (1, 1, 3), (1, 4, 3)], [(1, 7, 3)]),
    ("SLICE", {}, [[0, 1, 2], [2, -1, 1]], [(2, 4, 5)], [(2, 3, 1)]),
    (*strided([0, 1], [2, 5], [1, 2]), [(3, 6)], [(2, 2)]),
    (*strided([-1, 4], [-9, 0], [-1, -2]), [(3, 6)], [(3, 2)]),
    (*strided([1, 1], [0, 0], [1, -1], begin=2, end=1), [(3, 4)], [(2, 3)]),
    (*strided([0, -2, 0], [0, 0, 2], [1, 1, 1], end=5, shrinkAxis=2), [(2, 3, 4)], [(2, 4)]),
    (*strided([1, 0, 1], [2, 0, 3], [1, 1, 1], ellipsis=2), [(2, 3, 5, 4)], [(1, 3, 5, 2)]),
    (*strided([0, 0, 1], [0, 2, 3], [1, 1, 1], newAxis=1), [(3, 4)], [(1, 2, 2)]),
    (*strided([1, 1], [1, 2], [1, 1], offset=1), [(4, 5)], [(1, 2)]),
    (*strided([2, 1], [3, 4], [2, 1], begin=1, shrinkAxis=1), [(3, 5)], [(3,)]),
    ("REVERSE_V2", {}, [[1]], [(2, 3, 4)], [(2, 3, 4)]),
    ("REVERSE_V2", {}, [[-1]], [(2, 3, 4)], [(2, 3, 4)]),
    ("SPLIT", {"numSplits": 3}, [[-1]], [(2, 3, 6)], [(2, 3, 2)] * 3),
    ("SPLIT_V", {"numSplits": 2}, [[1, -1], [1]], [(2, 5, 3)], [(2, 1, 3), (2, 4, 3)]),
    ("PACK", {"valuesCount": 2, "axis": -1}, [], [(2, 3), (2, 3)], [(2, 3, 2)]),
    ("PACK", {"valuesCount": 3, "axis": 1}, [], [(2, 3)] * 3, [(2, 3, 3)]),
    ("UNPACK", {"num": 3, "axis": 1}, [], [(2, 3, 4)], [(2, 4)] * 3),
    ("GATHER", {"axis": 1}, [[2, 0, 0]], [(2, 3, 4)], [(2, 3, 4)]),
    ("GATHER", {"axis": -1}, [[[3, 1]]], [(2, 4)], [(2, 1, 2)]),
    ("SPACE_TO_DEPTH", {"blockSize": 2}, [], [(2, 4, 6, 3)], [(2, 2, 3, 12)]),
    ("DEPTH_TO_SPACE", {"blockSize": 2}, [], [(1, 2, 3, 12)], [(1, 4, 6, 3)]),
]
RESIZES = [
    (name, {"alignCorners": align, "halfPixelCenters": half}, [list(size)], [shape],
     [(shape[0], *size, shape[3])])
    for name in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
    for align, half in ((False, False), (True, False), (False, True))
    for shape, size in (
        ((1, 3, 4, 3), (7, 5)), ((2, 9, 8, 1), (4, 3)), ((1, 2, 5, 2), (1, 10)),
        ((1, 13, 7, 1), (29, 31)),
    )
]  # fmt: skip
EVERY = CASES + RESIZES


def data(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    if dtype == "float32":
        return rng.normal(0, 2, shape).astype(np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, endpoint=True).astype(dtype)


def spec(name: str, shape: tuple[int, ...], dtype: str, contents: Any = None) -> TensorSpec:
    quantized = {"int8": (SCALE, ZERO), "uint8": (SCALE, 130), "int16": (SCALE, 0)}
    scale, zero = quantized.get(dtype, (None, 0))
    return TensorSpec(name, shape, dtype, scale, zero, data=contents)


def build(path: Path, case: Case, dtype: str) -> Path:
    name, options, constants, inputs, outputs = case
    tensors = [spec(f"x{i}", s, dtype) for i, s in enumerate(inputs)]
    for i, c in enumerate(constants):
        array = np.array(c, np.int32)
        scalar = array.reshape(()) if name in ("SPLIT", "EXPAND_DIMS") or (
            name == "SPLIT_V" and i == 1
        ) else array  # fmt: skip
        tensors.append(TensorSpec(f"c{i}", scalar.shape, "int32", data=scalar))
    operands = list(range(len(tensors)))
    if name == "SPLIT":
        operands.reverse()
    results = list(range(len(tensors), len(tensors) + len(outputs)))
    tensors += [spec(f"y{i}", s, dtype) for i, s in enumerate(outputs)]
    return write_model(
        path, [(name, options, operands, results)], tensors, list(range(len(inputs))), results
    )


def compare(path: Path, arrays: list[np.ndarray]) -> None:
    graph = read(path)
    env = interpret(graph, arrays)
    expected = run_litert(path, arrays)
    for value, array in zip(graph.outputs, expected, strict=True):
        assert env[value].dtype == array.dtype
        np.testing.assert_array_equal(env[value], array)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("case", EVERY, ids=lambda c: f"{c[0]}-{c[3][0]}-{c[4][0]}")
def test_matches_litert(case: Case, dtype: str, tmp_path: Path) -> None:
    if dtype == "int16" and case[0] in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"):
        pytest.skip("LiteRT has none")
    rng = np.random.default_rng(zlib.crc32(repr(case).encode()))
    path = build(tmp_path / "m.tflite", case, dtype)
    compare(path, [data(rng, dtype, s) for s in case[3]])


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32"])
def test_padv2_matches_litert(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    tensors = [
        spec("x", (2, 3), dtype),
        TensorSpec("p", (2, 2), "int32", data=[[1, 0], [2, 1]]),
        spec("v", (1,), dtype, [42]),
        spec("y", (3, 6), dtype),
    ]
    path = write_model(tmp_path / "m.tflite", [("PADV2", {}, [0, 1, 2], [3])], tensors, [0], [3])
    compare(path, [data(rng, dtype, (2, 3))])


@pytest.mark.parametrize("name", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32", "int32"])
@pytest.mark.parametrize(("out", "axis"), [("int32", -1), ("int64", 1)])
def test_arg_max_matches_litert(name: str, dtype: str, out: str, axis: int, tmp_path: Path) -> None:
    shape = (2, 5, 7)
    result = (2, 5) if axis == -1 else (2, 7)
    tensors = [
        spec("x", shape, dtype),
        TensorSpec("a", (), "int32", data=axis),
        TensorSpec("y", result, out),
    ]
    options = {"outputType": 2 if out == "int32" else 4}
    path = write_model(tmp_path / "m.tflite", [(name, options, [0, 1], [2])], tensors, [0], [2])
    few = np.random.default_rng(6).integers(0, 4, shape).astype(dtype)  # many equal elements
    compare(path, [few])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("constant", [False, True])
def test_computed_gather_matches_litert(
    dtype: str, index: str, constant: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    shape = (2, 5, 3)
    x = data(rng, dtype, shape)
    indices = rng.integers(0, 5, (4, 2)).astype(index)
    tensors = [
        spec("x", shape, dtype, x if constant else None),
        TensorSpec("i", (4, 2), index),
        spec("y", (2, 4, 2, 3), dtype),
    ]
    path = tmp_path / "m.tflite"
    inputs = [1] if constant else [0, 1]
    write_model(path, [("GATHER", {"axis": 1}, [0, 1], [2])], tensors, inputs, [2])
    compare(path, [indices] if constant else [x, indices])


def test_shape_and_computed_reshape(tmp_path: Path) -> None:
    """What Keras writes for Flatten: the batch of SHAPE, packed, as RESHAPE's operand."""
    tensors = [
        spec("x", (1, 2, 3), "int8"),
        TensorSpec("shape", (3,), "int32"),
        TensorSpec("zero", (1,), "int32", data=[0]),
        TensorSpec("one", (1,), "int32", data=[1]),
        TensorSpec("batch", (), "int32"),
        TensorSpec("rest", (), "int32", data=6),
        TensorSpec("wanted", (2,), "int32"),
        spec("y", (1, 6), "int8"),
    ]
    operators = [
        ("SHAPE", {"outType": 2}, [0], [1]),
        ("STRIDED_SLICE", {"shrinkAxisMask": 1}, [1, 2, 3, 3], [4]),
        ("PACK", {"valuesCount": 2}, [4, 5], [6]),
        ("RESHAPE", None, [0, 6], [7]),
    ]
    path = write_model(tmp_path / "m.tflite", operators, tensors, [0], [7])
    compare(path, [data(np.random.default_rng(7), "int8", (1, 2, 3))])


def test_what_has_no_elements_joins_nothing(tmp_path: Path) -> None:
    """As a list's rows before its first, of a size that the file leaves open."""
    tensors = [
        TensorSpec("x", (2, 3), "float32"),
        TensorSpec("from", (2,), "int32", data=[0, 0]),
        TensorSpec("none", (2,), "int32", data=[0, -1]),
        TensorSpec("head", (1, 1), "float32", signature=(-1, -1)),
        TensorSpec("y", (2, 3), "float32"),
    ]  # fmt: skip
    operators = [("SLICE", {}, [0, 1, 2], [3]), ("CONCATENATION", {"axis": 0}, [3, 0], [4])]
    path = write_model(tmp_path / "m.tflite", operators, tensors, [0], [4])
    compare(path, [data(np.random.default_rng(7), "float32", (2, 3))])


REFUSED: list[tuple[Case, str]] = [
    (("RESHAPE", {}, [[5, 5]], [(2, 3)], [(5, 5)]), "E301"),
    (("TRANSPOSE", {}, [[0, 0]], [(2, 3)], [(2, 2)]), "E301"),
    (("TRANSPOSE", {}, [[0, 7]], [(2, 3)], [(2, 3)]), "E301"),
    (("PAD", {}, [[[0, -1], [0, 0]]], [(2, 3)], [(1, 3)]), "E301"),
    (("MIRROR_PAD", {"mode": 0}, [[[3, 0]]], [(3,)], [(6,)]), "E301"),
    (("SLICE", {}, [[1, 0], [2, 3]], [(2, 3)], [(2, 3)]), "E301"),
    (("SLICE", {}, [[-1, 0], [2, 3]], [(2, 3)], [(2, 3)]), "E301"),
    ((*strided([0], [2], [0]), [(3,)], [(2,)]), "E301"),
    ((*strided([9], [10], [1], shrinkAxis=1), [(3,)], [()]), "E301"),
    ((*strided([1], [0], [-1], shrinkAxis=1), [(3,)], [()]), "E301"),
    ((*strided([1], [2], [1], newAxis=1, shrinkAxis=1), [(3,)], [(1, 3)]), "E301"),
    ((*strided([0, 1], [0, 2], [1, 1], ellipsis=1), [(3,)], [(1,)]), "E302"),
    (("REVERSE_V2", {}, [[2]], [(3, 2)], [(3, 2)]), "E301"),
    (("SPLIT", {}, [[0]], [(5, 2)], [(2, 2), (2, 2)]), "E301"),
    (("SPLIT_V", {}, [[9, -1], [0]], [(5, 2)], [(2, 2), (2, 2)]), "E301"),
    (("GATHER", {"axis": 0}, [[3]], [(3, 2)], [(1, 2)]), "E301"),
    (("GATHER", {"axis": 0, "batchDims": 1}, [[0]], [(3, 2)], [(1, 2)]), "E302"),
    (("SPACE_TO_DEPTH", {"blockSize": 0}, [], [(1, 2, 2, 1)], [(1, 1, 1, 4)]), "E301"),
    (("RESIZE_BILINEAR", {}, [[4, 4]], [(1, 2, 2, 1)], [(1, 4, 5, 1)]), "E302"),
    (("CONCATENATION", {"axis": 5}, [], [(2,), (2,)], [(4,)]), "E301"),
    (("CONCATENATION", {"axis": 0}, [], [(2, 3), (2, 2)], [(4, 3)]), "E302"),
    (("PACK", {"axis": 0}, [], [(2,), (3,)], [(2, 2)]), "E302"),
]


@pytest.mark.parametrize(
    ("case", "error"), REFUSED, ids=lambda c: c if isinstance(c, str) else c[0]
)
def test_refused(case: Case, error: str, tmp_path: Path) -> None:
    path = build(tmp_path / "m.tflite", case, "int8")
    with pytest.raises(CompileError) as caught:
        read(path)
    assert caught.value.id == error
