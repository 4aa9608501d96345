"""Operators in the less common of their types against LiteRT's reference kernels, or, where it has
none, against TensorFlow Lite Micro's (0.dev20261023)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import interpret

pytest.importorskip("ai_edge_litert")
WORDS = np.arange(-32768, 32768).astype(np.int16)


def model(
    path: Path,
    name: str,
    options: Any,
    inputs: list[TensorSpec],
    output: TensorSpec,
) -> Path:
    """Of one operator, whose inputs without data are the model's."""
    given = [i for i, t in enumerate(inputs) if t.data is None]
    operator = (name, options, list(range(len(inputs))), [len(inputs)])
    return write_model(path, [operator], [*inputs, output], given, [len(inputs)])


def found(path: Path, arrays: list[np.ndarray]) -> np.ndarray:
    graph = read(path)
    return interpret(graph, arrays)[graph.outputs[0]]


def assert_exact(path: Path, arrays: list[np.ndarray], least: int = 50) -> None:
    (want,) = run_litert(path, arrays)
    y = found(path, arrays)
    assert y.dtype == want.dtype and len(np.unique(want)) >= least
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("scales", [(2e-4, 2e-4), (3e-4, 1e-4), (1e-4, 5e-3)])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ABS", {}), ("EXP", {}), ("GELU", {}), ("GELU", {"approximate": True}), ("RSQRT", None),
    ],
)  # fmt: skip
def test_every_int16(name: str, options: Any, scales: tuple[float, float], tmp_path: Path) -> None:
    x = WORDS if name != "RSQRT" else WORDS[32768:]  # TFLite refuses negative numbers
    tensors = [TensorSpec(n, x.shape, "int16", s) for n, s in zip("xy", scales, strict=True)]
    path = model(tmp_path / "m.tflite", name, options, tensors[:1], tensors[1])
    assert_exact(path, [x], 400)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("name", ["MAXIMUM", "MINIMUM"])
def test_extremes_of_integers(name: str, dtype: str, rng, tmp_path: Path) -> None:
    limits = np.iinfo(dtype)
    x, y = (rng.integers(limits.min, limits.max, s, dtype) for s in ((3, 4, 5), (4, 1)))
    tensors = [TensorSpec(n, a.shape, dtype) for n, a in (("x", x), ("y", y), ("z", x))]
    assert_exact(model(tmp_path / "m.tflite", name, {}, tensors[:2], tensors[2]), [x, y], 20)


@pytest.mark.parametrize("name", ["EQUAL", "NOT_EQUAL", "LESS", "GREATER_EQUAL"])
def test_comparisons_of_int16(name: str, rng, tmp_path: Path) -> None:
    """Of equal numbers, of numbers that the scales make equal, and of any."""
    x, y = rng.integers(-300, 301, (2, 900)).astype(np.int16)
    x[:300], x[300:600] = y[:300], 2 * y[300:600]
    tensors = [TensorSpec(n, x.shape, "int16", s) for n, s in (("x", 0.01), ("y", 0.02))]
    path = model(tmp_path / "m.tflite", name, {}, tensors, TensorSpec("z", x.shape, "bool"))
    assert_exact(path, [x, y], 2)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in ("REDUCE_MAX", "REDUCE_MIN", "SUM") for dtype in ("int32", "int64")],
)
def test_reductions_of_integers(name: str, dtype: str, rng, tmp_path: Path) -> None:
    x = rng.integers(-(1 << 26), 1 << 26, (5, 7, 11)).astype(dtype)
    tensors = [TensorSpec("x", x.shape, dtype), TensorSpec("axis", (1,), "int32", data=[1])]
    path = model(tmp_path / "m.tflite", name, {}, tensors, TensorSpec("y", (5, 11), dtype))
    assert_exact(path, [x])


@pytest.mark.parametrize(
    ("source", "target", "ratio"),
    [("int32", "int8", 1e-7), ("int32", "int16", 3e-5), ("int16", "int32", 700.0)],
)
def test_quantize_of_int32(source: str, target: str, ratio: float, rng, tmp_path: Path) -> None:
    limits = np.iinfo(source)
    x = rng.integers(limits.min, limits.max, (2, 500), source, endpoint=True)
    x[0, :2] = limits.min, limits.max
    zero = 17 if target == "int8" else 0
    tensors = [
        TensorSpec("x", x.shape, source, 0.01 * ratio),
        TensorSpec("y", x.shape, target, 0.01, zero),
    ]
    assert_exact(model(tmp_path / "m.tflite", "QUANTIZE", {}, tensors[:1], tensors[1]), [x])


@pytest.mark.parametrize("zero", [0, -128, 5])
def test_prelu_of_int16(zero: int, rng, tmp_path: Path) -> None:
    x = rng.integers(-32768, 32768, (2, 6, 50)).astype(np.int16)
    slopes = rng.integers(-128, 128, (1, 1, 50))
    tensors = [
        TensorSpec("x", x.shape, "int16", 2e-4),
        TensorSpec("slope", slopes.shape, "int8", 0.01, zero, data=slopes),
        TensorSpec("y", x.shape, "int16", 3e-4),
    ]
    assert_exact(model(tmp_path / "m.tflite", "PRELU", None, tensors[:2], tensors[2]), [x])


# What LiteRT has no kernel for -------------------------------------------------------------


X = np.array([-32768, 32767, -20000, 12345, 1, 0, -1, 400, 31000, -31000], np.int16)
Y = np.array([32767, -32768, -20000, -300, 0, 0, 2, 12000, -2, -30999], np.int16)


def test_squared_difference_of_int16(tmp_path: Path) -> None:
    tensors = [
        TensorSpec(n, X.shape, "int16", s) for n, s in (("x", 2e-4), ("y", 3e-4), ("z", 8e-4))
    ]
    path = model(tmp_path / "m.tflite", "SQUARED_DIFFERENCE", {}, tensors[:2], tensors[2])
    want = [32767, 32767, 4999, 8186, 0, 0, 0, 15484, 32767, 12005]
    np.testing.assert_array_equal(found(path, [X, Y]), want)


def test_sums_of_int16(tmp_path: Path) -> None:
    """LiteRT's reference kernel is wrong for them, as it is for int8."""
    tensors = [TensorSpec("x", (2, 5), "int16", 2e-4), TensorSpec("axis", (1,), "int32", data=[1])]
    path = model(tmp_path / "m.tflite", "SUM", {}, tensors, TensorSpec("y", (2,), "int16", 3e-4))
    np.testing.assert_array_equal(found(path, [X.reshape(2, 5)]), [-5103, 266])


def test_quantize_of_int8_to_int32(tmp_path: Path) -> None:
    x = np.array([-128, 127, 0, 5, -77], np.int8)
    tensors = [TensorSpec("x", x.shape, "int8", 0.02, 5), TensorSpec("y", x.shape, "int32", 3e-6)]
    path = model(tmp_path / "m.tflite", "QUANTIZE", {}, tensors[:1], tensors[1])
    np.testing.assert_array_equal(found(path, [x]), [-886667, 813333, -33333, 0, -546667])


# Repetition --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "given"),
    [
        ("TILE", (2, 3, 4), (1, 3, 2)),
        ("TILE", (5,), (1,)),
        ("BROADCAST_TO", (3, 1), (2, 3, 4)),
        ("BROADCAST_TO", (1, 4), (1, 4)),
        ("BROADCAST_TO", (), (2, 2)),
    ],
)
def test_repetition(name: str, shape: Any, given: Any, rng, tmp_path: Path) -> None:
    x = rng.integers(-128, 128, shape).astype(np.int8)
    out = given if name == "BROADCAST_TO" else np.multiply(shape, given)
    tensors = [
        TensorSpec("x", shape, "int8", 0.1, 3),
        TensorSpec("n", (len(given),), "int32", data=given),
        TensorSpec("y", tuple(map(int, out)), "int8", 0.1, 3),
    ]
    assert_exact(model(tmp_path / "m.tflite", name, {}, tensors[:2], tensors[2]), [x], 1)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("TILE", (2, 0), r"repeats \[2, 3\] by \[2, 0\]"),
        ("TILE", (2,), r"repeats \[2, 3\] by \[2\]"),
        ("BROADCAST_TO", (4, 3), r"broadcasts \[2, 3\] to \[4, 3\]"),
        ("BROADCAST_TO", (3,), r"broadcasts \[2, 3\] to \[3\]"),
    ],
)
def test_what_does_not_repeat_is_named(name: str, given: Any, words: str, tmp_path: Path) -> None:
    tensors = [
        TensorSpec("x", (2, 3), "int8", 0.1, 3),
        TensorSpec("n", (len(given),), "int32", data=given),
        TensorSpec("y", (2, 3), "int8", 0.1, 3),
    ]
    with pytest.raises(CompileError, match=rf"^E301 .* {words}"):
        read(model(tmp_path / "m.tflite", name, {}, tensors[:2], tensors[2]))
