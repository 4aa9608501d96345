"""GATHER: the constant indices of one axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import Node
from ..op import expect_arity, fail, register
from ._move import Lookup, case, every_dtype, expect_axis, lookup_kernel, same_kind, wrap_axis


@register
@dataclass(frozen=True)
class Gather(Lookup):
    """Input of any dtype; the output has ``indices`` (flat) of ``axis`` in the place of that
    axis, in the shape that the indices had."""

    axis: int
    indices: tuple[int, ...]

    tflite = ("GATHER",)

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, operand = src.operands(2)
        if src.option("batch_dims"):
            raise src.fail("batch dimensions are not supported", "gather without batch_dims")
        axis = wrap_axis(src, src.option("axis"), len(x.type.shape))
        indices = src.constant_ints(operand)
        shape = (*x.type.shape[:axis], *operand.type.shape, *x.type.shape[axis + 1 :])
        if src.outputs[0].type.shape != shape:
            raise src.fail(
                f"gives {list(shape)}, not {list(src.outputs[0].type.shape)}", CONVERT_AGAIN, "E301"
            )
        return [src.node(cls(axis, indices), [x])]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        expect_axis(node, self.axis, len(x.shape))
        extent = x.shape[self.axis]
        if not self.indices or min(self.indices) < 0 or max(self.indices) >= extent:
            raise fail(node, f"an index lies outside of {extent} elements", CONVERT_AGAIN, "E301")
        after = x.shape[self.axis + 1 :]
        fits = (
            out.shape[: self.axis] == x.shape[: self.axis]
            and out.shape[len(out.shape) - len(after) :] == after
            and out.elements == x.elements // extent * len(self.indices)
        )
        if not fits:
            raise fail(
                node,
                f"{len(self.indices)} indices of {list(x.shape)} do not give {list(out.shape)}",
                CONVERT_AGAIN,
                "E301",
            )

    def tables(self, node: Node) -> list[np.ndarray]:
        tables = [np.arange(size) for size in node.inputs[0].type.shape]
        tables[self.axis] = np.array(self.indices)
        return tables

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in every_dtype():
            yield case(cls(0, (4, 0, 4)), dtype, [(5,)], (3,))
            yield case(cls(1, (2, 0, 1, 1)), dtype, [(2, 3, 2)], (2, 2, 2, 2))
            yield case(cls(2, (3,)), dtype, [(2, 3, 4)], (2, 3))


Gather.kernels = (lookup_kernel("gather"),)
