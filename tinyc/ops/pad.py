"""PAD, PADV2: a constant around a tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, DType, Node, Op, Order, Quant
from ..ir.quant import rounded
from ._move import Move, Movement, case, every_dtype, same_kind, stored
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


def check_paddings(node: Node, paddings: tuple[tuple[int, int], ...]) -> None:
    """One pair for each axis, none negative, and the output's shape as they give it."""
    x = node.inputs[0].type
    if len(paddings) != len(x.shape) or any(p < 0 for pair in paddings for p in pair):
        raise fail(node, f"its paddings are {list(paddings)}", CONVERT_AGAIN, "E301")
    shape = tuple(sum(pair) + d for pair, d in zip(paddings, x.shape, strict=True))
    expect_shape(node, node.output.type, shape, "output")
    same_kind(node, x, node.output.type)


@register
@dataclass(frozen=True)
class Pad(Movement):
    """Input of any dtype; output larger by ``paddings``, (before, after) of each axis.

    value: what stands there, as stored (quantized types: a quantized number).
    """

    paddings: tuple[tuple[int, int], ...]
    value: int | float

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        check_paddings(node, self.paddings)
        dtype = node.output.type.dtype
        if dtype not in (DType.F32, DType.BOOL):
            low, high = dtype.limits
            if not low <= self.value <= high:
                raise fail(node, f"its value {self.value} is no {dtype.value}", CONVERT_AGAIN)

    def narrowed(self, quant: Quant) -> Pad:
        return replace(self, value=int(rounded(np.array(self.value), quant)))

    def fill(self, node: Node[Self]) -> int | float:
        return int(self.value) if node.output.type.dtype is DType.BOOL else self.value

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order]:
        return replace(self, paddings=stored(self.paddings, order)), order

    def along(self, node: Node[Self], operand: int, axis: int) -> Along:
        return Along(axis, first=-self.paddings[axis][0])

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        inside = tuple(
            slice(before, before + size)
            for (before, _), size in zip(self.paddings, inputs[0].shape, strict=True)
        )
        yield Move(0, inputs[0], 0, outputs[0][inside])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            value = {DType.F32: -0.1, DType.BOOL: True, DType.I16: -32768}.get(dtype, -7)
            yield case(cls(((1, 2),), value), dtype, [(3,)], (6,))
            op = cls(((0, 0), (1, 0), (0, 2), (3, 1)), value)
            yield case(op, dtype, [(1, 4, 3, 2)], (1, 5, 5, 6))
            yield case(cls(((0, 0), (0, 0)), value), dtype, [(2, 3)], (2, 3))
