"""The kernels of cores with nothing beyond Armv6-M at the bounds under which they are exact."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from test_models import firmware
from test_ops import alone, check_on_host

from tinyc.ir import Array, DType, Node, Quant, TensorType, Value, interpret
from tinyc.kernels.base import kernels_of
from tinyc.ops.conv2d import Conv2d
from tinyc.target.boards import load_board

BOARD = load_board("nucleo_g0b1re")
ONE = (1, 1)


def chosen(node: Node) -> str:
    return next(
        k.name
        for k in kernels_of(type(node.op))
        if k.requires <= BOARD.core.features and k.reject(node) is None
    )


def pointwise(
    weights: Array,
    biases: list[int],
    scales: list[float],
    zero: int,
    out_zero: int,
    pixels: int = 5,
) -> Node[Conv2d]:
    """1x1 convolution of ``pixels`` pixels by int8 weights [channels, depth], whose sums are
    multiplied by ``scales``."""
    channels, depth = weights.shape
    x = TensorType((1, 1, pixels, depth), DType.I8, Quant((0.5,), (zero,)))
    w = TensorType(
        (channels, 1, 1, depth), DType.I8, Quant(tuple(2 * s for s in scales), (0,) * channels, 0)
    )
    y = TensorType((1, 1, pixels, channels), DType.I8, Quant((1.0,), (out_zero,)))
    data = weights.astype(np.int8).reshape(w.shape)
    inputs = (
        Value("x", x, "case"),
        Value("w", w, "case", data),
        Value("b", TensorType((channels,), DType.I32), "case", np.array(biases, np.int32)),
    )
    return Node(Conv2d(ONE, ONE, ((0, 0), (0, 0)), "none"), inputs, (Value("y", y, "case"),), "c")


def check(node: Node, inputs: Array, tmp_path: Path) -> Array:
    """The outputs, which the reference, the host and the core have in common."""
    gcc = shutil.which("gcc")
    if gcc is not None:
        (tmp_path / "host").mkdir()
        check_on_host([node], tmp_path / "host", gcc, lambda _, rng: [inputs])
    rows = inputs.reshape(1, -1).view(np.uint8)
    trace = firmware(alone(node, "net"), BOARD, tmp_path / "out", rows, "unicorn")
    expected = interpret(alone(node, "net"), [inputs])[node.output]
    np.testing.assert_array_equal(trace.outputs[0].view(np.int8), expected.ravel())
    return expected


def extremes(weights: Array) -> Array:
    """int8 [1, 1, 2 * channels + 1, depth]: what brings the sum of each channel to its greatest and
    to its least, by turns, and the least input."""
    highest = np.where(weights > 0, 127, -128)
    lowest = np.where(weights > 0, -128, 127)
    rows = np.stack([highest, lowest], 1).reshape(-1, weights.shape[1])
    rows = np.concatenate([rows, np.full_like(rows[:1], -128)])
    return rows.astype(np.int8)[None, None]


def signs(channels: int, depth: int) -> Array:
    """Weights of 127 and -127: of one sign, by turns, and as they come."""
    found = np.random.default_rng(0).choice([-127, 127], (channels, depth))
    found[0], found[1], found[2, ::2], found[2, 1::2] = 127, -127, 127, -127
    return found


@pytest.mark.slow
@pytest.mark.parametrize("zero", [-128, 127, 5])
def test_the_greatest_sums(zero: int, tmp_path: Path) -> None:
    """Just under 2^23, either way."""
    weights = signs(5, 256)
    sums = [127 * 256 * (127 - zero), 127 * 256 * (zero + 128)]
    up, down = (1 << 23) - 1 - sums[0], sums[0] - (1 << 23) + 1
    biases = [up, down, (1 << 23) - 1 - sum(sums) // 2, 0, 77]
    scales = [2**-13, 2**-12.3, 2**-13, 2**-14, 2**-15]
    node = pointwise(weights, biases, scales, zero, 3, 11)
    assert chosen(node) == "conv2d_s8_armv6m"
    over = [up + 1, *biases[1:]]
    assert chosen(pointwise(weights, over, scales, zero, 3)) == "conv2d_s8_tile4"
    check(node, extremes(weights), tmp_path)


def test_what_is_left_to_portable_c() -> None:
    weights = np.full((2, 8), 100)
    for case, name in {
        (2.0**-1, 0): "conv2d_s8_tile4",
        (2.0**-1 - 2**-20, 0): "conv2d_s8_armv6m",
        (2.0**-19, -128): "conv2d_s8_tile4",
        (2.0**-18, -128): "conv2d_s8_armv6m",
    }.items():
        scale, out_zero = case
        assert chosen(pointwise(weights, [0, 0], [scale] * 2, 0, out_zero)) == name, case
    weights[1, 2:4] = -128
    assert chosen(pointwise(weights, [0, 0], [0.01] * 2, 0, 0)) == "conv2d_s8_tile4"
    weights[1, 3] = -127
    assert chosen(pointwise(weights, [0, 0], [0.01] * 2, 0, 0)) == "conv2d_s8_armv6m"
    assert chosen(pointwise(weights[:1], [0], [0.01], 0, 0)) == "conv2d_s8_tile4"


@pytest.mark.slow
@pytest.mark.parametrize("out_zero", [-128, 0, 40])
def test_halves(out_zero: int, tmp_path: Path) -> None:
    """Every sum around zero, by powers of two and by others, halves among them."""
    weights = np.zeros((14, 4), np.int64)
    weights[:, :2] = 1, 127
    scales = [2.0**-n for n in range(2, 9)] + [(2**-1 - 2**-24) * 2.0**-n for n in range(1, 8)]
    node = pointwise(weights, [0] * 14, scales, 0, out_zero, 256 * 9)
    assert chosen(node) == "conv2d_s8_armv6m"
    x = np.zeros((9, 256, 4), np.int8)
    x[..., 0] = np.arange(-128, 128)
    x[..., 1] = np.arange(-4, 5)[:, None]
    found = check(node, x.reshape(1, 1, -1, 4), tmp_path)
    assert len(np.unique(found[..., 7])) > 100
