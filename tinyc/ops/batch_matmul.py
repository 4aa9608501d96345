"""BATCH_MATMUL: y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j], batches broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, DType, Node, Op, TensorType, Value
from ..ir.quant import (
    clamp,
    multiply_double_rounding,
    multiply_float,
    multiply_reduced,
    quantize_multiplier,
)
from ._binary import NUMBERS
from ._conv import exact_matmul, expect_float_scale, random_type
from ._int16 import LARGEST_SUM
from ._move import row_places
from .base import (
    CONVERT_AGAIN,
    MASKED_SCALE,
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
class BatchMatMul(Op):
    """Inputs a [..., i, k] and b [..., k, j] of rank 2 to 5, int8, int16 or float32, whose leading
    axes broadcast; output [..., i, j]. adj_x: a is stored [..., k, i]; adj_y: b as [..., j, k];
    float_scaled: as of `Weighted`, int8 alone."""

    adj_x: bool
    adj_y: bool
    float_scaled: bool = field(default=False, kw_only=True)

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        a, b = (v.type for v in node.inputs)
        if not (2 <= len(a.shape) <= 5 and 2 <= len(b.shape) <= 5):
            raise fail(node, "its operands are not of rank 2 to 5", CONVERT_AGAIN)
        expect_dtype(node, a, NUMBERS, "first operand")
        expect_dtype(node, b, (a.dtype,), "second operand")
        expect_dtype(node, node.output.type, (a.dtype,), "output")
        rows, depth, columns = self.sizes(node)
        if depth != b.shape[-1 if self.adj_y else -2]:
            raise fail(node, f"{a} and {b} cannot be multiplied", CONVERT_AGAIN)
        try:
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise fail(node, f"batches of {a} and {b} do not fit", CONVERT_AGAIN) from None
        expect_shape(node, node.output.type, (*lead, rows, columns), "output")
        if a.dtype is not DType.F32:
            expect_quant(node, a, "first operand")
            expect_quant(node, b, "second operand")
            expect_quant(node, node.output.type, "output", largest=MASKED_SCALE)
            if a.dtype is DType.I8 and depth * 255 * 255 >= 1 << 31:
                raise fail(node, f"sums {depth} products, more than 32 bits hold", "split it")
            if a.dtype is DType.I16:
                if depth << 30 >= LARGEST_SUM:
                    raise fail(node, f"sums {depth} products", "split it", "E340")
                if self.multiplier(node)[1] > 14:
                    raise fail(
                        node, "its operands' scales are over 2^14 times its output's", REQUANTIZE,
                        "E341",
                    )  # fmt: skip
            else:
                expect_ratio(node, depth * 255 * 255, self._ratio(node))
                if self.float_scaled:
                    expect_float_scale(node, self.float_scale(node))

    def absorbing(self, node: Node[Self], places: Array) -> tuple[Value, ...] | None:
        a, b = node.inputs
        rows = row_places(places, a.type.shape[-1])
        if self.adj_x or b.data is None or rows is None:
            return None
        data = np.empty_like(b.data)
        data[(..., rows) if self.adj_y else (..., rows, slice(None))] = b.data
        return a, replace(b, data=data)

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        rows = operand == 0 and axis == len(node.inputs[0].type.shape) - 2 and not self.adj_x
        return Along(len(node.output.type.shape) - 2) if rows and node.inputs[1].constant else None

    def sizes(self, node: Node[Self]) -> tuple[int, int, int]:
        """(i, k, j)."""
        a, b = (v.type.shape for v in node.inputs)
        rows, depth = a[-2:][::-1] if self.adj_x else a[-2:]
        return rows, depth, b[-2 if self.adj_y else -1]

    def _ratio(self, node: Node[Self]) -> float:
        """To the output's scale. The product of the operands' scales is rounded to float32 first
        (GetQuantizedConvolutionMultipler without a bias)."""
        a, b = (np.float32(v.type.scale) for v in node.inputs)
        out = node.output.type.scale
        return float(a * b / np.float32(out)) if self.float_scaled else float(a * b) / out

    def float_scale(self, node: Node[Self]) -> np.float32:
        """The same where it is `float_scaled`."""
        return np.float32(self._ratio(node))

    def multiplier(self, node: Node[Self]) -> tuple[int, int]:
        """(multiplier, shift) to the output's scale."""
        return quantize_multiplier(self._ratio(node))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        a, b = inputs
        a = a.swapaxes(-1, -2) if self.adj_x else a
        b = b.swapaxes(-1, -2) if self.adj_y else b
        if a.dtype == np.float32:
            y: Array = np.zeros(node.output.type.shape, np.float32)
            for k in range(a.shape[-1]):
                y += a[..., :, k, None] * b[..., None, k, :]
            return (y,)
        zero_a, zero_b = (v.type.zero_point for v in node.inputs)
        acc = exact_matmul(a.astype(np.int32) - zero_a, b.astype(np.int32) - zero_b)
        out = node.output.type
        if self.float_scaled:
            y = multiply_float(acc, self.float_scale(node)) + out.zero_point
            return (clamp(y, *out.dtype.limits, out.dtype),)
        multiply = multiply_reduced if out.dtype is DType.I16 else multiply_double_rounding
        y = multiply(acc, *self.multiplier(node)) + out.zero_point
        return (clamp(y, *out.dtype.limits, out.dtype),)

    def macs(self, node: Node[Self]) -> int:
        return node.output.type.elements * self.sizes(node)[1]

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        shapes = [
            ((1, 1), (1, 1), False, False, "both"),
            ((3, 5), (5, 2), False, False, "both"),
            ((2, 5, 3), (2, 5, 4), True, False, "first"),
            ((2, 1, 3, 4), (3, 5, 4), False, True, "both"),
            ((4, 2, 3), (3, 6), False, False, "second"),
            ((3, 3), (3, 3), True, False, "same"),
        ]
        for a, b, adj_x, adj_y, variable in shapes:
            for dtype in NUMBERS:
                op = cls(adj_x, adj_y)
                types = [random_type(rng, dtype, a), random_type(rng, dtype, b)]
                data = [_data(rng, t) for t in types]
                left = Value("a", types[0], "case", data[0] if variable == "second" else None)
                right = Value("b", types[1], "case", data[1] if variable == "first" else None)
                inputs = (left, left) if variable == "same" else (left, right)
                lead = np.broadcast_shapes(a[:-2], b[:-2])
                shape = (*lead, a[-1 if adj_x else -2], b[-2 if adj_y else -1])
                y = random_type(rng, dtype, shape, rng.choice([0.01, 0.5]))
                yield Node(op, inputs, (Value("y", y, "case"),), "case")
                if dtype is DType.I8:
                    op = replace(op, float_scaled=True)
                    left, right = replace(left), replace(right)
                    inputs = (left, left) if variable == "same" else (left, right)
                    yield Node(op, inputs, (Value("y", y, "case"),), "case")


def _data(rng: np.random.Generator, t: TensorType) -> Array:
    if t.dtype is DType.F32:
        return rng.normal(0, 1, t.shape).astype(np.float32)
    return rng.integers(*t.dtype.limits, t.shape, endpoint=True).astype(t.dtype.numpy)
