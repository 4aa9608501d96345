"""Convolutions and dense layers by two channels in a halfword: awkward shapes, and both sides of
every bound under which they are exact."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from test_ops import check_on_core, check_on_host

from tinyc.ir import DType, Node, Op, Quant, TensorType, Value
from tinyc.ir.quant import multiply_double_rounding, quantize_multiplier
from tinyc.kernels import halves
from tinyc.kernels.base import kernels_of
from tinyc.kernels.conv_dsp import PRODUCT_BITS
from tinyc.ops._conv import out_sizes
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.fully_connected import FullyConnected

HALVES, DENSE = "conv2d_s8_halves", "fully_connected_s8_halves"


def chosen(node: Node) -> str:
    kernels = (k for k in kernels_of(type(node.op)) if "balanced" in k.aims)
    return next(k.name for k in kernels if k.reject(node) is None)


def layer(
    image: tuple[int, int],
    weights: np.ndarray,
    bias: int | list[int] = 0,
    real: float = 0.01,
    zeros: tuple[int, int] = (-3, 5),
    padding: int = 0,
    stride: int = 1,
    activation: str = "none",
    dilation: int = 1,
) -> Node[Conv2d]:
    """A convolution of int8 [o, kh, kw, i] whose multipliers are all ``real``."""
    kh, kw, depth = weights.shape[1:]
    pads = ((padding, padding), (padding, padding))
    op = Conv2d((stride, stride), (dilation, dilation), pads, activation)
    shape = (1, *image, depth)
    size = out_sizes(shape, (kh, kw), op.stride, op.dilation, op.padding)
    return _node(op, shape, weights, bias, real, zeros, (1, *size, len(weights)))


def dense(
    rows: int,
    weights: np.ndarray,
    bias: int | list[int] = 0,
    real: float = 0.01,
    zeros: tuple[int, int] = (-3, 5),
    activation: str = "none",
) -> Node[FullyConnected]:
    """The same of ``rows`` by int8 [o, i]."""
    op, shape = FullyConnected(activation), (rows, weights.shape[1])
    return _node(op, shape, weights, bias, real, zeros, (rows, len(weights)))


def _node(
    op: Op,
    shape: tuple[int, ...],
    weights: np.ndarray,
    bias: int | list[int],
    real: float,
    zeros: tuple[int, int],
    out: tuple[int, ...],
) -> Node:
    types = [
        TensorType(shape, DType.I8, Quant((1.0,), (zeros[0],))),
        TensorType(weights.shape, DType.I8, Quant((0.25,), (0,))),
        TensorType(out[-1:], DType.I32),
        TensorType(out, DType.I8, Quant((0.25 / real,), (zeros[1],))),
    ]
    data = [None, weights.astype(np.int8), np.full(out[-1], bias, np.int32)]
    inputs = [Value(n, t, "case", d) for n, t, d in zip("xwb", types[:3], data, strict=True)]
    return Node(op, tuple(inputs), (Value("y", types[3], "case"),), "case")


def awkward() -> Iterator[Node]:
    """Every rest of channels, of inputs, of rows of code and of pixels; all zero points."""
    rng = np.random.default_rng(0)
    for i, channels in enumerate((4, 5, 6, 7, 8, 11)):
        for depth in (1, 3, 4, 12, 20, 28, 33):
            shape = (channels, 1, 1, depth)
            weights = rng.integers(-127, 128, shape)
            zeros = (int(rng.choice([-128, 0, 127])), int(rng.choice([-128, -128, 0, 127])))
            activation = ("none", "relu", "relu6")[i % 3]
            size = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
            yield layer(
                size, weights, int(rng.integers(-5000, 5000)), 0.003, zeros, 0, 1, activation
            )
            if i % 2:
                yield dense(2 + i // 2, weights[:, 0, 0], 9, 0.003, zeros, activation)
    for channels in (8, 9, 15, 16, 19):
        for depth in (128, 132, 136, 140):
            weights = rng.integers(-127, 128, (channels, depth))
            zeros = (int(rng.choice([-128, 0, 127])), int(rng.choice([-128, 0, 127])))
            activation = ("none", "relu", "relu6")[channels % 3]
            yield dense(1, weights, int(rng.integers(-5000, 5000)), 0.001, zeros, activation)
            for zero in (-128, 5):  # a convolution whose window is the image
                filters = weights.reshape(channels, -1, 1 if depth % 8 else 2, 4)
                size = (filters.shape[1], filters.shape[2])
                yield layer(size, filters, 77, 0.001, (zeros[0], zero), activation=activation)
    for kernel, depth, stride in ((3, 3, 1), (3, 4, 2), (2, 8, 1), (5, 1, 2), (3, 2, 1)):
        weights = rng.integers(-127, 128, (6, kernel, kernel, depth))
        yield layer((7, 5), weights, 77, 0.001, (-5, -128), kernel // 2, stride)
    # Windows that overlap and are read together.
    for width, kernel, depth, stride in (
        (8, 3, 16, 1),
        (9, 3, 32, 2),
        (7, 2, 16, 1),
        (9, 5, 16, 3),
    ):
        weights = rng.integers(-127, 128, (4, kernel, kernel, depth))
        yield layer((6, width), weights, 77, 0.001, (-5, 3), kernel // 2, stride)


def extremes() -> Iterator[Node]:
    """The largest sums of either sign, and the largest shift."""
    signs = np.array([1, -1, -1, 1])[:, None, None, None]
    weights = 127 * signs * np.ones((4, 1, 1, 256), int)
    most = (1 << 23) - 1
    for zero in (-128, 127):
        reach = 127 * 256 * 255
        for edge in (most - reach, reach - most):
            yield layer((1, 3), weights, edge, 1.1e-5, (zero, 3))
            yield layer((1, 3), weights, edge, 2.0**-23, (zero, -128))
            yield dense(2, weights[:, 0, 0], edge, 1.1e-5, (zero, 3))
            eight = np.repeat(weights[:, 0, 0], 2, 0)[[0, 2, 1, 3, 4, 6, 5, 7]]
            yield dense(1, eight, edge, 1.1e-5, (zero, 3))
            pixel = eight[:, None, None]
            yield layer((1, 1), pixel, edge, 1.1e-5, (zero, 3))
            yield layer((1, 1), pixel, edge, 1.1e-5, (zero, -128))
            yield layer((1, 1), pixel, edge // 16, 6e-3, (zero, -128))
            # The same, by one product.
            yield layer((1, 3), weights, edge, 1.1e-5, (zero, -128))
            yield layer((1, 3), weights, edge // 16, 6e-3, (zero, -128))
            for steep in (2.0**-5, 0.4999999):
                yield layer((1, 3), weights, edge, steep, (zero, -128))
                yield layer((1, 1), pixel, edge, steep, (zero, -128))
    yield layer((2, 2), weights, 0, 2.0**-26, (0, 9))  # no sum comes to a half
    yield layer((2, 2), weights, 0, 2.0**-26, (0, -128))
    yield dense(1, np.concatenate([weights, weights])[:, 0, 0], 0, 2.0**-26, (0, 9))
    dead = np.where(np.arange(4)[:, None, None, None] < 2, 0, weights)
    yield layer((2, 2), dead, [1 << 29, -(1 << 30), 9, 9], 2.0**-24)
    yield layer((2, 2), dead, [1 << 29, -(1 << 30), 9, 9], 0.01, (0, -128))
    yield layer((2, 2), dead, [900, -900, 9, 9], 0.01, (0, -128))
    lowest = np.full((4, 1, 1, 8), -128)
    lowest[0::2] = 0
    yield layer((2, 2), lowest, 0, 0.01)
    lowest[0::2], lowest[1::2] = -128, -127
    yield layer((2, 2), lowest, 0, 0.01)


def ends(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """Pixels of nothing but the least, and but the greatest number."""
    shape = node.inputs[0].type.shape
    pixels = rng.choice(np.array([-128, 127], np.int8), (*shape[:-1], 1))
    zero = node.inputs[0].type.zero_point
    pixels.flat[:2] = (-128, 127) if pixels.size > 1 else -128 if zero > 0 else 127
    return [np.broadcast_to(pixels, shape).copy()]


CASES = {"awkward": (awkward, {}), "extremes": (extremes, {"inputs": ends})}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_host(name: str, tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    nodes, options = CASES[name]
    found = list(nodes())
    assert {chosen(node) for node in found} == {HALVES, DENSE}
    check_on_host(found, tmp_path, gcc, **options)


@pytest.mark.parametrize("board", slow_but(["mps2_an386"], ["mps2_an386", "stm32f746g_disco"]))
@pytest.mark.parametrize("name", CASES)
def test_core(name: str, board: str, tmp_path: Path) -> None:
    """On cores with one and with two instructions in a cycle."""
    nodes, options = CASES[name]
    check_on_core(list(nodes()), board, tmp_path, **options)


@pytest.mark.parametrize(
    ("real", "way"),
    [
        *((real, "lowest") for real in (0.03, 0.0101, 2.0**-8, 3e-3, 1.3e-3, 4.4e-4)),
        *((real, "steep") for real in (0.0313, 0.0401, 0.1, 0.24999, 0.25, 0.4999999)),
    ],
)
def test_one_product_does_for_two_roundings(real: float, way: str) -> None:
    """At the zero point -128, for every sum that the weights allow."""
    node = layer((1, 1), np.full((4, 1, 1, 16), 127), real=real, zeros=(0, -128))
    params, (_, table) = halves.pack(node, node.inputs[1].array.reshape(4, -1))
    assert params["halves"] == f"tinyc_halves_{way}"
    _, multiplier, addend = (int(word) for word in table.data[0])
    sums = np.arange(-128 * 16 * 127, 128 * 16 * 127 + 1, dtype=np.int64)
    expected = multiply_double_rounding(sums, *quantize_multiplier(real)) - 128
    outputs = ((256 * sums * multiplier >> 32) + addend) >> PRODUCT_BITS[way]
    np.testing.assert_array_equal(np.clip(outputs, -128, 127), np.clip(expected, -128, 127))


def test_where_no_product_does() -> None:
    ones = np.ones((4, 1, 1, 256), int)
    for real, zero in ((2.0**-15, -128), (0.01, -127), (0.1, -127)):
        node = layer((1, 1), 100 * ones, real=real, zeros=(-128, zero))
        params, _ = halves.pack(node, node.inputs[1].array.reshape(4, -1))
        assert params["halves"] == "tinyc_halves_away", real


def test_what_is_left_to_others() -> None:
    """The first sum, the first shift and the first weights beyond each bound."""
    ones = np.ones((4, 1, 1, 256), int)
    over = (1 << 23) - 127 * 256 * 255
    assert chosen(layer((1, 1), 127 * ones, over - 1, zeros=(-128, 0))) == HALVES
    assert chosen(layer((1, 1), 127 * ones, over, zeros=(-128, 0))) == "conv2d_s8_dsp"
    # A first channel's sum has all of 32 bits.
    odd = np.array([1, 0, 1, 0])[:, None, None, None]
    assert chosen(layer((1, 1), 127 * ones * odd, over, zeros=(-128, 0))) == HALVES
    assert chosen(layer((1, 1), ones[:3])) == "conv2d_s8_dsp"
    mixed = np.where(odd == 1, -1, -128) * ones
    assert chosen(layer((1, 1), mixed)) == "conv2d_s8_dsp"
    far = [1 << 25, 0, 1 << 25, 0]
    assert chosen(layer((1, 1), ones, far, 2.0**-24)) == HALVES
    assert chosen(layer((1, 1), ones, far, 2.0**-25)) == "conv2d_s8_dsp"
    # Dense layers round once, and take eight channels of one row.
    assert chosen(dense(1, 127 * ones[:, 0, 0].repeat(2, 0), over - 1, zeros=(-128, 0))) == DENSE
    assert chosen(dense(1, 127 * ones[:, 0, 0].repeat(2, 0), over, zeros=(-128, 0))) != DENSE
    assert chosen(dense(2, 127 * ones[:, 0, 0], over - 1, zeros=(-128, 0))) == DENSE
    assert chosen(dense(2, 127 * ones[:, 0, 0], over, zeros=(-128, 0))) != DENSE
    assert chosen(dense(1, np.ones((7, 256), int))) == "fully_connected_s8_dsp"
    assert chosen(dense(1, np.ones((8, 255), int))) == "fully_connected_s8_dsp"
    assert chosen(dense(1, np.ones((8, 124), int))) == "fully_connected_s8_dsp"


def test_a_window_that_is_the_image_is_a_row() -> None:
    """Of eight channels and whole fours of inputs."""

    def row(node: Node) -> bool:
        return "rows" in halves.CONV2D[0].bind(node).params

    eight = np.ones((8, 2, 2, 32), int)
    assert row(layer((2, 2), eight))
    assert not row(layer((3, 2), eight)) and not row(layer((2, 2), eight, padding=1))
    assert not row(layer((1, 1), eight, padding=1, stride=3))
    assert not row(layer((2, 2), eight[:7])) and not row(layer((2, 2), eight[..., :31]))
