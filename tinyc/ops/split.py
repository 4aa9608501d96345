"""SPLIT, SPLIT_V: one tensor cut along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import Node
from ..op import expect_shape, fail, register
from ._move import Move, Movement, case, every_dtype, expect_axis, move_kernel, same_kind, wrap_axis


@register
@dataclass(frozen=True)
class Split(Movement):
    """Input of any dtype; the outputs are its parts of ``sizes`` along ``axis``, in order."""

    axis: int
    sizes: tuple[int, ...]

    tflite = ("SPLIT", "SPLIT_V")

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        if src.name == "SPLIT":
            axis_value, x = src.operands(2, outputs=None)
        else:
            x, sizes_value, axis_value = src.operands(3, outputs=None)
        axes = src.constant_ints(axis_value)
        if len(axes) != 1:
            raise src.fail("its axis is no single number", CONVERT_AGAIN, "E301")
        axis = wrap_axis(src, axes[0], len(x.type.shape))
        extent, count = x.type.shape[axis], len(src.outputs)
        if src.option("num_splits") != count:
            text = f"states {src.option('num_splits')} parts and has {count} outputs"
            raise src.fail(text, CONVERT_AGAIN, "E301")
        if src.name == "SPLIT":
            if extent % count:
                raise src.fail(f"{extent} elements do not split by {count}", CONVERT_AGAIN, "E301")
            sizes = (extent // count,) * count
        else:
            sizes = src.constant_ints(sizes_value)
            if sizes.count(-1) == 1:
                rest = extent - sum(s for s in sizes if s != -1)
                sizes = tuple(rest if s == -1 else s for s in sizes)
        outputs = src.outputs
        if len(sizes) == count:  # a part without elements is nothing to make
            outputs = tuple(v for v, size in zip(outputs, sizes, strict=True) if size)
        node = src.node(cls(axis, tuple(filter(None, sizes))), [x])
        return [replace(node, outputs=outputs)]

    def check(self, node: Node) -> None:
        if len(node.inputs) != 1 or len(node.outputs) != len(self.sizes):
            raise fail(node, "has not one input or not one output a part", CONVERT_AGAIN, "E301")
        x = node.inputs[0].type
        expect_axis(node, self.axis, len(x.shape))
        if sum(self.sizes) != x.shape[self.axis] or min(self.sizes, default=0) < 1:
            raise fail(
                node,
                f"parts {list(self.sizes)} do not make {x.shape[self.axis]}",
                CONVERT_AGAIN,
                "E301",
            )
        for size, value in zip(self.sizes, node.outputs, strict=True):
            same_kind(node, x, value.type)
            shape = (*x.shape[: self.axis], size, *x.shape[self.axis + 1 :])
            expect_shape(node, value.type, shape, "an output")

    def moves(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Iterator[Move]:
        parts = np.split(inputs[0], np.cumsum(self.sizes)[:-1], self.axis)
        for i, part in enumerate(parts):
            yield Move(0, part, i, outputs[i])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in every_dtype():
            yield case(cls(0, (2, 2)), dtype, [(4,)], (2,), (2,))
            yield case(cls(2, (1, 4, 2)), dtype, [(2, 3, 7)], (2, 3, 1), (2, 3, 4), (2, 3, 2))
            yield case(cls(1, (3,)), dtype, [(2, 3)], (2, 3))


Split.kernels = (move_kernel("split"),)
