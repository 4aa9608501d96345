"""Binary operators against Larq Compute Engine's interpreter, bit for bit."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_binary
from tflite_writer import TensorSpec, run_lce, write_model

from tinyc.errors import CompileError
from tinyc.frontends.packages import remedy
from tinyc.frontends.tflite import read
from tinyc.frontends.tflite.rules.conv import same_padding
from tinyc.ir import DType, Quant, interpret
from tinyc.kernels.lce_bconv2d import _known, fixed_point
from tinyc.ops._bits import random_words, words
from tinyc.ops._conv import out_size
from tinyc.ops.lce_bconv2d import possible

if importlib.util.find_spec("larq_compute_engine") is None:
    pytest.skip(remedy(["larq_compute_engine"]), allow_module_level=True)
OUTPUTS = ("float32", "int8", "packed")


def compare(path: Path, x: np.ndarray, reference: bool = True) -> np.ndarray:
    """The model's only output, by tinyc and by LCE's interpreter, which must agree."""
    graph = read(path)
    ours = interpret(graph, [x])[graph.outputs[0]]
    (theirs,) = run_lce(path, [x], reference)
    np.testing.assert_array_equal(ours, theirs)
    return ours


def packed(name: str, shape: tuple[int, ...], data: Any = None) -> TensorSpec:
    """A tensor of signs: ``shape`` with 32 channels to a word."""
    return TensorSpec(name, (*shape[:-1], words(shape[-1])), "int32", data=data)


def random_model(path: Path, rng: np.random.Generator, output: str, zeros: bool) -> np.ndarray:
    """Write x -> LceQuantize -> LceBconv2d (-> LceDequantize); return an input for it."""
    groups = int(rng.choice([1, 1, 1, 2]))
    channels = int(rng.choice([32, 64]) * groups if groups > 1 else 2 * rng.integers(1, 60))
    outs = int(rng.integers(1, 40)) * groups
    same = zeros or bool(rng.integers(2))
    kernel, stride, dilation = (
        tuple(int(v) for v in rng.integers(1, high, 2)) for high in (5, 4, 3)
    )
    size, out = [], []
    for k, s, d in zip(kernel, stride, dilation, strict=True):
        extent = int(rng.integers((k - 1) * d + 1, (k - 1) * d + 9))
        size.append(extent)
        pad = same_padding(extent, k, s, d, -(-extent // s)) if same else (0, 0)
        out.append(out_size(extent, k, s, d, pad))
    shape = (1, *size, channels)
    bits = rng.integers(-(1 << 31), (1 << 31) - 1, (outs, *kernel, words(channels // groups)))
    if channels // groups % 32:
        bits[..., -1] &= (1 << channels // groups % 32) - 1
    depth = kernel[0] * kernel[1] * channels // groups
    options = {
        "stride_height": stride[0], "stride_width": stride[1],
        "dilation_height_factor": dilation[0], "dilation_width_factor": dilation[1],
        "padding": 0 if same else 1, "pad_values": 0 if zeros else 1, "channels_in": channels,
        "fused_activation_function": int(rng.integers(4)),
    }  # fmt: skip
    y_shape = (1, *out, outs)
    tensors = [
        TensorSpec("x", shape, "float32"),
        packed("signs", shape),
        TensorSpec("w", bits.shape, "int32", data=bits),
        TensorSpec("multiplier", (outs,), "float32", data=rng.normal(0, 1, outs)),
        TensorSpec("bias", (outs,), "float32", data=rng.normal(0, 9, outs)),
        TensorSpec(
            "threshold", (outs,), "int32", data=rng.normal(depth / 2, depth**0.5 / 2 + 1, outs)
        ),
    ]
    if output == "packed":
        operands, result = [1, 2, -1, -1, 5], packed("y", y_shape)
    else:
        operands, result = [1, 2, 3, 4, -1], TensorSpec("y", y_shape, output)
        if output == "int8":
            scale, zero = depth**0.5 * rng.choice([0.01, 0.1, 1]), int(rng.integers(-128, 127))
            result = TensorSpec("y", y_shape, "int8", scale, zero)
    tensors.append(result)
    operators: list[Any] = [
        ("CUSTOM LceQuantize", {}, [0], [1]),
        ("CUSTOM LceBconv2d", options, operands, [6]),
    ]
    if output == "packed":
        tensors.append(TensorSpec("unpacked", y_shape, "float32"))
        operators.append(("CUSTOM LceDequantize", {}, [6], [7]))
    write_model(path, operators, tensors, [0], [len(tensors) - 1])
    return rng.normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("zeros", [False, True])
def test_bconv2d(
    zeros: bool, output: str, seed: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    if zeros and output == "packed":
        pytest.skip("LCE's interpreter crashes on packed outputs with padding of zeros")
    path = tmp_path / "m.tflite"
    x = random_model(path, rng, output, zeros)
    compare(path, x)


def test_network(rng: np.random.Generator, tmp_path: Path) -> None:
    """Signs of int8, a packed output, pooling, an int8 output."""
    path = write_binary(tmp_path / "m.tflite")
    for _ in range(3):
        x = rng.integers(-128, 128, (1, 6, 6, 40)).astype(np.int8)
        assert len(np.unique(compare(path, x))) > 8


@pytest.mark.parametrize(
    ("options", "id", "words"),
    [
        ({"custom": b"\x07\x01"}, "E301", "cannot be read"),
        ({"custom": b"\xff" * 90}, "E301", "cannot be read"),
        ({"custom": {"stride_height": 1}}, "E301", "lack stride_width, dilation_height_factor"),
        ({"stride_height": 0}, "E301", "its stride is [0, 1]"),
        ({"stride_width": 1 << 40}, "E301", "its stride_width is 1099511627776"),
        ({"pad_values": 2}, "E301", "pads with 2"),
        ({"padding": 5}, "E301", "padding 5"),
        ({"channels_in": 200}, "E302", "shape"),
        ({"channels_in": -1}, "E301", "has -1 channels"),
        ({"fused_activation_function": 4}, "E302", "activation tanh"),
    ],
)
def test_broken_options(options: dict[str, Any], id: str, words: str, tmp_path: Path) -> None:
    """One message with the layer's name; never an exception of the reader underneath."""
    path = write_binary(tmp_path / "broken.tflite", **options)
    with pytest.raises(CompileError) as caught:
        read(path)
    assert caught.value.id == id
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{id} broken.tflite: op 1 'conv' (CUSTOM LceBconv2d)")
    assert caught.value.hint


@pytest.mark.parametrize("channels", [1, 31, 33])
def test_bits_beyond_the_channels_of_filters_are_refused(
    channels: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    """LCE's interpreter counts them."""
    shape, width = (1, 3, 3, channels), words(channels)
    bits = random_words(rng, (4, 1, 1, channels))
    options = {
        "stride_height": 1, "stride_width": 1, "dilation_height_factor": 1,
        "dilation_width_factor": 1, "padding": 1, "pad_values": 1, "channels_in": channels,
        "fused_activation_function": 0,
    }  # fmt: skip
    for stray in (0, 1 << channels % 32):
        data = bits.copy()
        data[2, 0, 0, width - 1] |= np.uint32(stray).view(np.int32)
        tensors = [
            TensorSpec("x", shape, "float32"), packed("signs", shape),
            TensorSpec("w", data.shape, "int32", data=data),
            TensorSpec("m", (4,), "float32", data=np.ones(4)),
            TensorSpec("b", (4,), "float32", data=np.zeros(4)),
            TensorSpec("y", (1, 3, 3, 4), "float32"),
        ]  # fmt: skip
        operators = [
            ("CUSTOM LceQuantize", {}, [0], [1]),
            ("CUSTOM LceBconv2d", options, [1, 2, 3, 4, -1], [5]),
        ]
        path = write_model(tmp_path / "m.tflite", operators, tensors, [0], [5])
        if stray:
            with pytest.raises(CompileError, match=r"E325 .*bits beyond the last channel"):
                read(path)
        else:
            compare(path, rng.normal(0, 1, shape).astype(np.float32))


@pytest.mark.parametrize(
    ("multiplier", "bias", "scale"), [(1e30, 0, 2.0**-40), (3e38, 0, 0.1), (1, 3e38, 0.1)]
)
def test_scales_beyond_float32_are_refused(
    multiplier: float, bias: float, scale: float, tmp_path: Path
) -> None:
    path = write_binary(tmp_path / "m.tflite")
    node = next(n for n in read(path).nodes if n.output.type.dtype is DType.I8)
    x, w, m, b = node.inputs
    y = node.output
    m, b = (
        replace(v, data=np.full(v.type.shape, number, np.float32))
        for v, number in ((m, multiplier), (b, bias))
    )
    y = replace(y, type=replace(y.type, quant=Quant((scale,), (0,))))
    wrong = replace(node, inputs=(x, w, m, b), outputs=(y,))
    with pytest.raises(CompileError, match=r"E304 .*leave the range of float32"):
        wrong.op.check(wrong)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("sliced", [False, True])
def test_int8_sums_have_exact_integers(
    sliced: bool, seed: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    """For each sum that can occur, the integers of the kernel give LCE's float32 result."""
    path = tmp_path / "m.tflite"
    random_model(path, rng, "int8", bool(seed % 2) and not sliced)
    node = read(path).nodes[1]
    known = _known(node) if sliced else None
    fixed = fixed_point(node, known)
    assert fixed is not None
    if known is None:
        twice = x = possible(node)[:, None]
    else:
        twice = np.arange(0, 2 * node.op.depth(node) + 1, 2)[:, None]
        x = known - twice // 2
    multiplier, term = fixed.table.astype(np.int64).T
    sums = (x * multiplier + term).astype(np.int32)  # wraps around, as in the kernel
    expected = node.op.finish(node, np.broadcast_to(twice, sums.shape))
    low, high = fixed.bounds.T
    np.testing.assert_array_equal(np.clip(sums >> (term & 31), low, high), expected)


@pytest.mark.parametrize("channels", [1, 31, 32, 33, 100])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_quantize_and_dequantize(
    dtype: str, channels: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    shape = (1, 3, 2, channels)
    quant = (0.1, int(rng.integers(-128, 127))) if dtype == "int8" else (None, 0)
    x = TensorSpec("x", shape, dtype, *quant)
    y = TensorSpec("y", shape, dtype, *quant)
    path = write_model(
        tmp_path / "m.tflite",
        [("CUSTOM LceQuantize", {}, [0], [1]), ("CUSTOM LceDequantize", {}, [1], [2])],
        [x, packed("bits", shape), y], [0], [2],
    )  # fmt: skip
    if dtype == "float32":
        data = rng.normal(0, 1, shape).astype(np.float32)
        data.flat[0] = -0.0
    else:
        data = rng.integers(-128, 128, shape).astype(np.int8)
    assert len(np.unique(compare(path, data))) <= 2


@pytest.mark.parametrize("seed", range(8))
def test_bmaxpool2d(seed: int, rng: np.random.Generator, tmp_path: Path) -> None:
    shape = (1, int(rng.integers(5, 9)), int(rng.integers(5, 9)), int(rng.choice([3, 32, 70])))
    kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    same = bool(rng.integers(2))
    out = [
        out_size(n, k, s, 1, same_padding(n, k, s, 1, -(-n // s)) if same else (0, 0))
        for n, k, s in zip(map(int, shape[1:3]), map(int, kernel), map(int, stride), strict=True)
    ]
    y_shape = (1, *out, shape[3])
    options = {
        "filter_height": int(kernel[0]), "filter_width": int(kernel[1]),
        "stride_height": int(stride[0]), "stride_width": int(stride[1]),
        "padding": 0 if same else 1,
    }  # fmt: skip
    path = write_model(
        tmp_path / "m.tflite",
        [
            ("CUSTOM LceQuantize", {}, [0], [1]),
            ("CUSTOM LceBMaxPool2d", options, [1], [2]),
            ("CUSTOM LceDequantize", {}, [2], [3]),
        ],
        [TensorSpec("x", shape, "float32"), packed("bits", shape), packed("most", y_shape),
         TensorSpec("y", y_shape, "float32")],
        [0], [3],
    )  # fmt: skip
    compare(path, rng.normal(-1, 1, shape).astype(np.float32))
