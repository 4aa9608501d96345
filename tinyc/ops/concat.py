"""CONCATENATION: tensors side by side along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node
from ..op import expect_shape, fail, register
from ._move import Move, Movement, case, every_dtype, expect_axis, move_kernel, same_kind, wrap_axis


@register
@dataclass(frozen=True)
class Concat(Movement):
    """Inputs: one or more of any one dtype, shapes equal but for ``axis``; all quantizations
    equal the output's, as TFLite demands of int8."""

    axis: int

    tflite = ("CONCATENATION",)

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        inputs = src.operands(1, 1 << 16)
        if src.activation() != "none":
            raise src.fail("has a fused activation", "use a separate activation layer")
        axis = wrap_axis(src, src.option("axis"), len(inputs[0].type.shape))
        return [src.node(cls(axis), [v for v in inputs if v.type.elements])]

    def check(self, node: Node) -> None:
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

    def moves(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Iterator[Move]:
        at = 0
        along = np.moveaxis(outputs[0], self.axis, 0)
        for i, array in enumerate(inputs):
            size = array.shape[self.axis]
            place = np.moveaxis(along[at : at + size], 0, self.axis)
            yield Move(i, array, 0, place)
            at += size

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
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


Concat.kernels = (move_kernel("concat"),)
