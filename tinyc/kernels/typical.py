"""Layers of given shapes, of int8 and with typical weights, and what they cost: for those who weigh
networks that there are not yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import DType, Node, Quant, TensorType, Value
from ..ops._conv import out_sizes
from ..ops._mixins import Pair
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from .base import kernels_of
from .cost import core_of, cycles, quicker


def convolution(
    h: int, w: int, inputs: int, outputs: int, kernel: int | Pair, stride: int | Pair = 1
) -> Node:
    """Padded so that its output is as large as its input, but for the stride."""
    sizes = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    op, size = _window(Conv2d, (h, w), sizes, stride)
    return _weighted(op, (1, h, w, inputs), (outputs, *sizes, inputs), (1, *size, outputs), 0)


def depthwise(h: int, w: int, channels: int, kernel: int | Pair, stride: int | Pair = 1) -> Node:
    """Likewise."""
    sizes = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    op, size = _window(DepthwiseConv2d, (h, w), sizes, stride)
    return _weighted(op, (1, h, w, channels), (1, *sizes, channels), (1, *size, channels), 3)


def dense(rows: int, inputs: int, outputs: int) -> Node:
    return _weighted(FullyConnected("relu"), (rows, inputs), (outputs, inputs), (rows, outputs), 0)


def narrow(node: Node, bits: int) -> Node:
    """The layer with weights of so many bits, and outputs over as much of the range."""
    x, weights, bias = node.inputs
    assert weights.type.quant is not None
    most, quant = 1 << (bits - 1), weights.type.quant
    rng = np.random.default_rng(0)
    data = rng.integers(-most, most, weights.type.shape).astype(np.int8)
    scale = tuple(s * 80 / most for s in quant.scale)
    type = replace(weights.type, quant=replace(quant, scale=scale))
    return replace(node, inputs=(x, replace(weights, type=type, data=data), bias))


def image_of(name: str, shape: tuple[int, ...]) -> Value:
    return Value(name, TensorType(shape, DType.I8, Quant((0.0235,), (-5,))), "layer")


def _window(
    cls: type[Conv2d] | type[DepthwiseConv2d], image: Pair, kernel: Pair, stride: int | Pair
) -> tuple[Conv2d | DepthwiseConv2d, Pair]:
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    over = [
        max((-(-n // step) - 1) * step + k - n, 0)
        for n, k, step in zip(image, kernel, steps, strict=True)
    ]
    padding = ((over[0] // 2, over[0] - over[0] // 2), (over[1] // 2, over[1] - over[1] // 2))
    sizes = out_sizes((1, *image, 1), kernel, steps, (1, 1), padding)
    return cls(steps, (1, 1), padding, "relu"), sizes


def _weighted(
    op: Any, x: tuple[int, ...], weights: tuple[int, ...], y: tuple[int, ...], axis: int
) -> Node:
    """Of trained magnitudes: sums that every kernel's bound allows, outputs over half the range."""
    rng = np.random.default_rng(0)
    channels = weights[axis]
    data = np.clip(np.rint(rng.normal(0, 40, weights)), -127, 127).astype(np.int8)
    bias = rng.integers(-2000, 2000, channels).astype(np.int32)
    spread = float(np.sqrt(data.size / channels)) * 40 * 74 * 0.0235 / 60
    scales = tuple(map(float, rng.uniform(0.5, 1.5, channels).astype(np.float32) / spread))
    quant = Quant(tuple(s * 0.0235 for s in scales), (0,) * channels, axis)
    return Node(
        op,
        (
            Value("x", TensorType(x, DType.I8, Quant((0.0235,), (-5,))), "layer"),
            Value("w", TensorType(weights, DType.I8, quant), "layer", data),
            Value("b", TensorType((channels,), DType.I32), "layer", bias),
        ),
        (Value("y", TensorType(y, DType.I8, Quant((0.0235,), (-128,))), "layer"),),
        "layer",
    )  # fmt: skip


def price(node: Node, core: str, features: frozenset[str]) -> float:
    """The cycles of a layer by the kernel that a planner takes for speed, at zero wait states.

    core: the title of one; features: those that it has.
    """
    allowed = [
        kernel
        for kernel in kernels_of(type(node.op))
        if "speed" in kernel.aims and kernel.requires <= features and kernel.reject(node) is None
    ]
    priced = core_of(core, features)
    kernel, binding = quicker(node, allowed, priced, "speed")
    return cycles(node, kernel, binding or kernel.bind(node), priced)


def zeroed(node: Node, zeros: float) -> Node:
    """A layer of whose weights such a part is zero, and no others."""
    x, weights, bias = node.inputs
    rng = np.random.default_rng(0)
    kept = rng.random(weights.type.shape) >= zeros
    data = np.where(kept, np.where(weights.array == 0, 1, weights.array), 0).astype(np.int8)
    return replace(node, inputs=(x, replace(weights, data=data), bias))


def is_zeroed(node: Node) -> bool:
    """Whether a layer is one of `zeroed`, of a half or so at least."""
    data = node.inputs[1].data if len(node.inputs) > 1 else None
    return data is not None and np.count_nonzero(data) < 0.65 * data.size
