"""LceBconv2d: a convolution of signs, and what becomes of its sums.

With K = kernel height * kernel width * channels of a group, a sum of K products of +1 and -1 is
K - 2 p, where p counts the products that are -1: the set bits of x ^ w. All that follows is
stated in ``twice = 2 p``, as LCE does (core/bconv2d/output_transform.h), for which a tap in
padding of zeros counts as many as its channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node, Quant, TensorType, Value
from ..op import (
    Binding,
    Constant,
    Kernel,
    Op,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    fail,
    register,
)
from . import _tir_binary
from ._bits import WORD, expect_packed, last_word, pack, random_words, signs, unpack, words
from ._conv import (
    NO_PADDING,
    Padding,
    Pair,
    check_window,
    out_sizes,
    same_padding,
    window_params,
    windows,
)

AGAIN = "convert the model again with larq_compute_engine"
ACTIVATIONS = ("none", "relu", "relu_n1_to_1", "relu6")
LARGEST_DEPTH = 1 << 20
"""Products in a sum; float32 then holds each sum, and int32 each product with a multiplier."""


@register
@dataclass(frozen=True)
class LceBconv2d(Op):
    """Inputs: packed x [n, h, w, words], packed weights [o, kh, kw, words of a group], then

    * for a float32 or int8 output [n, oh, ow, o]: multiplier and bias, float32 [o], which are
      applied to the sum after the inner activation;
    * for a packed output of o channels: threshold int32 [o]; a bit is set where ``twice`` exceeds
      it. A file states half of it.

    stride, dilation: (height, width); padding: ((top, bottom), (left, right)) in elements;
    pad_value: what padding stands for, 1 or 0; channels: of x; inner_activation: applied to
    the sum, before the multiplier, unlike the activation that other operators have fused; it is
    in the thresholds of a packed output.
    """

    stride: Pair
    dilation: Pair
    padding: Padding
    pad_value: int
    channels: int
    inner_activation: str = "none"

    tflite = ("CUSTOM LceBconv2d",)
    float_constants = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        if len(src.inputs) != 5 or len(src.outputs) != 1:
            counts = f"has {len(src.inputs)} inputs and {len(src.outputs)} outputs, not 5 and 1"
            raise src.fail(counts, CONVERT_AGAIN, "E301")
        packed = src.outputs[0].type.dtype is DType.I32
        operands = [src.inputs[i] for i in ((0, 1, 4) if packed else (0, 1, 2, 3))]
        present = [v for v in operands if v is not None]
        if packed and len(present) == 3 and (threshold := present[2].data) is not None:
            most = 2 * LARGEST_DEPTH
            twice = np.clip(2 * threshold.astype(np.int64), -1, most).astype(np.int32)
            present[2] = src.const("threshold", twice)
        if len(present) != len(operands):
            needs = "a threshold" if packed else "a multiplier and a bias"
            raise src.fail(f"lacks an operand: it needs {needs}", CONVERT_AGAIN, "E301")
        x, weights = present[:2]
        o = src.custom_options(
            "stride_height", "stride_width", "dilation_height_factor", "dilation_width_factor",
            "padding", "pad_values", "channels_in", "fused_activation_function",
        )  # fmt: skip
        stride = (o["stride_height"], o["stride_width"])
        dilation = (o["dilation_height_factor"], o["dilation_width_factor"])
        if min(stride + dilation) < 1 or o["pad_values"] not in (0, 1) or o["channels_in"] < 1:
            raise src.fail(
                f"its stride is {list(stride)}, its dilation {list(dilation)}, it pads with "
                f"{o['pad_values']} and has {o['channels_in']} channels", CONVERT_AGAIN, "E301"
            )  # fmt: skip
        if len(x.type.shape) != 4 or len(weights.type.shape) != 4:
            raise src.fail("input or weights are not of rank 4", CONVERT_AGAIN, "E301")
        padding = NO_PADDING
        if src.padding_name(o["padding"]) == "same":
            rows, columns = (
                same_padding(size, k, s, d, -(-size // s))
                for size, k, s, d in zip(
                    x.type.shape[1:3], weights.type.shape[1:3], stride, dilation, strict=True
                )
            )
            padding = (rows, columns)
        activation = src.activation_name(o["fused_activation_function"])
        op = cls(
            stride, dilation, padding, o["pad_values"], o["channels_in"],
            "none" if packed else activation,
        )  # fmt: skip
        return [src.node(op, present)]

    def check(self, node: Node) -> None:
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
        height, width = check_window(node, (kh, kw), self.stride, self.dilation, self.padding)
        out = (x.shape[0], height, width, outs)
        expect_dtype(node, node.output.type, (DType.F32, DType.I8, DType.I32), "output")
        if packed:
            expect_packed(node, node.output.type, out, "output")
        else:
            expect_shape(node, node.output.type, out, "output")
        check_constants(node, outs)

    # Reference --------------------------------------------------------------------------

    def twice(self, node: Node, x: np.ndarray) -> np.ndarray:
        """2 p of each sum: int32 [n, oh, ow, o] (core/bconv2d/reference.h)."""
        weights = node.inputs[1].data
        assert weights is not None
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
        return self.depth(node) - total

    def depth(self, node: Node) -> int:
        """K: products in each sum, padding included."""
        _, kh, kw, depth = node.inputs[1].type.shape
        return kh * kw * (self.channels // (words(self.channels) // depth))

    def inverted(self, node: Node, outs: np.ndarray) -> np.ndarray:
        """The packed weights with those of the output channels ``outs`` (bool) negated, which
        makes their ``twice`` into 2 K - twice."""
        weights = node.inputs[1].data
        assert weights is not None
        each = self.channels // (words(self.channels) // weights.shape[3])
        return pack(unpack(weights, each) ^ outs[:, None, None, None])

    def clamps(self, node: Node) -> Pair:
        """(least, greatest) ``twice`` that the activation lets through (OneTimeSetup)."""
        depth = self.depth(node)
        low, high = {
            "none": (-depth, depth), "relu": (0, depth), "relu6": (0, min(6, depth)),
            "relu_n1_to_1": (-1, 1),
        }[self.inner_activation]  # fmt: skip
        return depth - high, depth - low

    def transform(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
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

    def finish(self, node: Node, twice: np.ndarray) -> np.ndarray:
        """``twice`` int32 [..., o] -> the output, packed if it is so."""
        if node.output.type.dtype is DType.I32:
            threshold = node.inputs[2].data
            assert threshold is not None
            return pack(twice > threshold)
        factor, term = self.transform(node)
        y = np.clip(twice, *self.clamps(node)).astype(np.float32) * factor + term
        if node.output.type.dtype is DType.F32:
            return y
        wide = y.astype(np.float64)  # std::round: halves away from zero
        return np.clip(np.trunc(wide + np.copysign(0.5, wide)), -128, 127).astype(np.int8)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (self.finish(node, self.twice(node, inputs[0])),)

    def macs(self, node: Node) -> int:
        n, oh, ow, _ = node.output.type.shape
        return n * oh * ow * node.inputs[1].type.shape[0] * self.depth(node)

    def binary_macs(self, node: Node) -> int:
        return self.macs(node)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
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
        ]
        for x, filters, stride, dilation, padding, groups in shapes:
            for pad_value in (1, 0) if padding != NO_PADDING else (1,):
                for kind in ("f32", "i8", "packed"):
                    activation = "none" if kind == "packed" else str(rng.choice(ACTIVATIONS))
                    op = cls(stride, dilation, padding, pad_value, x[3], activation)
                    yield binary_case(op, rng, x, filters, groups, kind)


def check_constants(node: Node, outs: int) -> None:
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


def binary_case(
    op: LceBconv2d,
    rng: np.random.Generator,
    x: tuple[int, ...],
    filters: tuple[int, int, int],
    groups: int,
    kind: str,
) -> Node:
    """A random node over x [n, h, w, channels] and filters (out, kernel height, width)."""
    outs, kh, kw = filters
    depth = kh * kw * x[3] // groups
    size = out_sizes(x[1:3], (kh, kw), op.stride, op.dilation, op.padding)

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

    def const(name: str, data: np.ndarray) -> Value:
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


def possible(node: Node) -> np.ndarray:
    """Every value of ``twice`` that can reach the rescaling, ascending, int64."""
    op = node.op
    assert isinstance(op, LceBconv2d)
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

    table: np.ndarray
    bounds: np.ndarray


def fixed_point(node: Node, known: np.ndarray | None = None) -> FixedPoint | None:
    """Integers that give the int8 output of LCE's float32 formula for each sum that can occur;
    None if there are none.

    The number x of a sum is its ``twice``, which the activation has clamped; with ``known``,
    int64 [o], it is ``known - twice / 2``, and the bounds do the clamping. For a multiplier near
    the real one, each sum bounds the term from below and above. The term is taken from the
    middle of what they leave, with the shift in its low five bits.
    """
    op = node.op
    assert isinstance(op, LceBconv2d)
    factor, term = (a.astype(np.float64) for a in op.transform(node))
    bare = replace(node, op=replace(op, inner_activation="none"))
    twice = possible(node if known is None else bare)
    twice = np.broadcast_to(twice[:, None], (len(twice), len(factor)))
    y = op.finish(node, twice).astype(np.int64)
    bounds = np.stack([y.min(0), y.max(0)])
    if op.inner_activation == "none" or known is None:
        bounds = np.broadcast_to(np.array([[-128], [127]]), bounds.shape)
    x, slope = (twice, factor) if known is None else (known - twice // 2, -2 * factor)
    reach = np.abs(twice[[0, -1]] * factor + term).max(0)
    shifts = np.clip(np.floor(30.9 - np.log2(reach + 2)), 0, 24).astype(np.int64)
    found = np.zeros((len(factor), 2), np.int64)
    missing = np.arange(len(factor))
    for down in range(4):
        for delta in sorted(range(-16, 17), key=abs):
            shift = np.maximum(shifts[missing] - down, 0)
            multiplier = np.round(slope[missing] * (1 << shift)).astype(np.int64) + delta
            product = x[:, missing] * multiplier
            goal, (low, high) = y[:, missing], bounds[:, missing]
            # goal << shift <= product + term < (goal + 1) << shift, open where it saturates
            least = np.where(goal > low, (goal << shift) - product, -(1 << 62)).max(0)
            most = np.where(goal < high, ((goal + 1) << shift) - 1 - product, 1 << 62).min(0)
            least = np.maximum(least, -(1 << 31) - product.min(0))
            most = np.minimum(most, (1 << 31) - 1 - product.max(0))
            middle = ((least + most) // 2 & ~31) + shift
            good = (least <= middle) & (middle <= most)
            found[missing[good]] = np.stack([multiplier, middle], 1)[good]
            missing = missing[~good]
            if not len(missing):
                return FixedPoint(found.astype(np.int32), bounds.T.astype(np.int8))
    return None


# Kernels ----------------------------------------------------------------------------------


def params(node: Node) -> dict[str, Any]:
    """Sizes and the ending that every kernel's template takes."""
    op = node.op
    assert isinstance(op, LceBconv2d)
    outs, kh, kw, depth = node.inputs[1].type.shape
    groups = words(op.channels) // depth
    low, high = op.clamps(node)
    return {
        **window_params(node, (kh, kw)),
        "channels": op.channels,
        "outs": outs,
        "depth": depth,
        "taps": kh * kw,
        "filter_words": kh * kw * depth,
        "group_size": outs // groups,
        "groups": groups,
        "zeros": op.pad_value == 0 and op.padding != NO_PADDING,
        "tap_channels": op.channels // groups,
        "ending": node.output.type.dtype.value,
        "clamped": op.inner_activation != "none",
        "least": low,
        "most": high,
    }


def ending(node: Node, known: np.ndarray | None = None) -> tuple[Constant, ...]:
    """The constants of what follows the sums; known: see `fixed_point`."""
    op = node.op
    assert isinstance(op, LceBconv2d)
    kind = node.output.type.dtype
    if kind is DType.I32:
        threshold = node.inputs[2].data
        assert threshold is not None
        twice = np.clip(threshold, -1, 2 * op.depth(node))
        note = "a sign is negative where twice the count exceeds this"
        return (Constant("thresholds", twice, note),)
    if kind is DType.F32:
        note = "factor and term of each channel"
        return (Constant("channels", np.stack(op.transform(node), 1), note),)
    fixed = fixed_point(node, known)
    assert fixed is not None
    factor, _ = op.transform(node)
    note = (
        f"multiplier, and term with the shift in its low five bits, of each channel; they stand "
        f"for factors of {factor.min():.6g} to {factor.max():.6g}"
    )
    found = [Constant("channels", fixed.table, note)]
    if known is not None and op.inner_activation != "none":
        note = "the least and the greatest output of each channel"
        found.append(Constant("bounds", fixed.bounds, note))
    return tuple(found)


def _bind(node: Node) -> Binding:
    weights = node.inputs[1].data
    assert weights is not None
    packed = Constant("weights", weights.view(np.uint32), "weights, OHWI, 32 channels to a word")
    return Binding(
        params=params(node),
        constants=(packed, *ending(node)),
        support=("tinyc_bits.h", "tinyc_window.h"),
    )


def reject_fixed_point(node: Node) -> str | None:
    """Why the int8 output cannot be computed in integers, if it cannot."""
    if node.output.type.dtype is DType.I8 and fixed_point(node) is None:
        return "32 bits do not hold its rescaling"
    return None


LARGEST_OFFSET = 1 << 16
"""Byte offsets of rows of weights are listed as 16-bit numbers."""

LANE = np.arange(WORD).reshape(8, 4).T.ravel()
"""Channel of each bit of a row of weights: bit i + 8 j is that of channel 4 i + j, which makes the
bytes of the counts come out in the order of channels (tinyc_bits_bytes)."""


def _reject_sliced(node: Node) -> str | None:
    op = node.op
    assert isinstance(op, LceBconv2d)
    if words(op.channels) != node.inputs[1].type.shape[3]:
        return "grouped"
    outs = node.inputs[1].type.shape[0]
    if 2 * outs < WORD:
        return f"only {outs} of the {WORD} channels of a word"
    if op.pad_value == 0 and op.padding != NO_PADDING and op.channels % 2:
        return "padded with zeros that are half a channel"
    if 4 * op.depth(node) >= LARGEST_OFFSET:
        return f"sums {op.depth(node)} products, more than 16-bit offsets reach"
    if node.output.type.dtype is DType.I8 and fixed_point(node, _known(node)) is None:
        return "32 bits do not hold its rescaling"
    return None


def _known(node: Node) -> np.ndarray:
    """W + K of each channel, int64 [o]: W of its weights are -1."""
    op = node.op
    assert isinstance(op, LceBconv2d)
    return _weights_in_borders(node)[2][0] + op.depth(node)


def _weights_in_borders(node: Node) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kinds of border that a window may overlap where padding is of zeros, the inside first:
    indices of rows [oh] and of columns [ow], whose sum is a kind, and W of each kind and channel
    int64 [kinds, o]: its weights of -1 inside of the image, and half of those outside."""
    op, weights = node.op, node.inputs[1].data
    assert isinstance(op, LceBconv2d) and weights is not None
    bits = unpack(weights, op.channels)
    each = bits.sum(3).astype(np.int64)  # of each tap
    _, oh, ow, _ = node.output.type.shape
    kernel = weights.shape[1:3]
    if op.pad_value != 0 or op.padding == NO_PADDING:
        return np.zeros(oh, np.int64), np.zeros(ow, np.int64), each.sum((1, 2))[None]
    size = node.inputs[0].type.shape[1:3]

    def kinds(axis: int, out: int) -> tuple[np.ndarray, np.ndarray]:
        starts = np.arange(out) * op.stride[axis] - op.padding[axis][0]
        taps = starts[:, None] + np.arange(kernel[axis]) * op.dilation[axis]
        inside = (taps >= 0) & (taps < size[axis])
        whole = np.ones((1, kernel[axis]), bool)
        unique, index = np.unique(np.concatenate([whole, inside]), axis=0, return_inverse=True)
        order = np.argsort(-unique.sum(1), kind="stable")  # the inside first
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return unique[order], place[index.ravel()][1:]

    (row_kinds, rows), (column_kinds, columns) = kinds(0, oh), kinds(1, ow)
    inside = row_kinds[:, None, :, None] & column_kinds[None, :, None, :]
    inside = inside.reshape(-1, 1, *kernel)
    half = np.where(inside, 0, op.channels // 2).sum((2, 3))
    return rows * len(column_kinds), columns, (each * inside).sum((2, 3)) + half


def _bind_sliced(node: Node) -> Binding:
    """Weights across output channels: a row of words for each input bit.

    With n inputs that are -1 and S of the weights that are -1 among theirs, p = n + W - 2 S,
    where W counts all of the channel's weights that are -1. The kernel counts 2 S + K - n, which
    is W + K - p: below W + K - threshold where p exceeds it. If most inputs are -1 it lists those
    that are +1 instead, and the same count is p + W: not below W + threshold + 1 where p exceeds.
    """
    op, weights = node.op, node.inputs[1].data
    assert isinstance(op, LceBconv2d) and weights is not None
    outs, depth = len(weights), op.depth(node)
    missing = -outs % WORD
    packed = node.output.type.dtype is DType.I32
    bits = unpack(weights, op.channels).reshape(outs, -1, op.channels)
    # within a word of inputs, the rows descend
    order = np.concatenate(
        [np.arange(i, min(i + WORD, op.channels))[::-1] for i in range(0, op.channels, WORD)]
    )
    rows = np.pad(bits[:, :, order].reshape(outs, depth), ((0, missing), (0, 1)))
    rows = rows.reshape(-1, WORD, depth + 1)
    sliced = pack((rows if packed else rows[:, LANE]).transpose(0, 2, 1))[..., 0].view(np.uint32)
    note = "weights: for 32 output channels, a word for each input, then one of zeros"
    planes = (2 * depth).bit_length()
    row_kinds, column_kinds, known = _weights_in_borders(node)
    border = len(known) > 1
    constants = [Constant("weights", sliced, note)]
    if border:
        note = "kind of border of each row, and of each column"
        constants.append(Constant("rows", row_kinds.astype(np.uint16), note))
        constants.append(Constant("columns", column_kinds.astype(np.uint16), note))
    if packed:
        threshold = node.inputs[2].data
        assert threshold is not None
        threshold = np.clip(threshold.astype(np.int64) >> 1, -1, depth)
        pair = np.stack([known + depth - threshold, known + threshold + 1], 1)
        # channels that are not there: nothing is below 0, and everything below the most
        most = (1 << planes) - 1
        pair = np.pad(np.clip(pair, 0, most), ((0, 0), (0, 0), (0, missing)))
        if missing:
            pair[:, 1, outs:] = most
        limits = pair.reshape(len(known), 2, -1, WORD).transpose(0, 2, 1, 3)
        across = pack(((limits[..., None, :] >> np.arange(planes)[:, None]) & 1).astype(bool))
        note = "limits of the counts: for 32 output channels, bits 0, 1, ... of one, then the other"
        constants.append(Constant("limits", across[..., 0].view(np.uint32), note))
    else:
        constants.append(
            Constant("known", known.astype(np.int16), "how many weights of each channel are -1")
        )
        constants += ending(node, _known(node) if node.output.type.dtype is DType.I8 else None)
    limit = min(depth, -(-9 * depth // 256) * 16)  # 9/16 of the inputs, in whole sixteens
    return Binding(
        params={
            **params(node),
            "bits": depth,
            "planes": planes,
            "slots": max(planes, 5) if packed else 16,
            "groups32": words(outs),
            "border": border,
            "limit": limit,
        },
        constants=tuple(constants),
        scratch=2 * (limit + 48),
        support=("tinyc_bits.h", "tinyc_bits_sum.h"),
    )


LceBconv2d.kernels = (
    Kernel(
        "lce_bconv2d_sliced",
        "lce_bconv2d_sliced.c.j2",
        frozenset(),
        _reject_sliced,
        _bind_sliced,
    ),
    Kernel("lce_bconv2d_scalar", "lce_bconv2d_scalar.c.j2", frozenset(), reject_fixed_point, _bind),
)
LceBconv2d.tir = (_tir_binary.binary_kernel(reject_fixed_point, ending),)
