"""SVDF: filters over features and time, as a singular value decomposition of a dense layer over
the last ``memory`` inputs has them.

A run gives each filter the level W x, which joins its last ones; what a filter says is their
product with its weights of time, and a unit adds up what its ``rank`` filters say. The levels
outlive a run: they are a state of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Quant, TensorType, Value
from ..ir.quant import float_activation_range, multiply_double_rounding, quantize_multiplier
from ._conv import exact_matmul, ordered_matmul, random_type
from ._hybrid import HybridRows, narrow_weights
from ._mixins import Activated
from .base import (
    CONVERT_AGAIN,
    REQUANTIZE,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_ratio,
    expect_shape,
    fail,
    register,
)


@register
@dataclass(frozen=True)
class Svdf(Activated):
    """Inputs: x [batch, in]; weights of features [filters, in] and of time [filters, memory]; a
    bias [units]; the levels, batch * filters * memory elements, the oldest of a filter first.
    A unit has ``rank`` filters, which lie together: there are rank * units.

    Outputs: y [batch, units]; the levels after the run, which may lie where they were.

    float32; or int8 with an int32 bias, weights of time and levels of int16 or of int8. int8 knows
    the activation relu alone, which its output's zero point makes: there is no further clamp.
    LiteRT has no levels of int8; TensorFlow Lite Micro has (svdf_common.cc).
    """

    rank: int

    calibrates = False
    weight_dtype: ClassVar[DType | None] = None

    def sizes(self, node: Node[Self]) -> tuple[int, int, int, int]:
        """(batch, in, filters, memory)."""
        batch, depth = node.inputs[0].type.shape
        filters, memory = node.inputs[2].type.shape
        return batch, depth, filters, memory

    def macs(self, node: Node[Self]) -> int:
        batch, depth, filters, memory = self.sizes(node)
        return batch * filters * (depth + memory)

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 5, 2)
        x, features, times, bias, levels = (v.type for v in node.inputs)
        y, after = (v.type for v in node.outputs)
        expect_dtype(node, x, (DType.I8, DType.F32), "input")
        narrow = x.dtype is DType.I8
        if narrow and self.activation != "relu":
            raise fail(
                node,
                f"its activation is {self.activation}, and TFLite's int8 form knows relu alone",
                "train it with relu, or keep it float32",
            )
        if not len(x.shape) == len(features.shape) == len(times.shape) == 2:
            what = f"its input is {x}, its weights are {features} and {times}, not of rank 2"
            raise fail(node, what, CONVERT_AGAIN)
        batch, depth, filters, memory = self.sizes(node)
        if self.rank < 1 or filters % self.rank:
            what = f"its {filters} filters are of rank {self.rank}"
            raise fail(node, what, CONVERT_AGAIN)
        units = filters // self.rank
        expect_shape(node, features, (filters, depth), "weights of features")
        expect_shape(node, bias, (units,), "bias")
        expect_shape(node, y, (batch, units), "output")
        levels_of = (DType.I16, DType.I8) if narrow else (DType.F32,)
        expect_dtype(node, features, (self.weight_dtype or x.dtype,), "weights of features")
        expect_dtype(node, levels, levels_of, "state")
        expect_dtype(node, times, (levels.dtype,), "weights of time")
        expect_dtype(node, bias, (DType.I32 if narrow else DType.F32,), "bias")
        expect_dtype(node, y, (x.dtype,), "output")
        names = ("weights of features", "weights of time", "bias")
        for value, name in zip(node.inputs[1:4], names, strict=True):
            if not value.constant:
                what = f"its {name} is computed at run time"
                raise fail(node, what, "make it constant", "E305")
        moving = (node.inputs[0], node.inputs[4])
        if moving[0] is moving[1] or any(v.constant for v in moving):
            raise fail(node, "its input or its state is constant, or one tensor", CONVERT_AGAIN)
        if levels.elements != batch * filters * memory:
            what = f"its state is {levels}, not {batch}x{filters}x{memory}"
            raise fail(node, what, CONVERT_AGAIN)
        if after != levels:
            raise fail(node, "its state changes its type", CONVERT_AGAIN)
        if narrow:
            self._check_quant(node)

    def _check_quant(self, node: Node[Self]) -> None:
        x, features, times, _, levels = (v.type for v in node.inputs)
        for t, name in (
            (x, "input"), (features, "weights of features"), (times, "weights of time"),
            (levels, "state"), (node.outputs[0].type, "output"),
        ):  # fmt: skip
            expect_quant(node, t, name)
        if features.zero_point or times.zero_point:
            raise fail(node, "its weights have a zero point", REQUANTIZE, "E304")
        level_ratio, output_ratio = self._ratios(node)
        reach = 256 * np.abs(node.inputs[1].array.astype(np.int64)).sum(1).max()
        expect_ratio(node, int(reach), level_ratio)
        expect_ratio(node, (1 << 31) - 1, output_ratio)

    # int8 ---------------------------------------------------------------------------------

    def _ratios(self, node: Node[Self]) -> tuple[float, float]:
        """What a sum over features is scaled by to be a level, and a sum over time to be an
        output, computed in float32 (Prepare of tensorflow/lite/kernels/svdf.cc)."""
        x, features, times, _, levels = (v.type for v in node.inputs)
        first = np.float32(x.scale) * np.float32(features.scale) / np.float32(levels.scale)
        y = np.float32(node.outputs[0].type.scale)
        return float(first), float(np.float32(levels.scale) * np.float32(times.scale) / y)

    def scales(self, node: Node[Self]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(multiplier, shift) of the levels, and of the outputs."""
        first, second = self._ratios(node)
        return quantize_multiplier(first), quantize_multiplier(second)

    def offsets(self, node: Node[Self]) -> Array:
        """int64 [filters]: what the zero point of the input adds to the sums over features."""
        rows = node.inputs[1].array.astype(np.int64)
        return np.asarray(-node.inputs[0].type.zero_point * rows.sum(1))

    # Reference ----------------------------------------------------------------------------

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, before = inputs[0], inputs[-1]
        batch, _, filters, memory = self.sizes(node)
        real = x.dtype == np.float32
        level = self.product(x, node.inputs[1]) if real else self._levels(node, x)
        old = before.reshape(batch, filters, memory)[..., 1:]
        levels = np.concatenate([old, level[..., None].astype(before.dtype)], 2)
        y = self._sum_f32(node, levels) if real else self._sum_s8(node, levels)
        return y, levels.reshape(before.shape)

    def product(self, rows: Array, matrix: Value) -> Array:
        return ordered_matmul(rows, matrix.array.T)

    def _sum_f32(self, node: Node[Self], levels: Array) -> Array:
        times, bias = (v.array for v in node.inputs[2:4])
        said = np.zeros(levels.shape[:2], np.float32)
        for k in range(levels.shape[2]):
            said += levels[..., k] * times[:, k]
        said = said.reshape(len(said), -1, self.rank)
        total = np.broadcast_to(bias, said.shape[:2])
        for r in range(self.rank):
            total = total + said[..., r]
        low, high = float_activation_range(self.activation)
        return np.clip(total, np.float32(low), np.float32(high))

    def _levels(self, node: Node[Self], x: Array) -> Array:
        """int64 [batch, filters], saturated with their zero point."""
        levels, (scale, _) = node.inputs[4].type, self.scales(node)
        acc = exact_matmul(x, node.inputs[1].array.T) + self.offsets(node)
        real = multiply_double_rounding(acc, *scale) + levels.zero_point
        return np.clip(real, *levels.dtype.limits)

    def _sum_s8(self, node: Node[Self], levels: Array) -> Array:
        """Sums of int16 may leave 32 bits, in which TFLite's wrap around."""
        times, bias = (v.array.astype(np.int64) for v in node.inputs[2:4])
        said = ((levels.astype(np.int64) - node.inputs[4].type.zero_point) * times).sum(2)
        total = said.reshape(len(said), -1, self.rank).sum(2) + bias
        _, scale = self.scales(node)
        y = multiply_double_rounding(total.astype(np.int32), *scale)
        return np.clip(y + node.outputs[0].type.zero_point, -128, 127).astype(np.int8)

    # Cases --------------------------------------------------------------------------------

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # batch, in, units, rank, memory, activation of float32
        shapes: list[tuple[int, int, int, int, int, str]] = [
            (1, 1, 1, 1, 1, "none"),
            (1, 5, 3, 1, 7, "relu"),
            (2, 9, 5, 2, 4, "none"),
            (1, 16, 4, 2, 10, "relu6"),
            (3, 6, 1, 3, 2, "relu_n1_to_1"),
        ]
        for batch, depth, units, rank, memory, activation in shapes:
            filters = units * rank
            for levels_of in (DType.I16, DType.I8, DType.F32):
                real = levels_of is DType.F32
                dtype = DType.F32 if real else DType.I8
                unit = {DType.I16: 0.0005, DType.I8: 0.1}.get(levels_of, 0.0)
                levels = random_type(rng, levels_of, (batch, filters * memory), unit)
                op = cls(activation if real else "relu", rank)
                yield Node(
                    op,
                    (
                        Value("x", random_type(rng, dtype, (batch, depth), 0.05), "case"),
                        _random_weights(rng, dtype, (filters, depth)),
                        _random_weights(rng, levels_of, (filters, memory)),
                        _random_weights(rng, DType.F32 if real else DType.I32, (units,)),
                        Value("levels", levels, "case"),
                    ),
                    (
                        Value("y", random_type(rng, dtype, (batch, units), 0.06), "case"),
                        Value("after", levels, "case"),
                    ),
                    "case",
                )


@register
@dataclass(frozen=True)
class HybridSvdf(HybridRows, Svdf):
    """`Svdf` of float32 with int8 weights of features; those of time are float32, as LiteRT makes
    of them (EvalHybridSVDF of tensorflow/lite/kernels/internal/reference/svdf.h)."""

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in Svdf.cases(rng):
            x, features, *rest = node.inputs
            if x.type.dtype is DType.F32:
                op = cls(node.op.activation, node.op.rank, bool(rng.integers(2)))
                operands = (x, narrow_weights(rng, features), *rest)
                yield Node(op, operands, node.outputs, node.origin)


def _random_weights(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Value:
    if dtype is DType.F32:
        data = rng.normal(0, 0.5, shape).astype(np.float32)
        return Value("w", TensorType(shape, dtype), "case", data)
    if dtype is DType.I32:
        data = rng.integers(-3000, 3000, shape).astype(np.int32)
        return Value("b", TensorType(shape, dtype), "case", data)
    most = dtype.limits[1]
    data = rng.integers(-most, most, shape, endpoint=True).astype(dtype.numpy)
    scale = float(np.float32(rng.uniform(0.3, 1) / most))
    return Value("w", TensorType(shape, dtype, Quant((scale,), (0,))), "case", data)
