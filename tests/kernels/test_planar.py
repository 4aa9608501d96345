"""The int8 depthwise convolution by pairs of lines, at the bounds under which it is exact."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_models import firmware
from test_ops import alone, check_on_host

from tinyc.ir import DType, Node, Quant, TensorType, Value, interpret
from tinyc.kernels.base import kernels_of
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.target.boards import load_board

PLANAR = "depthwise_conv2d_s8_planar"
BOARD = load_board("mps2_an386")


def layer(bias: int, shift: int, zero: int, activation: str, fraction: float = 0.999) -> Node:
    """Four channels on 5x4 pixels, whose weights are -128, 127, both and 0; their multiplier is
    ``fraction`` * 2^-shift, the output's zero point ``zero``."""
    weights = np.zeros((1, 3, 3, 4), np.int8)
    weights[..., 0], weights[..., 1] = -128, 127
    weights[0, :, :, 2] = np.resize([127, -128], (3, 3))
    x = TensorType((1, 5, 4, 4), DType.I8, Quant((1.0,), (127,)))
    w = TensorType(weights.shape, DType.I8, Quant((fraction * 2.0**-shift,), (0,)))
    y = TensorType(x.shape, DType.I8, Quant((1.0,), (zero,)))
    biases = np.array([bias, -bias, bias, -bias], np.int32)
    inputs = (
        Value("x", x, "case"),
        Value("w", w, "case", weights),
        Value("b", TensorType((4,), DType.I32), "case", biases),
    )
    op = DepthwiseConv2d((1, 1), (1, 1), ((1, 1), (1, 1)), activation)
    return Node(op, inputs, (Value("y", y, "case"),), "case")


def chosen(node: Node) -> str:
    """The kernel of a Cortex-M4."""
    features = BOARD.core.features
    kernels = [k for k in kernels_of(type(node.op)) if k.requires <= features]
    return next(k.name for k in kernels if k.reject(node) is None)


def largest(shift: int, zero: int, activation: str) -> Node:
    """The layer of the largest bias that the kernel takes."""
    low, high = 0, 1 << 30
    while high - low > 1:
        middle = (low + high) // 2
        taken = chosen(layer(middle, shift, zero, activation)) == PLANAR
        low, high = (middle, high) if taken else (low, middle)
    return layer(low, shift, zero, activation)


def extremes(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """Pixels of the least and of the greatest inputs, in all neighbourhoods."""
    return [rng.choice(np.array([-128, 127], np.int8), node.inputs[0].type.shape)]


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("zero", [-128, 0, 127])
def test_at_the_bound(zero: int, activation: str, tmp_path: Path) -> None:
    nodes = [largest(shift, zero, activation) for shift in (1, 2, 12, 22, 23, 24)]
    biases = [abs(int(node.inputs[2].array[0])) for node in nodes]
    depth = 9 * 128 * 256
    assert biases[0] == (1 << 30) - 1 - depth and min(biases) > depth
    gcc = shutil.which("gcc")
    if gcc is not None:
        check_on_host(nodes, tmp_path, gcc, extremes)
    for i, node in enumerate(nodes):
        arrays = extremes(node, np.random.default_rng(i))
        rows = arrays[0].view(np.uint8).reshape(1, -1)
        trace = firmware(alone(node, "net"), BOARD, tmp_path / "out", rows, "unicorn")
        expected = interpret(alone(node, "net"), arrays)[node.output]
        np.testing.assert_array_equal(trace.outputs[0].view(np.int8), expected.ravel())


def test_what_is_left_to_other_kernels() -> None:
    assert chosen(layer(0, 24, -128, "relu")) == PLANAR
    assert chosen(layer(0, 25, -128, "relu")) == "depthwise_conv2d_s8_dsp"
    assert chosen(layer(0, 25, 0, "relu")) == PLANAR
    assert chosen(layer(0, 31, 0, "relu", 0.6)) == PLANAR
    assert chosen(layer(0, 32, 0, "relu", 0.6)) == "depthwise_conv2d_s8_tile4"
    assert chosen(layer(0, 1, 0, "relu")) == PLANAR
    assert chosen(layer(0, 0, 0, "relu")) == "depthwise_conv2d_s8_tile4"
    wide = layer(1 << 29, 24, -128, "relu")
    assert chosen(wide) == "depthwise_conv2d_s8_dsp"
    scaled = replace(wide, op=replace(wide.op, float_scaled=True))
    assert chosen(scaled) != PLANAR
