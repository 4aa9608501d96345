"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY and REDUCE_ALL over any axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from ..ir import Along, Array, DType, Node, Op, Order, TensorType, Value
from ..ir.quant import (
    clamp,
    multiply_double_rounding,
    multiply_float,
    multiply_single_rounding,
    quantize_multiplier,
)
from ._binary import NUMBERS
from ._conv import expect_float_scale, random_type
from ._move import without
from .base import (
    CONVERT_AGAIN,
    REQUANTIZE,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    fail,
    register,
)

GREATEST = float(np.finfo(np.float32).max)
"""Where a float32 minimum starts in TFLite; a maximum does at its opposite."""


@dataclass(frozen=True)
class Reduce(Op):
    """x of any shape -> y without ``axes``, or with extent 1 there if ``keep_dims``; of one of
    ``types``. axes: rising, not negative, each once; unsigned: int8 in the place of the file's
    uint8."""

    axes: tuple[int, ...]
    keep_dims: bool
    unsigned: bool = False

    types: ClassVar[tuple[DType, ...]] = NUMBERS

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, y = node.inputs[0].type, node.output.type
        rank = len(x.shape)
        if list(self.axes) != sorted({a for a in self.axes if 0 <= a < rank}):
            raise fail(node, f"axes {list(self.axes)} are not those of {x}", CONVERT_AGAIN)
        expect_dtype(node, x, self.types, "input")
        expect_dtype(node, y, (x.dtype,), "output")
        kept = [(a not in self.axes, d) for a, d in enumerate(x.shape)]
        if self.keep_dims:
            shape = tuple(d if keep else 1 for keep, d in kept)
        else:
            shape = tuple(d for keep, d in kept if keep)
        expect_shape(node, y, shape, "output")
        if x.dtype not in (DType.I8, DType.I16):
            return
        expect_quant(node, x, "input")
        expect_quant(node, y, "output")
        if self.keeps_quant and (x.scale, x.zero_point) != (y.scale, y.zero_point):
            raise fail(node, "input and output are quantized differently", REQUANTIZE, "E304")
        most, bits = (255, 30) if x.dtype is DType.I8 else (1 << 15, 31)
        if max(1.0, x.scale / y.scale) * self.count(node) * most >= 1 << bits:
            raise fail(
                node,
                f"its sums of {self.count(node)} elements do not fit 32 bits",
                "reduce in several steps",
            )

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        axes = tuple(order[a] for a in self.axes)
        if list(axes) != sorted(axes) and node.inputs[0].type.dtype is DType.F32:
            return None  # sums would be added in another order
        op = replace(self, axes=tuple(sorted(axes)))
        return op, order if self.keep_dims else without(order, self.axes)

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        if axis in self.axes:
            return None
        return Along(axis if self.keep_dims else axis - sum(a < axis for a in self.axes))

    def channelwise(self, node: Node[Self]) -> bool:
        return len(node.inputs[0].type.shape) - 1 not in self.axes

    def count(self, node: Node[Self]) -> int:
        """How many elements go into each output."""
        return math.prod(node.inputs[0].type.shape[a] for a in self.axes)

    def rows(self, node: Node[Self], x: Array) -> Array:
        """[outputs, count]: what goes into each output, in memory order."""
        rest = [a for a in range(x.ndim) if a not in self.axes]
        return x.transpose(*rest, *self.axes).reshape(-1, self.count(node))

    def centred_sums(self, node: Node[Self], x: Array) -> Array:
        """Sums of x minus its zero point, int64."""
        centred = self.rows(node, x).astype(np.int64) - node.inputs[0].type.zero_point
        return np.asarray(centred.sum(1))

    def multiplier(self, node: Node[Self]) -> tuple[int, int]:
        """(multiplier, shift) from an integer sum to the output's scale."""
        return quantize_multiplier(node.inputs[0].type.scale / node.output.type.scale)

    def finish(self, node: Node[Self], y: Array) -> tuple[Array, ...]:
        """Add the zero point to rescaled sums, saturate, shape."""
        out = node.output.type
        y = clamp(y + out.zero_point, *out.dtype.limits, out.dtype)
        return (y.reshape(out.shape),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        shapes = [
            ((1,), (0,), False),
            ((5,), (0,), True),
            ((1, 4, 5, 3), (1, 2), True),
            ((2, 3, 2, 5), (1, 2), False),
            ((3, 7), (1,), False),
            ((2, 3, 4, 2, 3), (0, 2, 4), True),
            ((2, 3), (0, 1), False),
            ((2, 3), (), False),
        ]
        for (shape, axes, keep), dtype in itertools.product(shapes, cls.types):
            op = cls(axes, keep)
            out = [1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes]
            x = random_type(rng, dtype, shape, 0.05)
            y = random_type(rng, dtype, tuple(out), rng.choice([0.01, 0.07, 0.5]))
            if cls.keeps_quant:
                y = TensorType(y.shape, dtype, x.quant)
            yield Node(op, (Value("x", x, "case"),), (Value("y", y, "case"),), "case")
        x, y = random_type(rng, DType.I8, (3, 7), 0.05), random_type(rng, DType.I8, (3,), 0.3)
        if DType.I8 in cls.types and not cls.keeps_quant:
            op = cls((1,), False, unsigned=True)
            yield Node(op, (Value("x", x, "case"),), (Value("y", y, "case"),), "case")


def _float_sums(node: Node[Reduce], x: Array) -> Array:
    """float32 sums added one after another, as the kernel does."""
    return np.cumsum(node.op.rows(node, x), axis=1, dtype=np.float32)[:, -1]


@register
@dataclass(frozen=True)
class Mean(Reduce):
    """See `Reduce`. Integers: the count is divided into the multiplier, at the cost of some of its
    bits where it is large, then one double-rounding product (LiteRT's reference MEAN);
    float_scaled: of int8 it is divided into a float32 (QLinearGlobalAveragePool)."""

    float_scaled: bool = field(default=False, kw_only=True)

    def float_scale(self, node: Node[Self]) -> np.float32:
        """What sums are multiplied by where it is `float_scaled`."""
        x, y = (np.float32(v.type.scale) for v in (node.inputs[0], node.output))
        return np.float32(x / (y * np.float32(self.count(node))))

    def check(self, node: Node[Self]) -> None:
        super().check(node)
        if self.float_scaled:
            expect_dtype(node, node.inputs[0].type, (DType.I8,), "input")
            expect_float_scale(node, self.float_scale(node))

    def multiplier(self, node: Node[Self]) -> tuple[int, int]:
        multiplier, shift = super().multiplier(node)
        count = self.count(node)
        extra = min(count.bit_length() - 1, 32, 31 + shift)
        return (multiplier << extra) // count, shift - extra

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            y = _float_sums(node, x) / np.float32(self.count(node))
            return (y.reshape(node.output.type.shape),)
        sums = self.centred_sums(node, x)
        if self.float_scaled:
            return self.finish(node, multiply_float(sums, self.float_scale(node)))
        return self.finish(node, multiply_double_rounding(sums, *self.multiplier(node)))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in super().cases(rng):
            yield node
            if node.inputs[0].type.dtype is DType.I8:
                op = replace(node.op, float_scaled=True)
                yield Node(op, (replace(node.inputs[0]),), (replace(node.output),), "case")


@register
@dataclass(frozen=True)
class Sum(Reduce):
    """See `Reduce`. int8: rounded once and saturated, as LiteRT's optimized SUM does it; its
    reference SUM (2.3) reads int8 as uint8 and is right for non-negative tensors alone. Of uint8
    it rounds twice."""

    types = (*NUMBERS, DType.I32, DType.I64)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            return (_float_sums(node, x).reshape(node.output.type.shape),)
        if x.dtype in (np.int32, np.int64):
            return (self.rows(node, x).sum(1, dtype=x.dtype).reshape(node.output.type.shape),)
        sums = self.centred_sums(node, x)
        rescale = multiply_double_rounding if self.unsigned else multiply_single_rounding
        return self.finish(node, rescale(sums, *self.multiplier(node)))


@register
@dataclass(frozen=True)
class ReduceMax(Reduce):
    """See `Reduce`; both sides are quantized alike. What is no number is passed over."""

    types = (*NUMBERS, DType.I32, DType.I64)
    keeps_quant = True
    least: ClassVar[bool] = False

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        rows, least = self.rows(node, inputs[0]), self.least
        if rows.dtype == np.float32:
            pick = np.fmin if least else np.fmax
            best = pick.reduce(rows, 1, initial=GREATEST if least else -GREATEST)
        else:
            best = rows.min(1) if least else rows.max(1)
        return (best.reshape(node.output.type.shape),)


@register
@dataclass(frozen=True)
class ReduceMin(ReduceMax):
    """The least; otherwise as `ReduceMax`."""

    least = True


@register
@dataclass(frozen=True)
class ReduceProd(Reduce):
    """See `Reduce`; float32 alone."""

    types = (DType.F32,)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            products = np.cumprod(self.rows(node, inputs[0]), axis=1, dtype=np.float32)
        return (products[:, -1].reshape(node.output.type.shape),)


@register
@dataclass(frozen=True)
class ReduceAny(Reduce):
    """See `Reduce`; bool: whether any element holds."""

    types = (DType.BOOL,)
    every: ClassVar[bool] = False

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        rows = self.rows(node, inputs[0])
        found = rows.all(1) if self.every else rows.any(1)
        return (found.reshape(node.output.type.shape),)


@register
@dataclass(frozen=True)
class ReduceAll(ReduceAny):
    """See `Reduce`; bool: whether every element holds."""

    every = True
