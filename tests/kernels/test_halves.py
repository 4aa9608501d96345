"""Convolutions by two channels in a halfword: awkward shapes, and both sides of every bound under
which they are exact."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_ops import check_on_core, check_on_host

from tinyc.ir import DType, Node, Quant, TensorType, Value
from tinyc.kernels.base import kernels_of
from tinyc.ops._conv import out_sizes
from tinyc.ops.conv2d import Conv2d

HALVES = "conv2d_s8_halves"


def chosen(node: Node) -> str:
    return next(k.name for k in kernels_of(type(node.op)) if k.reject(node) is None)


def layer(
    image: tuple[int, int],
    weights: np.ndarray,
    bias: int | list[int] = 0,
    real: float = 0.01,
    zeros: tuple[int, int] = (-3, 5),
    padding: int = 0,
    stride: int = 1,
    activation: str = "none",
) -> Node[Conv2d]:
    """A convolution of int8 [o, kh, kw, i] whose multipliers are all ``real``."""
    channels, kh, kw, depth = weights.shape
    op = Conv2d((stride, stride), (1, 1), ((padding, padding), (padding, padding)), activation)
    shape = (1, *image, depth)
    size = out_sizes(shape, (kh, kw), op.stride, op.dilation, op.padding)
    types = [
        TensorType(shape, DType.I8, Quant((1.0,), (zeros[0],))),
        TensorType(weights.shape, DType.I8, Quant((0.25,), (0,))),
        TensorType((channels,), DType.I32),
        TensorType((1, *size, channels), DType.I8, Quant((0.25 / real,), (zeros[1],))),
    ]
    data = [None, weights.astype(np.int8), np.full(channels, bias, np.int32)]
    inputs = [Value(n, t, "case", d) for n, t, d in zip("xwb", types[:3], data, strict=True)]
    return Node(op, tuple(inputs), (Value("y", types[3], "case"),), "case")


def awkward() -> Iterator[Node[Conv2d]]:
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
    for kernel, depth, stride in ((3, 3, 1), (3, 4, 2), (2, 8, 1), (5, 1, 2), (3, 2, 1)):
        weights = rng.integers(-127, 128, (6, kernel, kernel, depth))
        yield layer((7, 5), weights, 77, 0.001, (-5, -128), kernel // 2, stride)


def extremes() -> Iterator[Node[Conv2d]]:
    """The largest sums of either sign, and the largest shift."""
    signs = np.array([1, -1, -1, 1])[:, None, None, None]
    weights = 127 * signs * np.ones((4, 1, 1, 256), int)
    most = (1 << 23) - 1
    for zero in (-128, 127):
        reach = 127 * 256 * 255
        for edge in (most - reach, reach - most):
            yield layer((1, 3), weights, edge, 1.1e-5, (zero, 3))
            yield layer((1, 3), weights, edge, 2.0**-23, (zero, -128))
    yield layer((2, 2), weights, 0, 2.0**-26, (0, 9))  # no sum comes to a half
    dead = np.where(np.arange(4)[:, None, None, None] < 2, 0, weights)
    yield layer((2, 2), dead, [1 << 29, -(1 << 30), 9, 9], 2.0**-24)
    lowest = np.full((4, 1, 1, 8), -128)
    lowest[0::2] = 0
    yield layer((2, 2), lowest, 0, 0.01)
    lowest[0::2], lowest[1::2] = -128, -127
    yield layer((2, 2), lowest, 0, 0.01)


def ends(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """Pixels of nothing but the least, and but the greatest number."""
    shape = node.inputs[0].type.shape
    pixels = rng.choice(np.array([-128, 127], np.int8), (*shape[:3], 1))
    pixels.flat[:2] = -128, 127
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
    assert {chosen(node) for node in found} == {HALVES}
    check_on_host(found, tmp_path, gcc, **options)


@pytest.mark.parametrize("name", CASES)
def test_core(name: str, tmp_path: Path) -> None:
    nodes, options = CASES[name]
    check_on_core(list(nodes()), "mps2_an386", tmp_path, **options)


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
