"""Softmax, activations, arithmetic and conversions against LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read, schema
from tinyc.ir import interpret
from tinyc.passes import optimize

pytest.importorskip("ai_edge_litert")


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
    arrays: Sequence[np.ndarray] | None = None,
    optimized: bool = False,
) -> None:
    """One operator, whose output is the last tensor: reference against LiteRT, bit for bit."""
    last = len(tensors) - 1
    operands = range(last) if operands is None else operands
    variables = [i for i in range(last) if tensors[i].data is None]
    write_model(path, [(*operator, operands, [last])], tensors, variables, [last])
    if arrays is None:
        arrays = [random_data(rng, tensors[i]) for i in variables]
    graph = read(path)
    ours = interpret(graph, arrays)[graph.outputs[0]]
    (theirs,) = run_litert(path, arrays, optimized)
    where = f"{operator} {[(t.shape, t.scale, t.zero_point) for t in tensors]}"
    if ours.dtype == np.float32:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=where)
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=where)


def random_shape(rng: np.random.Generator, least: int = 1, most: int = 4) -> tuple[int, ...]:
    return tuple(map(int, rng.integers(1, 8, rng.integers(least, most + 1))))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "int8 to int16"])
@pytest.mark.parametrize("seed", range(20))
def test_softmax(seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    shape = (
        *random_shape(rng, 0, 3),
        int(rng.choice([1, 2, 10, 37, 500])),
    )  # LiteRT aborts on a sum of 512
    dtype, _, to = dtype.partition(" to ")
    x = spec(rng, "x", shape, dtype)
    wide = (1 / (65535 + seed % 2), -32768) if to else (1 / 32768, 0)
    fixed = {"int8": (1 / 256, -128), "int16": wide}.get(to or dtype, ())
    y = TensorSpec("y", shape, to or dtype, *fixed)
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


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("seed", range(5))
def test_int32_wraps_around(seed: int, name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    compare_binary(tmp_path / "m.tflite", rng, (name, {}), "int32")


def test_int32_has_no_activation(tmp_path: Path) -> None:
    tensors = [TensorSpec(n, (3,), "int32") for n in "xyz"]
    options = {"fusedActivationFunction": 1}
    write_model(tmp_path / "m.tflite", [("MUL", options, [0, 1], [2])], tensors, [0, 1], [2])
    with pytest.raises(CompileError, match=r"E302 .*fused activation relu of int32"):
        read(tmp_path / "m.tflite")


def test_scores_masked_with_the_lowest_float32(rng: np.random.Generator, tmp_path: Path) -> None:
    """What Keras's masked attention becomes: the scale of the scores is that of the mask."""
    scale, shape = 9.3e35, (4, 4)
    tensors = [
        TensorSpec("scores", shape, "int8", 0.05, 3),
        TensorSpec("quarter", (), "int8", 0.002, -128, data=-3),
        TensorSpec("scaled", shape, "int8", scale, 127),
        TensorSpec("mask", shape, "bool_", data=np.tril(np.ones(shape, np.bool_))),
        TensorSpec("lowest", (), "int8", scale, 127, data=-128),
        TensorSpec("masked", shape, "int8", scale, 127),
        TensorSpec("y", shape, "int8", 1 / 256, -128),
    ]
    operators = [
        ("MUL", {}, [0, 1], [2]),
        ("SELECT_V2", {}, [3, 2, 4], [5]),
        ("SOFTMAX", {"beta": 1.0}, [5], [6]),
    ]
    path = write_model(tmp_path / "m.tflite", operators, tensors, [0], [6])
    x = random_data(rng, tensors[0])
    graph = read(path)
    (theirs,) = run_litert(path, [x])
    np.testing.assert_array_equal(interpret(graph, [x])[graph.outputs[0]], theirs)
    assert theirs[0].tolist() == [127, -128, -128, -128] and len(set(theirs[3].tolist())) == 1
    (note,) = graph.notes
    assert "its input has the scale 9.3e+35, that of a mask" in note


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


@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize(
    ("name", "scale", "zero_point"), [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)]
)
def test_every_byte_of_a_curve(
    name: str, scale: float, zero_point: int, optimized: bool,
    rng: np.random.Generator, tmp_path: Path,
) -> None:  # fmt: skip
    """Powers of two, the floats beside them and random scales, with several zero points each."""
    x = np.arange(-128, 128, dtype=np.int8)
    scales = np.float32(2.0) ** np.arange(-12, 5)
    scales = np.concatenate([scales, np.exp(rng.uniform(-8, 2, 20)).astype(np.float32)])
    scales = np.concatenate([np.nextafter(scales, np.float32(n)) for n in (0, 99)] + [scales])
    zeros = [-128, 127, 0, *map(int, rng.integers(-128, 128, 2))]
    pairs = [(float(s), z) for s in scales for z in zeros]
    count = len(pairs)
    tensors = [TensorSpec(f"x{i}", (256,), "int8", *pair) for i, pair in enumerate(pairs)]
    tensors += [TensorSpec(f"y{i}", (256,), "int8", scale, zero_point) for i in range(count)]
    operators = [(name, None, [i], [count + i]) for i in range(count)]
    path = write_model(
        tmp_path / "m.tflite", operators, tensors, range(count), range(count, 2 * count)
    )
    graph = read(path)
    ours = interpret(graph, [x] * count)
    theirs = run_litert(path, [x] * count, optimized)
    for pair, value, right in zip(pairs, graph.outputs, theirs, strict=True):
        np.testing.assert_array_equal(ours[value], right, err_msg=str(pair))


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


# Functions of one number ------------------------------------------------------------------

NO_REFERENCE = ("ELU", "CEIL", "ROUND")
"""Operators that LiteRT's set of reference kernels lacks."""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ABS", {}), ("SQRT", None), ("RSQRT", None), ("EXP", {}), ("LOG", None), ("ELU", None),
        ("GELU", {"approximate": False}), ("GELU", {"approximate": True}),
    ],
)  # fmt: skip
def test_every_byte_of_a_function(
    name: str, options: Any, rng: np.random.Generator, tmp_path: Path
) -> None:
    x, count = np.arange(-128, 128, dtype=np.int8), 60
    tensors = []
    for kind in "xy":
        for i in range(count):
            t = spec(rng, f"{kind}{i}", (256,), "int8")
            if kind == "x" and name.endswith("SQRT"):  # LiteRT refuses what is negative
                t = replace(t, zero_point=-128)
            if kind == "x" and name == "EXP":  # what overflows int32 is whatever C makes of it
                t = replace(t, scale=t.scale / 10)
            tensors.append(t)
    operators = [(name, options, [i], [count + i]) for i in range(count)]
    path = write_model(
        tmp_path / "m.tflite", operators, tensors, range(count), range(count, 2 * count)
    )
    graph = read(path)
    ours = interpret(graph, [x] * count)
    theirs = run_litert(path, [x] * count, name in NO_REFERENCE)
    for i, (value, right) in enumerate(zip(graph.outputs, theirs, strict=True)):
        np.testing.assert_array_equal(ours[value], right, err_msg=str(tensors[i::count]))


EDGES = np.array(
    [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1e-30, -1e-30, 20, -20, 1e9, -1e9, np.inf,
     -np.inf, np.nan], np.float32,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "name",
    ["ABS", "NEG", "SQRT", "RSQRT", "SQUARE", "EXP", "LOG", "SIN", "COS", "CEIL", "FLOOR", "ROUND",
     "SIGN", "ELU", "GELU", "GELU approximate"],
)  # fmt: skip
def test_functions_of_float32(
    name: str, seed: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    name, _, approximate = name.partition(" ")
    options = {"approximate": bool(approximate)} if name == "GELU" else None
    edges = EDGES[np.abs(EDGES) < 1e8] if name in ("SIN", "COS") else EDGES
    edges = edges[np.isfinite(edges)] if name == "GELU" else edges  # inf * 0 there
    x = np.concatenate([rng.normal(0, 3, 100).astype(np.float32), edges])
    if name in ("SQRT", "RSQRT", "LOG"):
        x = x[~(x < 0)]
    tensors = [TensorSpec(n, x.shape, "float32") for n in "xy"]
    compare(
        tmp_path / "m.tflite", rng, (name, options), tensors, arrays=[x],
        optimized=name in NO_REFERENCE,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ABS", "NEG", "SIGN"])
def test_functions_of_integers(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    tensors = [TensorSpec(n, (50,), "int32") for n in "xy"]
    compare(tmp_path / "m.tflite", rng, (name, None), tensors)


def test_neg_of_bytes(rng: np.random.Generator, tmp_path: Path) -> None:
    """LiteRT negates bytes; where that is no negation of what they stand for, it is refused."""
    x = TensorSpec("x", (256,), "int8", 0.1, 7)
    y = replace(x, name="y", zero_point=-7)
    every = np.arange(-128, 128, dtype=np.int8)
    compare(tmp_path / "m.tflite", rng, ("NEG", None), [x, y], arrays=[every])
    for other in (replace(y, zero_point=-6), replace(y, scale=0.2)):
        write_model(tmp_path / "n.tflite", [("NEG", None, [0], [1])], [x, other], [0], [1])
        with pytest.raises(CompileError, match=r"E304 .*negates bytes"):
            read(tmp_path / "n.tflite")


@pytest.mark.parametrize("names", [["ELU"], ["NEG"], ["NEG", "ELU", "LOGISTIC"], ["EXP"], ["SIN"]])
def test_a_chain_through_float32_as_a_table(
    names: list[str], rng: np.random.Generator, tmp_path: Path
) -> None:
    """DEQUANTIZE, float32 functions, QUANTIZE: LiteRT's own float32 functions may be off by their
    last bit, which at a border of two bytes is a step; no such byte is among these."""
    x, count = np.arange(-128, 128, dtype=np.int8), 40
    tensors: list[TensorSpec] = []
    operators: list[tuple[str, Any, list[int], list[int]]] = []
    ends = []
    for i in range(count):
        chain = ["DEQUANTIZE", *names, "QUANTIZE"]
        tensors.append(spec(rng, f"x{i}", (256,), "int8"))
        ends.append(len(tensors) - 1)
        for k, name in enumerate(chain):
            last = name == "QUANTIZE"
            tensors.append(spec(rng, f"t{i}_{k}", (256,), "int8" if last else "float32"))
            operators.append((name, None, [len(tensors) - 2], [len(tensors) - 1]))
        if "EXP" in names:
            tensors[ends[-1]] = replace(tensors[ends[-1]], scale=tensors[ends[-1]].scale / 10)
    outputs = [end + len(names) + 2 for end in ends]
    path = write_model(tmp_path / "m.tflite", operators, tensors, ends, outputs)
    graph = optimize(read(path))
    assert [type(n.op).__name__ for n in graph.nodes] == ["ByteTable"] * count
    ours = interpret(graph, [x] * count)
    theirs = run_litert(path, [x] * count, "ELU" in names)
    for value, right in zip(graph.outputs, theirs, strict=True):
        np.testing.assert_array_equal(ours[value], right)


# Operators of two numbers -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32"])
@pytest.mark.parametrize("seed", range(10))
def test_squared_difference(
    seed: int, dtype: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    compare_binary(tmp_path / "m.tflite", rng, ("SQUARED_DIFFERENCE", {}), dtype)


def test_squared_difference_of_all_bytes(rng: np.random.Generator, tmp_path: Path) -> None:
    for shapes in (((256, 1), (256,)), ((1, 256, 1), (1, 1, 256))):
        tensors = [spec(rng, "x", shapes[0], "int8"), spec(rng, "y", shapes[1], "int8")]
        out = spec(rng, "z", np.broadcast_shapes(*shapes), "int8")
        every = np.arange(-128, 128, dtype=np.int8)
        arrays = [every.reshape(s) for s in shapes]
        operator = ("SQUARED_DIFFERENCE", {})
        compare(tmp_path / "m.tflite", rng, operator, [*tensors, out], arrays=arrays)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("name", ["DIV", "FLOOR_DIV", "FLOOR_MOD", "POW"])
@pytest.mark.parametrize("seed", range(5))
def test_quotients(
    seed: int, name: str, dtype: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    """No zero among divisors, which LiteRT refuses, no overflow and no root of what is negative."""
    a, b, _ = broadcast_shapes(rng)
    shapes = (a, b, np.broadcast_shapes(tuple(a), tuple(b)))
    tensors = [TensorSpec(n, s, dtype) for n, s in zip("xyz", shapes, strict=True)]
    x, y = (rng.normal(0, 5, s) if dtype == "float32" else rng.integers(-9, 9, s) for s in (a, b))
    if name == "POW":
        x, y = np.abs(x), np.abs(y)
    y = np.where(y == 0, 3, y)
    arrays = [v.astype(dtype) for v in (x, y)]
    options = {"fusedActivationFunction": seed % 4} if name == "DIV" and dtype != "int32" else {}
    compare(tmp_path / "m.tflite", rng, (name, options), tensors, arrays=arrays)


@pytest.mark.parametrize("seed", range(8))
def test_quotients_of_all_bytes(seed: int, rng: np.random.Generator, tmp_path: Path) -> None:
    """LiteRT shifts by 32 bits and more where a quotient is under a half of a step, of which C
    makes anything: there it is 0."""
    every = np.arange(-128, 128, dtype=np.int8)
    x = spec(rng, "x", (256, 1), "int8")
    y = replace(spec(rng, "y", (255,), "int8"), zero_point=-128)
    z = spec(rng, "z", (256, 255), "int8")
    path = write_model(tmp_path / "m.tflite", [("DIV", {}, [0, 1], [2])], [x, y, z], [0, 1], [2])
    graph, arrays = read(path), [every[:, None], every[1:]]
    ours = interpret(graph, arrays)[graph.outputs[0]]
    (theirs,) = run_litert(path, arrays)
    real = (every[:, None] - float(x.zero_point)) * x.scale / ((every[1:] + 128.0) * y.scale)
    steps = np.broadcast_to(real / z.scale, ours.shape)
    small = np.abs(steps) < 0.5
    np.testing.assert_array_equal(ours[~small], theirs[~small])
    assert np.all(ours[small] == z.zero_point) and not np.all(small)


@pytest.mark.parametrize("name", ["DIV", "FLOOR_DIV", "FLOOR_MOD"])
def test_a_constant_zero_divides_no_integers(name: str, tmp_path: Path) -> None:
    tensors = [
        TensorSpec("x", (3,), "int32"),
        TensorSpec("y", (3,), "int32", data=[2, 0, 1]),
        TensorSpec("z", (3,), "int32"),
    ]
    path = write_model(tmp_path / "m.tflite", [(name, {}, [0, 1], [2])], tensors, [0], [2])
    with pytest.raises(CompileError, match=r"E350 .*divides by 'y', which holds a zero"):
        read(path)


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32", "int64", "bool_"])
@pytest.mark.parametrize(
    "name", ["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]
)
def test_comparisons(name: str, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    if dtype == "bool_" and "EQUAL" not in (name, name.removeprefix("NOT_")):
        pytest.skip("bool has no order")
    for _ in range(4):
        a, b, _ = broadcast_shapes(rng)
        out = np.broadcast_shapes(tuple(a), tuple(b))
        tensors = [spec(rng, n, s, dtype) for n, s in (("x", a), ("y", b))]
        arrays = [random_data(rng, t) for t in tensors]
        if dtype != "bool_":
            arrays = [(v / (1 if dtype == "int8" else 1 << 24)).astype(dtype) for v in arrays]
        tensors.append(TensorSpec("z", out, "bool_"))
        compare(tmp_path / "m.tflite", rng, (name, {}), tensors, arrays=arrays)


@pytest.mark.parametrize("scales", [(0.9, 0.8), (0.05, 0.05), (0.001, 0.02), (1e-5, 1e-5)])
def test_comparisons_of_all_bytes(
    scales: tuple[float, float], rng: np.random.Generator, tmp_path: Path
) -> None:
    every = np.arange(-128, 128, dtype=np.int8)
    for name in ("EQUAL", "LESS", "GREATER_EQUAL"):
        tensors = [
            replace(spec(rng, n, s, "int8"), scale=scale)
            for n, s, scale in zip("xy", ((256, 1), (256,)), scales, strict=True)
        ]
        tensors.append(TensorSpec("z", (256, 256), "bool_"))
        arrays = [every[:, None], every]
        compare(tmp_path / "m.tflite", rng, (name, {}), tensors, arrays=arrays)


@pytest.mark.parametrize("name", ["LOGICAL_AND", "LOGICAL_OR"])
def test_logical(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    for _ in range(4):
        compare_binary(tmp_path / "m.tflite", rng, (name, {}), "bool_")
    compare_unary(tmp_path / "m.tflite", rng, ("LOGICAL_NOT", {}), ("bool_", "bool_"))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32", "int32", "int64", "bool_"])
@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("SELECT", [(2, 3, 4)] * 3), ("SELECT", [(), (2, 3), (2, 3)]),
        ("SELECT", [(2,), (2, 3), (2, 3)]), ("SELECT", [(3,), (3, 2, 2), (3, 2, 2)]),
        ("SELECT_V2", [(2, 3, 4)] * 3), ("SELECT_V2", [(2, 1, 4), (1, 3, 1), (4,)]),
        ("SELECT_V2", [(3,), (), (2, 3)]), ("SELECT_V2", [(2, 3), (2, 1), ()]),
    ],
)  # fmt: skip
def test_select(
    name: str, shapes: list[tuple[int, ...]], dtype: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    out = np.broadcast_shapes(*shapes) if name == "SELECT_V2" else shapes[1]
    x, y, z = (spec(rng, n, s, dtype) for n, s in zip("xyz", (*shapes[1:], out), strict=True))
    y, z = (replace(t, scale=x.scale, zero_point=x.zero_point) for t in (y, z))
    condition = TensorSpec("c", shapes[0], "bool_")
    for c in (condition, replace(condition, data=random_data(rng, condition))):
        compare(tmp_path / "m.tflite", rng, (name, {}), [c, x, y, z])


# Operators along axes, and of many operands ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("REDUCE_MIN", "int8"), ("REDUCE_MIN", "float32"), ("REDUCE_MAX", "int8"),
     ("REDUCE_PROD", "float32"), ("REDUCE_ANY", "bool_"), ("REDUCE_ALL", "bool_")],
)  # fmt: skip
@pytest.mark.parametrize("axes", [[0], [1], [0, 2], [-1], [0, 1, 2]])
def test_reductions(
    name: str, dtype: str, axes: list[int], rng: np.random.Generator, tmp_path: Path
) -> None:
    for keep in (False, True):
        x = spec(rng, "x", (3, 4, 2), dtype)
        shape = np.zeros(x.shape).sum(tuple(axes), keepdims=keep).shape
        axis = TensorSpec("axis", (len(axes),), "int32", data=axes)
        y = replace(x, name="y", shape=shape)
        compare(tmp_path / "m.tflite", rng, (name, {"keepDims": keep}), [x, axis, y])


@pytest.mark.parametrize("name", ["REDUCE_MIN", "REDUCE_MAX"])
def test_what_is_no_number_is_no_end(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    n, m = np.nan, np.inf
    x = np.array([[n, 1, n], [m, n, n], [2, m, n], [-m, 3, n]], np.float32)
    tensors = [
        TensorSpec("x", x.shape, "float32"),
        TensorSpec("axis", (1,), "int32", data=[0]),
        TensorSpec("y", (3,), "float32"),
    ]
    compare(tmp_path / "m.tflite", rng, (name, {}), tensors, arrays=[x])


@pytest.mark.parametrize("count", [2, 3, 7])
def test_add_n(count: int, rng: np.random.Generator, tmp_path: Path) -> None:
    tensors = [TensorSpec(f"t{i}", (3, 5), "float32") for i in range(count + 1)]
    compare(tmp_path / "m.tflite", rng, ("ADD_N", None), tensors)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 16), (1, 1), (4, 500)])
def test_l2_normalization(shape: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    options = {"fusedActivationFunction": 0}
    for dtype in ("int8", "float32"):
        x = spec(rng, "x", shape, dtype)
        y = TensorSpec("y", shape, dtype, *((1 / 128, 0) if dtype == "int8" else ()))
        compare(tmp_path / "m.tflite", rng, ("L2_NORMALIZATION", options), [x, y])
    small = np.full(shape, 1e-8, np.float32)
    compare(tmp_path / "m.tflite", rng, ("L2_NORMALIZATION", options), [x, y], arrays=[small])


@pytest.mark.parametrize("shape", [(7,), (2, 3, 16), (1, 1), (4, 500)])
def test_log_softmax(shape: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    tensors = [TensorSpec(n, shape, "float32") for n in "xy"]
    compare(tmp_path / "m.tflite", rng, ("LOG_SOFTMAX", None), tensors)


def test_an_int8_log_softmax_says_what_to_do(tmp_path: Path) -> None:
    x, y = TensorSpec("x", (1, 4), "int8", 0.1, 3), TensorSpec("y", (1, 4), "int8", 16 / 256, 127)
    path = write_model(tmp_path / "m.tflite", [("LOG_SOFTMAX", None, [0], [1])], [x, y], [0], [1])
    with pytest.raises(CompileError, match=r"E351 .*end the network before it"):
        read(path)


BIG = float(np.finfo(np.float32).max)
WINDOW = {"padding": 0, "strideW": 1, "strideH": 1}
CONV = {**WINDOW, "dilationWFactor": 1, "dilationHFactor": 1}
POOL = {**WINDOW, "filterWidth": 2, "filterHeight": 2}
# operator, options, shapes of the variable and of the constant operands, of the output
BEYOND: list[tuple[str, Any, list[Any], list[Any], Any]] = [
    ("ADD", {}, [(4, 16), (4, 16)], [], (4, 16)),
    ("SUB", {}, [(4, 16), (16,)], [], (4, 16)),
    ("MUL", {}, [(4, 16), (4, 16)], [], (4, 16)),
    ("CONV_2D", CONV, [(1, 5, 5, 2)], [(3, 2, 2, 2), (3,)], (1, 5, 5, 3)),
    ("DEPTHWISE_CONV_2D", {**CONV, "depthMultiplier": 1}, [(1, 5, 5, 3)], [(1, 2, 2, 3), (3,)],
     (1, 5, 5, 3)),
    ("FULLY_CONNECTED", {}, [(6, 4)], [(5, 4), (5,)], (6, 5)),
    ("AVERAGE_POOL_2D", POOL, [(1, 6, 6, 3)], [], (1, 6, 6, 3)),
    ("MAX_POOL_2D", POOL, [(1, 6, 6, 3)], [], (1, 6, 6, 3)),
    ("RELU", None, [(64,)], [], (64,)),
    ("RELU6", None, [(64,)], [], (64,)),
    ("MAXIMUM", {}, [(64,), (64,)], [], (64,)),
    ("HARD_SWISH", None, [(64,)], [], (64,)),
]  # fmt: skip


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("name", "options", "variables", "constants", "out"), BEYOND, ids=[b[0] for b in BEYOND]
)
def test_floats_beyond_their_range(
    name: str, options: Any, variables: list[Any], constants: list[Any], out: Any,
    activation: int, rng: np.random.Generator, tmp_path: Path,
) -> None:  # fmt: skip
    """What overflows is float32's greatest number, not infinity, behind a fused activation, even
    where that is "none"; infinity and what is no number go the way that LiteRT lets them."""
    edges = np.array([BIG, -BIG, 3e38, -3e38, np.inf, -np.inf, np.nan], np.float32)

    def data(shape: Any, count: int) -> np.ndarray:
        numbers = rng.normal(0, 2, shape)
        at_edge = rng.random(shape) < 0.4
        return np.where(at_edge, rng.choice(edges[:count], shape), numbers).astype(np.float32)

    if options is not None and name != "MAXIMUM":
        options = {**options, "fusedActivationFunction": activation}
    elif activation:
        pytest.skip("no activation is fused into it")
    shapes = [*variables, *constants, out]
    fixed = range(len(variables), len(shapes) - 1)
    tensors = [
        TensorSpec(f"t{i}", s, "float32", data=data(s, 4) if i in fixed else None)
        for i, s in enumerate(shapes)
    ]
    last = len(shapes) - 1
    path = write_model(
        tmp_path / "m.tflite", [(name, options, range(last), [last])], tensors,
        range(len(variables)), [last],
    )  # fmt: skip
    graph = read(path)
    for count in (4, 6, 7):
        arrays = [data(s, count) for s in variables]
        with np.errstate(all="ignore"):
            ours = interpret(graph, arrays)[graph.outputs[0]]
        np.testing.assert_allclose(ours, run_litert(path, arrays)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_reduce_max_passes_over_what_is_no_number(axis: int, tmp_path: Path) -> None:
    n, m = np.nan, -np.inf
    x = np.array([[n, 1, n], [m, n, n], [2, m, n], [m, 3, m], [np.inf, 0, n]], np.float32)
    x = x if axis == 0 else np.ascontiguousarray(x.T)
    tensors = [
        TensorSpec("x", x.shape, "float32"),
        TensorSpec("axis", (1,), "int32", data=[axis]),
        TensorSpec("y", (3,), "float32"),
    ]
    path = write_model(tmp_path / "m.tflite", [("REDUCE_MAX", {}, [0, 1], [2])], tensors, [0], [2])
    graph = read(path)
    (theirs,) = run_litert(path, [x])
    np.testing.assert_array_equal(interpret(graph, [x])[graph.outputs[0]], theirs)
    assert theirs.tolist() == [np.inf, 3, -BIG]


@pytest.mark.parametrize("target", ["int8", "int16", "int32", "int64"])
def test_cast_of_what_no_integer_is(target: str, tmp_path: Path) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, -3.7, 2.9], np.float32)
    tensors = [TensorSpec("x", x.shape, "float32"), TensorSpec("y", x.shape, target)]
    path = write_model(tmp_path / "m.tflite", [("CAST", {}, [0], [1])], tensors, [0], [1])
    graph = read(path)
    np.testing.assert_array_equal(interpret(graph, [x])[graph.outputs[0]], run_litert(path, [x])[0])


def _unary(name: str, options: Any = None) -> tuple[str, Any, int]:
    return name, options, 1


RESCALING = [
    _unary("RELU"), _unary("RELU6"), _unary("LEAKY_RELU", {"alpha": 0.5}), _unary("QUANTIZE", {}),
    ("MUL", {}, 2), ("PRELU", None, 2), ("BATCH_MATMUL", {}, 2), ("ADD", {}, 2),
    _unary("HARD_SWISH"), ("CONV_2D", CONV, 0), ("DEPTHWISE_CONV_2D", CONV, 0),
    ("FULLY_CONNECTED", {}, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "operands"), RESCALING, ids=[name for name, _, _ in RESCALING]
)
def test_ratios_of_scales(
    name: str, options: Any, operands: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    """As far as a ratio is taken it gives LiteRT's bits; what would wrap int32 is refused."""
    refused = 0
    for power in range(-30, 31, 3):
        shape = (1, 1, 8, 8) if name.endswith("2D") else (8, 8)
        x, z = (TensorSpec(n, shape, "int8", s, 3) for n, s in (("x", 1.0), ("z", 2.0**-power)))
        if operands:
            y = TensorSpec("y", shape, "int8", 1.0, 0)
            tensors = [x, *[y] * (operands - 1), z]
        else:
            weights = {"DEPTHWISE_CONV_2D": (1, 1, 1, 8), "CONV_2D": (8, 1, 1, 8)}.get(name, shape)
            w = TensorSpec("w", weights, "int8", 1.0, 0, data=rng.integers(-127, 128, weights))
            b = TensorSpec("b", (8,), "int32", 1.0, 0, data=rng.integers(-99, 99, 8))
            tensors = [x, w, b, z]
        last = len(tensors) - 1
        variables = [i for i in range(last) if tensors[i].data is None]
        write_model(
            tmp_path / "m.tflite", [(name, options, range(last), [last])], tensors, variables,
            [last],
        )  # fmt: skip
        try:
            graph = read(tmp_path / "m.tflite")
        except CompileError as error:
            assert error.id == "E304" and (power > 0 or name == "HARD_SWISH"), error
            refused += 1
            continue
        arrays = [random_data(rng, tensors[i]) for i in variables]
        np.testing.assert_array_equal(
            interpret(graph, arrays)[graph.outputs[0]],
            run_litert(tmp_path / "m.tflite", arrays)[0],
            err_msg=f"2^{power}",
        )
    assert 2 <= refused <= (18 if name == "HARD_SWISH" else 10)


@pytest.mark.parametrize("scale", [1e-10, 1e-11])
@pytest.mark.parametrize("name", ["RELU6", "RELU_N1_TO_1", "MAX_POOL_2D", "ADD"])
def test_bounds_of_an_activation_that_int32_does_not_hold(
    name: str, scale: float, tmp_path: Path
) -> None:
    t = TensorSpec("t", (1, 4, 4, 1), "int8", scale, 0)
    options = None if name.startswith("RELU") else {"fusedActivationFunction": 3}
    if name == "MAX_POOL_2D":
        options = {**POOL, **(options or {})}
    last = 2 if name == "ADD" else 1
    path = write_model(
        tmp_path / "m.tflite", [(name, options, range(last), [last])], [t] * (last + 1),
        range(last), [last],
    )  # fmt: skip
    with pytest.raises(CompileError, match=r"E304 .*rescales numbers of up to 6"):
        read(path)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["ADD", "MAXIMUM", "PADV2"])
def test_constants_that_are_no_numbers(name: str, number: float, tmp_path: Path) -> None:
    """Refused, but for infinity to pad with, which no maximum of a pooling behind it takes."""
    x, z = (TensorSpec(n, s, "float32") for n, s in (("x", (2, 3)), ("z", (2, 3))))
    c = TensorSpec("c", (3,), "float32", data=[1, number, 2])
    inputs = [x, c]
    if name == "PADV2":
        pads = TensorSpec("pads", (2, 2), "int32", data=[[1, 0], [0, 2]])
        inputs = [x, pads, TensorSpec("c", (), "float32", data=number)]
        z = TensorSpec("z", (3, 5), "float32")
    last = len(inputs)
    path = write_model(
        tmp_path / "m.tflite", [(name, {}, range(last), [last])], [*inputs, z], [0], [last]
    )
    if name == "PADV2" and not np.isnan(number):
        graph = read(path)
        data = np.arange(6, dtype=np.float32).reshape(2, 3)
        ours = interpret(graph, [data])[graph.outputs[0]]
        np.testing.assert_array_equal(ours, run_litert(path, [data])[0])
    else:
        with pytest.raises(CompileError, match=r"E324 .*operand 'c' holds NaN or infinity"):
            read(path)


def test_types_of_options_are_those_of_the_schema() -> None:
    from ai_edge_litert.schema_py_generated import BuiltinOptions

    codes = {k.removesuffix("Options"): v for k, v in vars(BuiltinOptions).items() if k[0] != "_"}
    assert {name: i for i, name in enumerate(schema.OPTION_TYPES)} == codes
    assert all(schema.options_type(operator) for operator in schema.OPTIONS)
    assert schema.options_type("MEAN") == codes["Reducer"]
    assert schema.options_type("LOGISTIC") is None


@pytest.mark.parametrize(
    ("least", "most", "bits"),
    [(-1.0, 1.0, 8), (-0.3, 2.7, 8), (0.5, 6.0, 4), (-6.0, -0.5, 2), (-1e-3, 7.0, 16)],
)
def test_fake_quant(
    least: float, most: float, bits: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    options = {"min": least, "max": most, "numBits": bits}
    tensors = [TensorSpec(name, (400,), "float32") for name in "xy"]
    steps = np.arange(400) * np.float32(0.5 * (most - least) / ((1 << bits) - 1))
    x = np.concatenate([(least + steps)[:200], rng.normal(0, most - least, 196)])
    x = np.append(x, [np.inf, -np.inf, 0, least]).astype(np.float32)
    path = tmp_path / "m.tflite"
    write_model(path, [("FAKE_QUANT", options, [0], [1])], tensors, [0], [1])
    graph = read(path)
    (ours,) = (interpret(graph, [x])[v] for v in graph.outputs)
    np.testing.assert_array_equal(ours, run_litert(path, [x])[0])
