"""uint8 models, as TensorFlow 1 and the Edge TPU's tools leave them, against LiteRT's reference
kernels, bit for bit."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.frontends.tflite import read
from tinyc.ir import DType, interpret
from tinyc.ops.quantize import Quantize
from tinyc.passes import optimize

pytest.importorskip("ai_edge_litert")

Rng = np.random.Generator
Case = tuple[str, dict[str, Any] | None, list[TensorSpec]]
"""An operator, its options and its tensors: operands, then the output."""


def u8(rng: Rng, name: str, shape: Any, like: TensorSpec | None = None, **more: Any) -> TensorSpec:
    """A uint8 tensor; quantized as ``like``, or with a random scale and an often extreme zero."""
    scale = more.pop("scale", None) or float(rng.uniform(0.01, 0.2))
    zero = more.pop("zero", int(rng.choice([0, 255, 128, int(rng.integers(256))])))
    if like is not None:
        scale, zero = like.scale, like.zero_point
    return TensorSpec(name, shape, "uint8", scale, zero, **more)


def ints(name: str, values: Any) -> TensorSpec:
    return TensorSpec(name, np.shape(values), "int32", data=np.array(values))


def weights(rng: Rng, shape: Any, channels: int, x: TensorSpec) -> list[TensorSpec]:
    scale = float(np.exp(rng.uniform(np.log(1e-3), np.log(0.1))))
    product = float(np.float32(x.scale) * np.float32(scale))
    bias = rng.integers(-9000, 9000, channels)
    return [
        u8(rng, "w", shape, scale=scale, data=rng.integers(0, 256, shape)),
        TensorSpec("b", (channels,), "int32", product, data=bias),
    ]


def result(rng: Rng, shape: Any) -> TensorSpec:
    return u8(rng, "y", shape, scale=float(rng.choice([0.02, 0.5, 3.0])))


def windowed(rng: Rng, name: str) -> Case:
    n, h, w, c = map(int, rng.integers((1, 3, 3, 1), (3, 9, 9, 6)))
    kh, kw, s = map(int, rng.integers(1, (4, 4, 3)))
    valid = int(rng.integers(2))
    size = [(e - k) // s + 1 if valid else -(-e // s) for e, k in ((h, kh), (w, kw))]
    options = {"padding": valid, "strideW": s, "strideH": s}
    options["fusedActivationFunction"] = int(rng.integers(4))
    x = u8(rng, "x", (n, h, w, c))
    if name.endswith("POOL_2D"):
        options |= {"filterWidth": kw, "filterHeight": kh}
        return name, options, [x, u8(rng, "y", (n, *size, c), x)]
    options |= {"dilationWFactor": 1, "dilationHFactor": 1}
    if name == "CONV_2D":
        o = int(rng.integers(1, 9))
        shape: Any = (o, kh, kw, c)
    else:
        options["depthMultiplier"] = int(rng.integers(1, 3))
        o = c * options["depthMultiplier"]
        shape = (1, kh, kw, o)
    return name, options, [x, *weights(rng, shape, o, x), result(rng, (n, *size, o))]


def dense(rng: Rng, name: str) -> Case:
    b, i, o = map(int, rng.integers(1, 40, 3))
    x = u8(rng, "x", (b, i))
    options = {"fusedActivationFunction": int(rng.integers(4))}
    return name, options, [x, *weights(rng, (o, i), o, x), result(rng, (b, o))]


def transposed(rng: Rng, name: str) -> Case:
    h, w, c, o = map(int, rng.integers((2, 2, 1, 1), 6))
    x, y = u8(rng, "x", (1, h, w, c)), result(rng, (1, 2 * h, 2 * w, o))
    w_and_b = weights(rng, (o, 3, 3, c), o, x)
    options = {"padding": 0, "strideW": 2, "strideH": 2}
    return name, options, [ints("shape", y.shape), w_and_b[0], x, w_and_b[1], y]


def binary(rng: Rng, name: str) -> Case:
    shape = (2, 3, 4) if rng.random() < 0.5 else (1, 1, 4)
    a = u8(rng, "a", (2, 3, 4))
    if name in ("MAXIMUM", "MINIMUM"):
        return name, {}, [a, u8(rng, "b", shape, a), u8(rng, "y", (2, 3, 4), a)]
    if name == "PRELU":
        alpha = u8(rng, "b", (1, 1, 4), data=rng.integers(0, 256, (1, 1, 4)))
        return name, None, [a, alpha, u8(rng, "y", (2, 3, 4))]
    options = {"fusedActivationFunction": int(rng.integers(4))}
    return name, options, [a, u8(rng, "b", shape), u8(rng, "y", (2, 3, 4))]


def unary(rng: Rng, name: str) -> Case:
    fixed = {"SOFTMAX": (1 / 256, 0), "LOGISTIC": (1 / 256, 0), "TANH": (1 / 128, 128)}.get(name)
    y = u8(rng, "y", (3, 50))
    if fixed:
        y = u8(rng, "y", (3, 50), scale=fixed[0], zero=fixed[1])
    options = {"SOFTMAX": {"beta": float(rng.choice([0.5, 1]))}, "LEAKY_RELU": {"alpha": 0.2}}
    return name, options.get(name), [u8(rng, "x", (3, 50)), y]


def reduced(rng: Rng, name: str) -> Case:
    shape, axes = ((2, 5, 6, 3), [1, 2]) if rng.random() < 0.5 else ((4, 7), [1])
    keep = bool(rng.integers(2))
    out = [1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes]
    x = u8(rng, "x", shape)
    like = x if name == "REDUCE_MAX" or rng.random() < 0.3 else None
    return name, {"keepDims": keep}, [x, ints("axes", axes), u8(rng, "y", out, like)]


def concatenated(rng: Rng, name: str) -> Case:
    y = u8(rng, "y", (2, 3, 9))
    parts = [u8(rng, n, (2, 3, d), y if rng.random() < 0.3 else None) for n, d in ("a4", "b5")]
    parts = [TensorSpec(p.name, (2, 3, d), "uint8", p.scale, p.zero_point)
             for p, d in zip(parts, (4, 5), strict=True)]  # fmt: skip
    return name, {"axis": 2}, [*parts, y]


def resized(rng: Rng, name: str) -> Case:
    align, half = [(False, False), (True, False), (False, True)][rng.integers(3)]
    x = u8(rng, "x", (1, 4, 5, 3))
    options = {"alignCorners": align, "halfPixelCenters": half}
    return name, options, [x, ints("size", [7, 9]), u8(rng, "y", (1, 7, 9, 3), x)]


def moved(rng: Rng, name: str) -> Case:
    x = u8(rng, "x", (5, 4))
    pads = ints("pads", [[1, 1], [2, 0]])
    value = u8(rng, "v", (), x, data=int(rng.integers(256)))
    extra, options, shape = {
        "PAD": ([pads], {}, (7, 6)),
        "PADV2": ([pads, value], {}, (7, 6)),
        "MIRROR_PAD": ([pads], {"mode": 0}, (7, 6)),
        "GATHER": ([ints("at", [3, 0])], {"axis": 0}, (2, 4)),
        "TRANSPOSE": ([ints("axes", [1, 0])], {}, (4, 5)),
        "RESHAPE": ([ints("shape", [2, 10])], {"newShape": [2, 10]}, (2, 10)),
        "PACK": ([u8(rng, "x2", (5, 4), x)], {"valuesCount": 2, "axis": 0}, (2, 5, 4)),
    }[name]
    return name, options, [x, *extra, u8(rng, "y", shape, x)]


def converted(rng: Rng, name: str) -> Case:
    i8 = TensorSpec("i", (3, 60), "int8", float(rng.uniform(0.01, 0.2)), -5)
    f32 = TensorSpec("f", (3, 60), "float32")
    if name == "DEQUANTIZE":
        return name, {}, [u8(rng, "x", (3, 60)), f32]
    a, b = [(f32, None), (None, None), (i8, None), (None, i8)][rng.integers(4)]
    return name, {}, [a or u8(rng, "x", (3, 60)), b or u8(rng, "y", (3, 60))]


CASES: dict[str, Callable[[Rng, str], Case]] = {
    "CONV_2D": windowed, "DEPTHWISE_CONV_2D": windowed, "AVERAGE_POOL_2D": windowed,
    "MAX_POOL_2D": windowed, "FULLY_CONNECTED": dense, "TRANSPOSE_CONV": transposed,
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU"), binary),
    **dict.fromkeys(("SOFTMAX", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU",
                     "HARD_SWISH"), unary),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX"), reduced),
    "CONCATENATION": concatenated,
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), resized),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD", "GATHER", "TRANSPOSE", "RESHAPE", "PACK"),
                    moved),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), converted),
}  # fmt: skip


def data(rng: Rng, t: TensorSpec) -> np.ndarray:
    if t.dtype == "float32":
        return rng.normal(0, 8, t.shape).astype(np.float32)
    info = np.iinfo(t.dtype)
    return rng.integers(info.min, info.max, t.shape, endpoint=True).astype(t.dtype)


@pytest.mark.parametrize("name", CASES)
def test_uint8_is_litert_s_to_the_bit(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for _ in range(20):
        _, options, tensors = CASES[name](rng, name)
        last = len(tensors) - 1
        variables = [i for i, t in enumerate(tensors[:last]) if t.data is None]
        path = write_model(
            tmp_path / "m.tflite", [(name, options, list(range(last)), [last])], tensors,
            variables, [last],
        )  # fmt: skip
        arrays = [data(rng, tensors[i]) for i in variables]
        (theirs,) = run_litert(path, arrays)
        graph = read(path)
        for version in (graph, optimize(graph)):
            ours = interpret(version, arrays)[version.outputs[0]]
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{name} {options} {tensors}")


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_multipliers_are_litert_s_to_the_last_bit(name: str, tmp_path: Path) -> None:
    """Sums, biases alone, at which the least bit of a multiplier shows: of convolutions the
    product of the scales is one in float32, of dense layers in double."""
    rng, wrong, shown = np.random.default_rng(7), 0, 0
    for _ in range(20):
        s, t, u = (np.float32(v) for v in rng.uniform((1e-3, 2e-5, 1e-3), (0.1, 2e-3, 0.1)))
        exact, single = float(s) * float(t) / float(u), float(s * t) / float(u)
        steps = rng.integers(0, 250, 4000) + 0.5
        near = np.unique(np.round(steps / exact) + rng.integers(-3, 4, 4000))
        sums = near[np.round(near * exact) != np.round(near * single)]
        sums = sums[np.abs(sums) < 2**31][:8].astype(np.int32)
        if not len(sums):
            continue
        o, dense, depthwise = len(sums), name.startswith("FULLY"), name.startswith("DEPTH")
        shape = (o, 1) if dense else (1, 1, 1, o) if depthwise else (o, 1, 1, 1)
        options: dict[str, Any] = {} if dense else {
            "padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1,
        }  # fmt: skip
        x = TensorSpec("x", (1, 1) if dense else (1, 1, 1, o if depthwise else 1), "uint8", s, 0)
        path = write_model(
            tmp_path / "m.tflite", [(name, options, [0, 1, 2], [3])],
            [x, TensorSpec("w", shape, "uint8", t, 128, data=np.full(shape, 128)),
             TensorSpec("b", (o,), "int32", s * t, data=sums),
             TensorSpec("y", (1, o) if dense else (1, 1, 1, o), "uint8", u, 0)], [0], [3],
        )  # fmt: skip
        zeros, graph = np.zeros(x.shape, np.uint8), read(path)
        wrong += np.sum(interpret(graph, [zeros])[graph.outputs[0]] != run_litert(path, [zeros])[0])
        shown += o
    assert shown > 20 and wrong == 0


def test_uint8_stays_where_it_was_and_no_longer(tmp_path: Path) -> None:
    """Between its layers there is no conversion, beside CAST and a view there is none at all."""
    x = TensorSpec("x", (1, 4, 4, 2), "uint8", 0.1, 7)
    ones = np.ones((2, 1, 1, 2))
    tensors = [x]
    for i in range(3):
        tensors += [TensorSpec(f"w{i}", ones.shape, "uint8", 0.1, 3, data=ones),
                    TensorSpec(f"y{i}", x.shape, "uint8", 0.1, 7)]  # fmt: skip
    conv = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    layers = [("CONV_2D", conv, [2 * i, 2 * i + 1, -1], [2 * i + 2]) for i in range(3)]
    graph = read(write_model(tmp_path / "m.tflite", layers, tensors, [0], [6, 4]))
    kinds = [type(n.op).__name__ for n in graph.nodes]
    assert kinds == ["Quantize", "Conv2d", "Conv2d", "Conv2d", "Quantize", "Quantize"]
    assert [v.type.dtype for v in (*graph.inputs, *graph.outputs)] == [DType.U8] * 3
    path = write_model(
        tmp_path / "c.tflite",
        [("RESHAPE", {"newShape": [32]}, [0, 1], [2]), ("CAST", {}, [2], [3])],
        [x, ints("shape", [32]), TensorSpec("r", (32,), "uint8", 0.1, 7),
         TensorSpec("y", (32,), "float32")], [0], [3],
    )  # fmt: skip
    graph = read(path)
    assert not any(isinstance(n.op, Quantize) for n in graph.nodes)
    arrays = [np.arange(32, dtype=np.uint8).reshape(x.shape) * 8]
    np.testing.assert_array_equal(
        interpret(graph, arrays)[graph.outputs[0]], run_litert(path, arrays)[0]
    )
