"""Kernels in the 32-bit instructions of Thumb-2: exact for every weight, and up to the largest
sum."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_bounds import chosen
from test_models import firmware
from test_ops import alone, check_on_host

from tinyc.ir import DType, Node, Quant, TensorType, Value, interpret
from tinyc.kernels.base import kernels_of
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.target.boards import load_board

THUMB2 = frozenset({"thumb2"})


def pointwise(weights: np.ndarray, bias: np.ndarray, pixels: int, zero: int, scale: float) -> Node:
    """int8 [1, 1, pixels, depth], whose zero point is ``zero``, by int8 [channels, depth]."""
    channels, depth = weights.shape
    types = (
        TensorType((1, 1, pixels, depth), DType.I8, Quant((1.0,), (zero,))),
        TensorType((channels, 1, 1, depth), DType.I8, Quant((1.0,), (0,))),
        TensorType((channels,), DType.I32, Quant((1.0,), (0,))),
    )
    data = (None, weights.reshape(types[1].shape).astype(np.int8), bias.astype(np.int32))
    inputs = tuple(Value(n, t, "case", d) for n, t, d in zip("xwb", types, data, strict=True))
    y = TensorType((1, 1, pixels, channels), DType.I8, Quant((1 / scale,), (5,)))
    op = Conv2d((1, 1), (1, 1), ((0, 0), (0, 0)), "none")
    return Node(op, inputs, (Value("y", y, "case"),), "case")


def ends(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """Pixels of the least input, of the greatest, and of both."""
    shape = node.inputs[0].type.shape
    x = rng.choice(np.array([-128, 127], np.int8), shape)
    rows = x.reshape(-1, shape[-1])
    rows[:2] = np.array([[-128], [127]])[: len(rows)]
    return [x]


def every_pair_of_weights() -> Node:
    """All weights, each at even inputs and at odd ones, in channels of one sign and of both."""
    every = np.arange(-128, 128)
    weights = np.stack([every, np.abs(every + 0.5) - 0.5, -np.abs(every + 0.5) - 0.5, every[::-1]])
    return pointwise(weights, np.array([-9999, 9999, 0, 1]), 7, -3, 1e-5)


def largest_sums() -> Node:
    """Of magnitudes just under 2^30."""
    depth = 32767
    weights = np.repeat([[127], [-128], [-127]], depth, 1)
    bias = np.array([(1 << 30) - 127 * 256 * depth - 1, -32767, 127 * 256 * depth - (1 << 30) + 1])
    return pointwise(weights, bias, 5, -128, 1.17e-7)


def pixel() -> Node:
    """The same of a single pixel, by every weight but -128 too."""
    depth = 32764
    every = np.resize(np.arange(-127, 128), depth)
    weights = np.stack([np.full(depth, 127), every, every[::-1], np.full(depth, -127), every])
    most = (1 << 30) - 127 * 256 * depth - 1
    return pointwise(weights, np.array([-most, 9, -9, most, 0]), 1, 127, 1.17e-7)


def depthwise() -> Node:
    """3x3 filters of the least and the greatest weights over a padded image."""
    weights = np.random.default_rng(5).choice([-128, 127], (1, 3, 3, 6))
    weights[..., 0], weights[..., 1] = -128, 127
    types = (
        TensorType((1, 6, 13, 6), DType.I8, Quant((1.0,), (127,))),
        TensorType((1, 3, 3, 6), DType.I8, Quant((1.0,), (0,), 3)),
        TensorType((6,), DType.I32, Quant((1.0,), (0,))),
    )
    data = (None, weights.astype(np.int8), np.arange(-30000, 30000, 10000, dtype=np.int32))
    inputs = tuple(Value(n, t, "case", d) for n, t, d in zip("xwb", types, data, strict=True))
    y = Value("y", TensorType(types[0].shape, DType.I8, Quant((2500.0,), (-3,))), "case")
    op = DepthwiseConv2d((1, 1), (1, 1), ((1, 1), (1, 1)), "none", 1)
    return Node(op, inputs, (y,), "case")


def dense() -> Node:
    """Every weight but -128, each times inputs of either end."""
    every = np.resize(np.arange(-127, 128), 260)
    weights = np.stack([every, every[::-1], np.full(260, -127), np.full(260, 127), every])
    types = (
        TensorType((3, 260), DType.I8, Quant((1.0,), (-128,))),
        TensorType(weights.shape, DType.I8, Quant((1.0,), (0,))),
        TensorType((5,), DType.I32, Quant((1.0,), (0,))),
    )
    data = (None, weights.astype(np.int8), np.arange(-20000, 30000, 10000, dtype=np.int32))
    inputs = tuple(Value(n, t, "case", d) for n, t, d in zip("xwb", types, data, strict=True))
    y = Value("y", TensorType((3, 5), DType.I8, Quant((70000.0,), (-3,))), "case")
    return Node(FullyConnected("none"), inputs, (y,), "case")


def _from_the_least(node: Node, scale: float) -> Node:
    """The node with an output of the zero point -128, which one product rounds."""
    y = node.output
    quant = Quant((scale,), (-128,))
    node = replace(node, outputs=(replace(y, type=replace(y.type, quant=quant)),))
    kernel = next(k for k in kernels_of(type(node.op)) if k.requires == THUMB2)
    assert "lowest" in str(kernel.bind(node).params)
    return node


def every_pair_of_weights_lowest() -> Node:
    return _from_the_least(every_pair_of_weights(), 400.0)


def depthwise_lowest() -> Node:
    return _from_the_least(depthwise(), 900.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        every_pair_of_weights,
        every_pair_of_weights_lowest,
        largest_sums,
        pixel,
        depthwise,
        depthwise_lowest,
        dense,
    ],
)
@pytest.mark.parametrize("where", ["host", "mps2_an385"])
def test_the_ends(case, where: str, tmp_path: Path) -> None:
    node = case()
    assert chosen(node, THUMB2).endswith("_s8_thumb2")
    if where == "host":
        gcc = shutil.which("gcc")
        if gcc is None:
            pytest.skip("no host gcc with ASan and UBSan found")
        check_on_host([node], tmp_path, gcc, ends, THUMB2)
        return
    arrays = ends(node, np.random.default_rng(3))
    rows = arrays[0].reshape(1, -1).view(np.uint8)
    trace = firmware(alone(node, "net"), load_board(where), tmp_path / "out", rows, "unicorn")
    expected = interpret(alone(node, "net"), arrays)[node.output]
    np.testing.assert_array_equal(trace.outputs[0].view(np.int8), expected.ravel())


def test_what_convolutions_leave_to_portable_c() -> None:
    bias = np.array([(1 << 30) - 127 * 256])
    assert chosen(pointwise(np.array([[127]]), bias - 1, 1, 0, 1e-7), THUMB2) == "conv2d_s8_thumb2"
    assert chosen(pointwise(np.array([[127]]), bias, 1, 0, 1e-7), THUMB2) == "conv2d_s8_tile4"
