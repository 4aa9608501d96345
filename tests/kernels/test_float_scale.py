"""Sums times a float32 scale: C on the host and on cores with and without an FPU as numpy, at ties,
beside them, and at the ends of int32."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from test_ops import check_on_host

from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.ir import Array, DType, Graph, Node, Quant, TensorType, Value, interpret, verify
from tinyc.ir.quant import multiply_float
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.plan import plan
from tinyc.run import run
from tinyc.target.boards import load_board

SCALES = [
    *(float(np.float32(s)) for s in (1e-3, 0.0123, 3.3e-5, 0.7, 7e-6, 0.333333, 1e-7, 63.0)),
    *(m * 2.0**-e for m, e in ((1, 1), (1, 9), (3, 12), (5, 4), (1, 20), (1, 25), (255, 24))),
]
INT32 = np.iinfo(np.int32)


def sums(scale: float, rng: np.random.Generator) -> Array:
    """What is scaled to the halves that round to an output, and what lies next to them; random
    sums, and the largest."""
    halves = np.concatenate([np.arange(-256.5, 257), rng.integers(-255, 255, 200) + 0.5]) / scale
    near = (np.rint(halves)[:, None] + np.arange(-2, 3)).ravel()
    ends = [INT32.min, INT32.max, 1 << 24, (1 << 24) + 1, (1 << 25) + 2, -(1 << 24) - 1, 0, 1, -1]
    odd = rng.integers(INT32.min, INT32.max, 50)
    found = np.concatenate([near, ends, odd, odd >> 8])
    least, most = (v / max(1, 4 * scale) for v in (INT32.min, INT32.max))
    return np.clip(found, least, most).astype(np.int32)


def constant_layer(scale: float, rng: np.random.Generator, dense: bool) -> Node:
    """A layer of a channel for each of `sums`, which is its bias, as its weights are zeros."""
    biases = sums(scale, rng)
    channels = len(biases)
    x = TensorType((1, 1) if dense else (1, 1, 1, 1), DType.I8, Quant((scale,), (0,)))
    shape = (channels, 1) if dense else (channels, 1, 1, 1)
    w = TensorType(shape, DType.I8, Quant((1.0,), (0,)))
    zero = int(rng.choice([-128, 127, 5]))
    y = TensorType((*x.shape[:-1], channels), DType.I8, Quant((1.0,), (zero,)))
    kind = TensorType((channels,), DType.I32)
    operands = (
        Value("x", x, "case"),
        Value("w", w, "case", np.zeros(shape, np.int8)),
        Value("b", kind, "case", biases),
    )
    one = (1, 1)
    op = FullyConnected("none") if dense else Conv2d(one, one, ((0, 0), (0, 0)), "none")
    op = type(op)(**{**vars(op), "float_scaled": True})
    return Node(op, operands, (Value("y", y, "case"),), "case")


@pytest.mark.parametrize("scale", SCALES)
def test_two_roundings(scale: float) -> None:
    """multiply_float, with the float32 product and its rounding made of exact integers."""
    rng = np.random.default_rng(3)
    x = sums(scale, rng)
    mantissa, exponent = np.frexp(np.float32(scale))
    factor, right = int(mantissa * 2**24), int(24 - exponent)
    exact = [_shift_even(_round24(_round24(int(v)) * factor), right) if scale else 0 for v in x]
    np.testing.assert_array_equal(
        np.clip(multiply_float(x, np.float32(scale)), -300, 300), np.clip(exact, -300, 300)
    )


def _shift_even(x: int, right: int) -> int:
    down, rest = divmod(x, 1 << right)
    twice = 2 * rest - (1 << right)
    return down + (twice > 0 or (twice == 0 and down & 1))


def _round24(x: int) -> int:
    drop = max(abs(x).bit_length() - 24, 0)
    return _shift_even(x, drop) << drop if drop else x


@pytest.mark.slow
@pytest.mark.parametrize("board_name", ["host", "mps2_an386", "nucleo_g0b1re"])
def test_layers(board_name: str, tmp_path: Path) -> None:
    """Every scale as a layer: on the host without an FPU's form, with the DSP extension's, and on
    a core without both."""
    rng = np.random.default_rng(4)
    for part, scales in enumerate((SCALES[::2], SCALES[1::2])):
        nodes = tuple(constant_layer(s, rng, i % 2 > 0) for i, s in enumerate(scales))
        if board_name == "host":
            (tmp_path / str(part)).mkdir()
            check_on_host(list(nodes), tmp_path / str(part), shutil.which("gcc") or pytest.skip())
            continue
        board = load_board(board_name)
        inputs = tuple(n.inputs[0] for n in nodes)
        outputs = tuple(n.output for n in nodes)
        graph = verify(Graph("cases", inputs, outputs, nodes))
        lowered = plan(graph, board.core.name, board.core.features)
        image = build(emit(lowered), board, None, tmp_path / f"out{part}", BuildOptions("test"))
        arrays = [rng.integers(-128, 128, v.type.shape).astype(np.int8) for v in inputs]
        sample = np.concatenate([a.ravel() for a in arrays]).view(np.uint8)[None]
        env = interpret(graph, arrays)
        wanted = np.concatenate([env[v].ravel() for v in outputs])
        np.testing.assert_array_equal(run(image, sample).outputs[0].view(np.int8), wanted)
