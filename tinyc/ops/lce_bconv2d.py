"""LceBconv2d: a convolution of signs, and what becomes of its sums.

With K = kernel height * kernel width * channels of a group, a sum of K products of +1 and -1 is
K - 2 p, where p counts the products that are -1: the set bits of x ^ w. All that follows is
stated in ``twice = 2 p``, as LCE does (core/bconv2d/output_transform.h), for which a tap in
padding of zeros counts as many as its channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np

from ..ir import Array, DType, Node, Quant, TensorType, Value
from ._bits import expect_packed, last_word, pack, random_words, signs, unpack, words
from ._conv import NO_PADDING, check_window, out_sizes, windows
from ._mixins import Padding, Pair, Windowed
from .base import (
    CONVERT_AGAIN,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    fail,
    register,
)

AGAIN = "convert the model again with larq_compute_engine"
ACTIVATIONS = ("none", "relu", "relu_n1_to_1", "relu6")
LARGEST_DEPTH = 1 << 20
"""Products in a sum; float32 then holds each sum, and int32 each product with a multiplier."""


@register
@dataclass(frozen=True)
class LceBconv2d(Windowed):
    """Inputs: packed x [n, h, w, words], packed weights [o, kh, kw, words of a group], then

    * for a float32 or int8 output [n, oh, ow, o]: multiplier and bias, float32 [o], which are
      applied to the sum after the inner activation;
    * for a packed output of o channels: threshold int32 [o]; a bit is set where ``twice`` exceeds
      it. A file states half of it.

    pad_value: what padding stands for, 1 or 0; channels: of x; inner_activation: applied to
    the sum, before the multiplier, unlike the activation that other operators have fused; it is
    in the thresholds of a packed output.
    """

    pad_value: int
    channels: int
    inner_activation: str = "none"

    float_constants = True

    def check(self, node: Node[Self]) -> None:
        packed = node.output.type.dtype is DType.I32
        expect_arity(node, 3 if packed else 4)
        x, weights = (v.type for v in node.inputs[:2])
        expect_dtype(node, weights, (DType.I32,), "weights")
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", CONVERT_AGAIN)
        expect_packed(node, x, (*x.shape[:3], self.channels), "input")
        outs, kh, kw, depth = weights.shape
        groups = words(self.channels) // depth
        if depth * groups != x.shape[3] or outs % groups:
            raise fail(node, f"{self.channels} channels do not fit its filters", CONVERT_AGAIN)
        if groups > 1 and self.channels % (32 * groups):
            raise fail(node, f"its {groups} groups are not of whole words", "use 32 n channels")
        if kh * kw * self.channels // groups >= LARGEST_DEPTH:
            raise fail(node, "sums 2^20 products or more", "split the layer")
        if packed and self.inner_activation != "none":
            raise fail(node, f"its packed output has the activation {self.inner_activation}")
        for value, name in zip(node.inputs[:2], ("input", "filters"), strict=True):
            if value.data is not None and np.any(value.data[..., -1] & ~last_word(self.channels)):
                raise fail(node, f"its {name} have bits beyond the last channel", AGAIN, "E325")
        height, width = check_window(node, (kh, kw))
        out = (x.shape[0], height, width, outs)
        expect_dtype(node, node.output.type, (DType.F32, DType.I8, DType.I32), "output")
        if packed:
            expect_packed(node, node.output.type, out, "output")
        else:
            expect_shape(node, node.output.type, out, "output")
        check_constants(node, outs)

    # Reference --------------------------------------------------------------------------

    def twice(self, node: Node[Self], x: Array) -> Array:
        """2 p of each sum: int32 [n, oh, ow, o] (core/bconv2d/reference.h)."""
        weights = node.inputs[1].array
        outs, kh, kw, depth = weights.shape
        groups = x.shape[3] // depth
        each = self.channels // groups
        rows = signs(weights, each).reshape(outs, -1)
        patches = windows(signs(x, self.channels), node, (kh, kw), self.pad_value)
        # float32 holds every sum of +1, -1 and 0 exactly
        sums = [
            patch.reshape(-1, kh * kw * each) @ part.T
            for patch, part in zip(
                np.split(patches, groups, -1), np.split(rows, groups), strict=True
            )
        ]
        total = np.concatenate(sums, -1).astype(np.int32).reshape(*patches.shape[:3], outs)
        return np.asarray(self.depth(node) - total)

    def depth(self, node: Node[Self]) -> int:
        """K: products in each sum, padding included."""
        _, kh, kw, depth = node.inputs[1].type.shape
        return kh * kw * (self.channels // (words(self.channels) // depth))

    def inverted(self, node: Node[Self], outs: Array) -> Array:
        """The packed weights with those of the output channels ``outs`` (bool) negated, which
        makes their ``twice`` into 2 K - twice."""
        weights = node.inputs[1].array
        each = self.channels // (words(self.channels) // weights.shape[3])
        return pack(unpack(weights, each) ^ outs[:, None, None, None])

    def clamps(self, node: Node[Self]) -> Pair:
        """(least, greatest) ``twice`` that the activation lets through (OneTimeSetup)."""
        depth = self.depth(node)
        low, high = {
            "none": (-depth, depth), "relu": (0, depth), "relu6": (0, min(6, depth)),
            "relu_n1_to_1": (-1, 1),
        }[self.inner_activation]  # fmt: skip
        return depth - high, depth - low

    def transform(self, node: Node[Self]) -> tuple[Array, Array]:
        """Factor and term of each channel, float32 [o], which make the output out of ``twice``
        (OneTimeSetup: in double, rounded once)."""
        multiplier, bias = (np.asarray(v.data, np.float64) for v in node.inputs[2:])
        out = node.output.type
        scale, zero = (out.scale, out.zero_point) if out.dtype is DType.I8 else (1.0, 0.0)
        factor = -multiplier / scale
        return (
            factor.astype(np.float32),
            ((bias + self.depth(node) * multiplier) / scale + zero).astype(np.float32),
        )

    def finish(self, node: Node[Self], twice: Array) -> Array:
        """``twice`` int32 [..., o] -> the output, packed if it is so."""
        if node.output.type.dtype is DType.I32:
            threshold = node.inputs[2].array
            return pack(twice > threshold)
        factor, term = self.transform(node)
        y: Array = np.clip(twice, *self.clamps(node)).astype(np.float32) * factor + term
        if node.output.type.dtype is DType.F32:
            return y
        wide = y.astype(np.float64)  # std::round: halves away from zero
        whole = np.trunc(wide + np.copysign(0.5, wide))
        return np.asarray(np.clip(whole, -128, 127).astype(np.int8))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        return (self.finish(node, self.twice(node, inputs[0])),)

    def macs(self, node: Node[Self]) -> int:
        n, oh, ow, _ = node.output.type.shape
        return n * oh * ow * node.inputs[1].type.shape[0] * self.depth(node)

    def binary_macs(self, node: Node[Self]) -> int:
        return self.macs(node)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        one = (1, 1)
        # x (n, h, w, channels), (out, kernel h, w), stride, dilation, padding, groups
        shapes: list[tuple[tuple[int, ...], tuple[int, int, int], Pair, Pair, Padding, int]] = [
            ((1, 1, 1, 1), (1, 1, 1), one, one, NO_PADDING, 1),
            ((1, 5, 7, 40), (33, 3, 3), one, one, ((1, 1), (1, 1)), 1),
            ((1, 9, 5, 64), (32, 3, 2), (2, 3), one, ((0, 1), (1, 0)), 1),
            ((1, 4, 3, 96), (70, 1, 1), one, one, NO_PADDING, 1),
            ((1, 8, 9, 32), (4, 3, 3), one, (2, 3), ((2, 2), (3, 3)), 1),
            ((1, 7, 3, 64), (6, 3, 3), (1, 2), one, ((1, 1), (1, 1)), 2),
            ((1, 2, 2, 6), (9, 5, 5), one, one, ((2, 2), (2, 2)), 1),
            ((3, 4, 3, 34), (64, 2, 2), one, one, ((3, 0), (0, 4)), 1),
            ((1, 1, 1, 1000), (36, 1, 1), one, one, NO_PADDING, 1),
            ((1, 3, 2, 33), (35, 3, 3), one, one, ((1, 1), (1, 1)), 1),
        ]
        for x, filters, stride, dilation, padding, groups in shapes:
            for pad_value in (1, 0) if padding != NO_PADDING else (1,):
                for kind in ("f32", "i8", "packed"):
                    activation = "none" if kind == "packed" else str(rng.choice(ACTIVATIONS))
                    op = cls(stride, dilation, padding, pad_value, x[3], activation)
                    yield binary_case(op, rng, x, filters, groups, kind)


BinaryT = TypeVar("BinaryT", bound=LceBconv2d)


def check_constants(node: Node[LceBconv2d], outs: int) -> None:
    """The weights are constant, and so is what follows the sums of ``outs`` channels."""
    packed = node.output.type.dtype is DType.I32
    if node.output.type.dtype is DType.I8:
        expect_quant(node, node.output.type, "output")
    dtype = DType.I32 if packed else DType.F32
    names = ("weights", "threshold") if packed else ("weights", "multiplier", "bias")
    for value, name in zip(node.inputs[1:], names, strict=True):
        if value.data is None:
            raise fail(node, f"its {name} is computed at run time", "make it constant", "E305")
        if name != "weights":
            expect_dtype(node, value.type, (dtype,), name)
            expect_shape(node, value.type, (outs,), name)
            if not np.all(np.isfinite(value.data)):
                raise fail(node, f"its {name} holds NaN or infinity", CONVERT_AGAIN, "E301")
    with np.errstate(over="ignore"):
        finite = packed or all(np.all(np.isfinite(part)) for part in node.op.transform(node))
    if not finite:
        raise fail(node, "its scales leave the range of float32", AGAIN, "E304")


def binary_case(
    op: BinaryT,
    rng: np.random.Generator,
    x: tuple[int, ...],
    filters: tuple[int, int, int],
    groups: int,
    kind: str,
) -> Node[BinaryT]:
    """A random node over x [n, h, w, channels] and filters (out, kernel height, width)."""
    outs, kh, kw = filters
    depth = kh * kw * x[3] // groups
    size = out_sizes(x, (kh, kw), op.stride, op.dilation, op.padding)

    bits = random_words(rng, (outs, kh, kw, x[3] // groups))
    inputs = (
        Value("x", TensorType((*x[:3], words(x[3])), DType.I32), "case"),
        Value("weights", TensorType(bits.shape, DType.I32), "case", bits),
    )
    more, y = random_ending(rng, (x[0], *size, outs), depth, kind)
    return Node(op, (*inputs, *more), (Value("y", y, "case"),), "case")


def random_ending(
    rng: np.random.Generator, out: tuple[int, ...], depth: int, kind: str
) -> tuple[list[Value], TensorType]:
    """What follows sums of ``depth`` products in a case, and the type of the output."""

    def const(name: str, data: Array) -> Value:
        dtype = DType.F32 if data.dtype == np.float32 else DType.I32
        return Value(name, TensorType(data.shape, dtype), "case", data)

    outs = out[-1]
    if kind == "packed":
        threshold = rng.integers(-1, 2 * depth + 1, outs)
        if outs > 4:  # most sums lie near the middle
            threshold[4:] = rng.normal(depth, depth**0.5, outs - 4)
            threshold[:2] = -(1 << 31), (1 << 31) - 1
        constants = [const("threshold", threshold.astype(np.int32))]
        return constants, TensorType((*out[:3], words(outs)), DType.I32)
    multiplier = rng.normal(0, 1, outs)
    multiplier[:1] = 0
    constants = [
        const("multiplier", multiplier.astype(np.float32)),
        const("bias", rng.normal(0, 3, outs).astype(np.float32)),
    ]
    if kind == "f32":
        return constants, TensorType(out, DType.F32)
    scale = float(np.float32(rng.choice([0.05, 0.3, 2.0]) * depth**0.5 / 8))
    return constants, TensorType(
        out, DType.I8, Quant((scale,), (int(rng.choice([-128, 17, 127])),))
    )


# Fixed point ------------------------------------------------------------------------------


def possible(node: Node[LceBconv2d]) -> Array:
    """Every value of ``twice`` that can reach the rescaling, ascending, int64."""
    op = node.op
    # A tap in padding of zeros counts as many as its channels, which may be odd.
    _, kh, kw, _ = node.inputs[1].type.shape
    odd = op.pad_value == 0 and op.padding != NO_PADDING and op.depth(node) // (kh * kw) % 2
    step = 1 if odd else 2
    return np.unique(np.clip(np.arange(0, 2 * op.depth(node) + 1, step), *op.clamps(node)))


@dataclass(frozen=True)
class FixedPoint:
    """table: int32 [o, 2] of multiplier and term; the output of a sum's number x is
    ``(x * multiplier + term) >> (term & 31)``, saturated to bounds, int8 [o, 2] of the least and
    the greatest output of each channel. The sum fits 32 bits; its parts may wrap around."""

    table: Array
    bounds: Array
