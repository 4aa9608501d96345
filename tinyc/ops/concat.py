"""CONCATENATION: tensors side by side along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, DType, Node, Op, Order
from ..ir.quant import clamp
from ._move import Move, Movement, case, every_dtype, expect_axis, same_kind
from ._unary import check_unary, unary_cases
from .base import CONVERT_AGAIN, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Concat(Movement):
    """Inputs: one or more of any one dtype, shapes equal but for ``axis``; all quantizations
    equal the output's, as TFLite demands of int8; what was uint8 goes through `Rescale` first."""

    axis: int

    def check(self, node: Node[Self]) -> None:
        if not node.inputs or len(node.outputs) != 1:
            raise fail(node, "has no input or not one output", CONVERT_AGAIN, "E301")
        out = node.output.type
        expect_axis(node, self.axis, len(out.shape))
        for value in node.inputs:
            same_kind(node, value.type, out, "an input and the output")
            shape = value.type.shape
            rest = (*out.shape[: self.axis], *out.shape[self.axis + 1 :])
            if (*shape[: self.axis], *shape[self.axis + 1 :]) != rest or len(shape) <= self.axis:
                raise fail(
                    node, f"input {list(shape)} does not fit {list(out.shape)}", CONVERT_AGAIN
                )
        total = sum(v.type.shape[self.axis] for v in node.inputs)
        shape = (*out.shape[: self.axis], total, *out.shape[self.axis + 1 :])
        expect_shape(node, out, shape, "output")

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order]:
        return replace(self, axis=order[self.axis]), order

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        whole = axis == self.axis or any(v.constant for v in node.inputs)
        return None if whole else Along(axis)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        at = 0
        along = np.moveaxis(outputs[0], self.axis, 0)
        for i, array in enumerate(inputs):
            size = array.shape[self.axis]
            place = np.moveaxis(along[at : at + size], 0, self.axis)
            yield Move(i, array, 0, place)
            at += size

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(0), dtype, [(3,), (1,)], (4,))
            yield case(cls(2), dtype, [(2, 3, 1), (2, 3, 5), (2, 3, 4)], (2, 3, 10))
            yield case(cls(1), dtype, [(1, 2, 3, 3), (1, 1, 3, 3)], (1, 3, 3, 3))
        node = case(cls(1), DType.I8, [(2, 3), (2, 2), (2, 3)], (2, 8))
        a, b, _ = node.inputs
        data = rng.integers(-128, 128, (2, 2)).astype(np.int8)
        # One variable twice, and a constant between.
        constant = type(b)(b.name, b.type, b.origin, data)
        yield Node(node.op, (a, constant, a), node.outputs, node.origin)


@register
@dataclass(frozen=True)
class Rescale(Op):
    """int8 numbers, uint8 ones in the file, in the quantization of what they become a part of, by
    a product in float32 (ConcatenationWithScaling of internal/reference/concatenation.h)."""

    def check(self, node: Node[Self]) -> None:
        check_unary(node, (DType.I8,))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, out = node.inputs[0].type, node.output.type
        scale = np.float32(x.scale) * (np.float32(1) / np.float32(out.scale))
        bias = np.float32(-(x.zero_point + 128)) * scale
        real = (inputs[0].astype(np.float32) + np.float32(128)) * scale + bias
        whole = np.trunc(real.astype(np.float64) + np.copysign(0.5, real))
        return (clamp(whole + out.zero_point, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in unary_cases(rng, (cls(),)):
            if node.output.type.dtype is DType.I8:
                yield node
