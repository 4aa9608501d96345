"""Softmax, activations, arithmetic and conversions against LiteRT's reference kernels."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.frontends.tflite import read
from tinyc.ir import interpret

pytest.importorskip("ai_edge_litert")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seeded by the test's own name, its parameters included."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


def random_data(rng: np.random.Generator, t: TensorSpec) -> np.ndarray:
    if t.dtype == "float32":
        return rng.normal(0, 3, t.shape).astype(np.float32)
    if t.dtype == "bool_":
        return rng.integers(0, 2, t.shape).astype(np.bool_)
    info = np.iinfo(t.dtype)
    data = rng.integers(info.min, info.max, t.shape, endpoint=True).astype(t.dtype)
    edge = rng.choice(np.array([info.min, info.max], t.dtype), t.shape)
    return np.where(rng.random(t.shape) < 0.1, edge, data)


def spec(
    rng: np.random.Generator, name: str, shape: Any, dtype: str, data: Any = None
) -> TensorSpec:
    """A tensor; a quantized one with a random scale and an often extreme zero point."""
    if dtype not in ("int8", "uint8", "int16"):
        return TensorSpec(name, shape, dtype, data=data)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    zero = int(rng.choice([low, high, (low + high + 1) // 2, int(rng.integers(low, high))]))
    zero = 0 if dtype == "int16" else zero
    scale = float(np.exp(rng.uniform(np.log(0.003), np.log(0.3))))
    return TensorSpec(name, shape, dtype, scale, zero, data=data)


def compare(
    path: Path,
    rng: np.random.Generator,
    operator: tuple[str, dict[str, Any] | None],
    tensors: Sequence[TensorSpec],
    operands: Sequence[int] | None = None,
) -> None:
    """One operator, whose output is the last tensor: reference against LiteRT, bit for bit."""
    last = len(tensors) - 1
    operands = range(last) if operands is None else operands
    variables = [i for i in range(last) if tensors[i].data is None]
    write_model(path, [(*operator, operands, [last])], tensors, variables, [last])
    arrays = [random_data(rng, tensors[i]) for i in variables]
    graph = read(path)
    ours = interpret(graph, arrays)[graph.outputs[0]]
    (theirs,) = run_litert(path, arrays)
    where = f"{operator} {[(t.shape, t.scale, t.zero_point) for t in tensors]}"
    if ours.dtype == np.float32:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=where)
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=where)


def random_shape(rng: np.random.Generator, least: int = 1, most: int = 4) -> tuple[int, ...]:
    return tuple(map(int, rng.integers(1, 8, rng.integers(least, most + 1))))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(20))
def test_softmax(seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    shape = (
        *random_shape(rng, 0, 3),
        int(rng.choice([1, 2, 10, 37, 500])),
    )  # LiteRT aborts on a sum of 512
    x = spec(rng, "x", shape, dtype)
    fixed = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}.get(dtype, ())
    y = TensorSpec("y", shape, dtype, *fixed)
    beta = float(rng.choice([1.0, 0.3, 2.0]))
    compare(tmp_path / "m.tflite", rng, ("SOFTMAX", {"beta": beta}), [x, y])


def broadcast_shapes(rng: np.random.Generator) -> tuple[list[int], list[int], list[int]]:
    """Two shapes of up to four axes, often equal, and their common shape."""
    out = list(map(int, rng.integers(1, 6, rng.integers(1, 5))))
    if rng.random() < 0.4:
        return out, out, out
    pick = rng.integers(0, 3, len(out))
    a = [1 if p == 1 else d for p, d in zip(pick, out, strict=True)]
    b = [1 if p == 2 else d for p, d in zip(pick, out, strict=True)]
    return a, b[int(rng.integers(0, len(b))) :] if rng.random() < 0.3 else b, out


def compare_binary(
    path: Path,
    rng: np.random.Generator,
    operator: tuple[str, dict[str, Any] | None],
    dtype: str,
    one_quant: bool = False,
) -> None:
    """A binary operator on two variables, or on one and a constant on either side."""
    a, b, _ = broadcast_shapes(rng)
    shapes = (a, b, np.broadcast_shapes(tuple(a), tuple(b)))
    tensors = [spec(rng, n, s, dtype) for n, s in zip("xyz", shapes, strict=True)]
    if one_quant:
        tensors = [
            replace(t, scale=tensors[0].scale, zero_point=tensors[0].zero_point) for t in tensors
        ]
    constant = int(rng.integers(0, 4))
    if constant < 2:
        tensors[constant] = replace(tensors[constant], data=random_data(rng, tensors[constant]))
    compare(path, rng, operator, tensors)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("name", ["ADD", "SUB"])
@pytest.mark.parametrize("seed", range(15))
def test_add(seed: int, name: str, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    options = {"fusedActivationFunction": int(rng.integers(0, 4))}
    compare_binary(tmp_path / "m.tflite", rng, (name, options), dtype)


@pytest.mark.parametrize("name", ["ADD", "SUB"])
@pytest.mark.parametrize("pot", [True, False])
@pytest.mark.parametrize("exponents", [(-9, -12, -9), (-15, -8, -8), (-7, -7, -7)])
def test_add_of_powers_of_two(
    exponents: tuple[int, ...], pot: bool, name: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    """int16 operators of old files shift instead of multiplying, as an option tells."""
    tensors = [
        TensorSpec(n, (5, 7), "int16", 2.0**e) for n, e in zip("xyz", exponents, strict=True)
    ]
    options = {"fusedActivationFunction": int(rng.integers(0, 4)), "potScaleInt16": pot}
    compare(tmp_path / "m.tflite", rng, (name, options), tensors)


def compare_unary(
    path: Path,
    rng: np.random.Generator,
    operator: tuple[str, dict[str, Any] | None],
    dtypes: tuple[str, str],
    **fixed: Any,
) -> None:
    """A unary operator; fixed: fields of the output."""
    shape = random_shape(rng)
    x, y = (spec(rng, n, shape, d) for n, d in zip("xy", dtypes, strict=True))
    compare(path, rng, operator, [x, replace(y, **fixed)])


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("name", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("seed", range(10))
def test_relu(seed: int, name: str, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    if (name, dtype) == ("RELU_N1_TO_1", "int16"):
        pytest.skip("LiteRT has none")
    compare_unary(tmp_path / "m.tflite", rng, (name, None), (dtype, dtype))


@pytest.mark.parametrize("target", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("source", ["float32", "int8", "uint8", "int16"])
@pytest.mark.parametrize("seed", range(5))
def test_quantize(
    seed: int, source: str, target: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    if (source, target) in (("uint8", "int16"), ("int16", "uint8")):
        pytest.skip("LiteRT has no such conversion")
    compare_unary(tmp_path / "m.tflite", rng, ("QUANTIZE", None), (source, target))


@pytest.mark.parametrize("source", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("seed", range(5))
def test_dequantize(seed: int, source: str, rng: np.random.Generator, tmp_path: Path) -> None:
    compare_unary(tmp_path / "m.tflite", rng, ("DEQUANTIZE", None), (source, "float32"))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(20))
def test_mul(seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    options = {"fusedActivationFunction": int(rng.integers(0, 4))}
    compare_binary(tmp_path / "m.tflite", rng, ("MUL", options), dtype)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("name", ["MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("seed", range(10))
def test_maximum_minimum(
    seed: int, name: str, dtype: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    compare_binary(tmp_path / "m.tflite", rng, (name, {}), dtype, one_quant=True)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("seed", range(20))
def test_prelu(seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    shape = random_shape(rng, 2)
    x, a, y = (
        spec(rng, n, s, dtype) for n, s in zip("xay", (shape, shape[1:], shape), strict=True)
    )
    compare(
        tmp_path / "m.tflite", rng, ("PRELU", None), [x, replace(a, data=random_data(rng, a)), y]
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(20))
def test_leaky_relu(seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    options = {"alpha": float(rng.uniform(0, 1.5))}
    compare_unary(tmp_path / "m.tflite", rng, ("LEAKY_RELU", options), (dtype, dtype))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(
    ("name", "scale", "zero_point"), [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)]
)
@pytest.mark.parametrize("seed", range(20))
def test_curve(
    seed: int, name: str, scale: float, zero_point: int, dtype: str,
    rng: np.random.Generator, tmp_path: Path,
) -> None:  # fmt: skip
    fixed = {"scale": scale, "zero_point": zero_point} if dtype == "int8" else {}
    if dtype == "int16":
        fixed = {"scale": 1 / 32768, "zero_point": 0}
        shape, step = (2000,), [2.0**-12, 2.0**-11, 1e-3, 1e-4, 1e-7][seed % 5]
        x = TensorSpec("x", shape, dtype, step)
        compare(
            tmp_path / "m.tflite", rng, (name, None), [x, TensorSpec("y", shape, dtype, **fixed)]
        )
    compare_unary(tmp_path / "m.tflite", rng, (name, None), (dtype, dtype), **fixed)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("seed", range(20))
def test_hard_swish(seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    compare_unary(tmp_path / "m.tflite", rng, ("HARD_SWISH", None), (dtype, dtype))


@pytest.mark.parametrize("target", ["int8", "uint8", "int16", "int32", "float32", "bool_"])
@pytest.mark.parametrize("source", ["int8", "uint8", "int16", "int32", "int64", "float32", "bool_"])
def test_cast(source: str, target: str, rng: np.random.Generator, tmp_path: Path) -> None:
    if (source, target) == ("float32", "uint8"):
        pytest.skip("LiteRT has no defined answer for negative numbers")
    shape = random_shape(rng)
    x, y = (TensorSpec(n, shape, d) for n, d in zip("xy", (source, target), strict=True))
    compare(tmp_path / "m.tflite", rng, ("CAST", None), [x, y])
