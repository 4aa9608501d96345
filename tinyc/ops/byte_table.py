"""A function of one byte as a table, which `tinyc.passes.fold_tables` makes of a chain of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Along, Array, Node, Op, Value
from ._unary import BYTES, SHAPES
from .base import expect_arity, expect_dtype, expect_shape, register
from .quantize import quantized_type


@register
@dataclass(frozen=True)
class ByteTable(Op):
    """Inputs: x, int8 or uint8, and the 256 outputs for its bytes 0 .. 255, a constant of the
    output's type; output int8 or uint8, of x's shape. of: names of what the table does."""

    of: tuple[str, ...]

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        x, entries, out = node.inputs[0].type, node.inputs[1].type, node.output.type
        assert node.inputs[1].constant, "the table is not constant"
        expect_dtype(node, x, BYTES, "input")
        expect_dtype(node, out, BYTES, "output")
        expect_dtype(node, entries, (out.dtype,), "the table")
        expect_shape(node, entries, (256,), "the table")
        expect_shape(node, out, x.shape, "output")

    def along(self, node: Node[Self], operand: int, axis: int) -> Along:
        return Along(axis)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, entries = inputs
        return (entries[x.view(np.uint8)],)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for source in BYTES:
            for target in BYTES:
                for shape in SHAPES:
                    x, y = (
                        Value(n, quantized_type(rng, d, shape), "case")
                        for n, d in (("x", source), ("y", target))
                    )
                    low, high = target.limits
                    data = rng.integers(low, high, 256, target.numpy, endpoint=True)
                    entries = Value("table", quantized_type(rng, target, (256,)), "case", data)
                    yield Node(cls(("case",)), (x, entries), (y,), "case")
