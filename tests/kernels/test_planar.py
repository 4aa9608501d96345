"""The int8 depthwise convolution by pairs of lines, at the bounds under which it is exact."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_models import firmware
from test_ops import alone, check_on_host, run_on_host

from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.ir import DType, Graph, Node, Quant, TensorType, Value, interpret, verify
from tinyc.kernels.base import kernels_of
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.plan import plan
from tinyc.plan.heads import split_outputs
from tinyc.run import run
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


def strip_layer(
    h: int, w: int, channels: int, padding: tuple, activation: str, zero: int, seed: int
) -> Node:
    """Random weights, -128 and 127 among them."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 127, (1, 3, 3, channels), endpoint=True).astype(np.int8)
    weights[..., 0] = 127
    weights[..., -1] = -128
    sizes = (h + sum(padding[0]) - 2, w + sum(padding[1]) - 2)
    scales = tuple(map(float, rng.uniform(0.0005, 0.002, channels).astype(np.float32)))
    biases = rng.integers(-9000, 9000, channels).astype(np.int32)
    x = TensorType((1, h, w, channels), DType.I8, Quant((1.0,), (-3,)))
    y = TensorType((1, *sizes, channels), DType.I8, Quant((1.0,), (zero,)))
    inputs = (
        Value("x", x, "case"),
        Value("w", TensorType(weights.shape, DType.I8, Quant(scales, (0,) * channels, 3)), "case",
              weights),
        Value("b", TensorType((channels,), DType.I32), "case", biases),
    )  # fmt: skip
    op = DepthwiseConv2d((1, 1), (1, 1), padding, activation)
    return Node(op, inputs, (Value("y", y, "case"),), "case")


SAME = ((1, 1), (1, 1))
STRIPS = [
    (strip_layer(9, 5, 8, SAME, "relu", -128, 0), 2),
    (strip_layer(8, 1, 4, SAME, "none", 7, 1), 2),
    (strip_layer(7, 6, 7, ((0, 0), (0, 0)), "relu6", -20, 2), 2),
    (strip_layer(10, 3, 5, ((0, 1), (1, 0)), "none", -128, 3), 2),
    (strip_layer(9, 7, 6, SAME, "relu_n1_to_1", 0, 4), 3),
]


def test_two_rows_at_a_time(tmp_path: Path) -> None:
    """As chains have it: images in strips, most of which lie within them."""
    nodes = []
    for i, (node, _) in enumerate(STRIPS):
        x, *weights = node.inputs
        y = replace(node.output, name=f"y{i}")
        nodes.append(replace(node, inputs=(replace(x, name=f"x{i}"), *weights), outputs=(y,)))
    inputs, outputs = tuple(n.inputs[0] for n in nodes), tuple(n.output for n in nodes)
    graph = verify(Graph("case0", inputs, outputs, tuple(nodes)))
    spans = [(i, i, rows, False) for i, (_, rows) in enumerate(STRIPS)]
    planned = plan(graph, "Cortex-M4", BOARD.core.features, spans=spans)
    assert len(planned.chains) == len(STRIPS)
    assert {step.kernel.name for step in planned.steps} == {PLANAR}
    arrays = [extremes(n, np.random.default_rng(i))[0] for i, n in enumerate(nodes)]
    gcc = shutil.which("gcc")
    if gcc is not None:
        run_on_host([planned], [arrays], ["strips"], tmp_path, gcc)
    image = build(emit(planned), BOARD, None, tmp_path / "out", BuildOptions("test"))
    sample = np.frombuffer(b"".join(a.tobytes() for a in arrays), np.uint8)[None]
    found = split_outputs(graph, run(image, sample).outputs)
    expected = interpret(graph, arrays)
    for output, actual in zip(graph.outputs, found, strict=True):
        np.testing.assert_array_equal(actual[0], expected[output], output.name)
