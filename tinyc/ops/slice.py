"""SLICE, STRIDED_SLICE, REVERSE_V2: every n-th element between two bounds, also backwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import Node, Value
from ..op import expect_arity, fail, register
from ._move import Move, Movement, case, every_dtype, move_kernel, same_kind


@register
@dataclass(frozen=True)
class Slice(Movement):
    """Input of any dtype; along axis i the output has ``sizes[i]`` elements, from ``begin[i]``
    on, ``step[i]`` apart. Axes of size 1 may come or go in the output's shape."""

    begin: tuple[int, ...]
    step: tuple[int, ...]
    sizes: tuple[int, ...]

    tflite = ("SLICE", "STRIDED_SLICE", "REVERSE_V2")

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        if src.name == "STRIDED_SLICE":
            return [_strided(cls, src)]
        if src.name == "REVERSE_V2":
            return [_reversed(cls, src)]
        x, *operands = src.operands(3)
        begin, sizes = (src.constant_ints(v) for v in operands)
        if not len(begin) == len(sizes) == len(x.type.shape):
            raise src.fail("its begin and size do not fit the rank", CONVERT_AGAIN, "E301")
        sizes = tuple(
            d - b if s == -1 else s for b, s, d in zip(begin, sizes, x.type.shape, strict=True)
        )
        _expect_output(src, sizes)
        return [src.node(cls(begin, (1,) * len(begin), sizes), [x])]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        if not len(self.begin) == len(self.step) == len(self.sizes) == len(x.shape):
            raise fail(node, "its bounds do not fit the rank", CONVERT_AGAIN, "E301")
        for begin, step, size, extent in zip(
            self.begin, self.step, self.sizes, x.shape, strict=True
        ):
            last = begin + (size - 1) * step
            if size < 1 or step == 0 or not (0 <= begin < extent and 0 <= last < extent):
                raise fail(
                    node,
                    f"takes {size} elements from {begin} by {step} of {extent}",
                    "slice inside of the tensor; empty tensors are not supported",
                    "E301",
                )
        if [d for d in self.sizes if d != 1] != [d for d in out.shape if d != 1]:
            raise fail(
                node, f"gives {list(self.sizes)}, not {list(out.shape)}", CONVERT_AGAIN, "E301"
            )

    def moves(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Iterator[Move]:
        taken = inputs[0]
        for axis, (begin, step, size) in enumerate(
            zip(self.begin, self.step, self.sizes, strict=True)
        ):
            end = begin + size * step
            along = slice(begin, end if end >= 0 else None, step)
            taken = taken[(slice(None),) * axis + (along,)]
        yield Move(0, taken, 0, outputs[0].reshape(self.sizes))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in every_dtype():
            yield case(cls((1,), (1,), (2,)), dtype, [(5,)], (2,))
            yield case(cls((4,), (-2,), (3,)), dtype, [(5,)], (3,))
            op = cls((0, 2, 3, 1), (1, -1, 2, 1), (1, 3, 2, 2))
            yield case(op, dtype, [(1, 4, 6, 3)], (1, 3, 2, 2))
            yield case(cls((1, 0, 0), (1, 1, 1), (1, 3, 2)), dtype, [(2, 3, 2)], (3, 2))
            yield case(cls((2, 1), (-1, -1), (3, 2)), dtype, [(3, 2)], (3, 2))


def _expect_output(src: TfliteOp, shape: tuple[int, ...]) -> None:
    actual = src.outputs[0].type.shape
    if shape != actual:
        raise src.fail(
            f"gives the shape {list(shape)}, its output has {list(actual)}",
            CONVERT_AGAIN,
            "E301",
        )


def _reversed(cls: type[Slice], src: TfliteOp) -> Node:
    x, axes = src.operands(2)
    shape, rank = x.type.shape, len(x.type.shape)
    given = src.constant_ints(axes)
    if not all(-rank <= a < rank for a in given):
        raise src.fail(f"reverses the axes {list(given)} of {rank}", CONVERT_AGAIN, "E301")
    turned = {a % rank for a in given}
    _expect_output(src, shape)
    begin = tuple(d - 1 if i in turned else 0 for i, d in enumerate(shape))
    step = tuple(-1 if i in turned else 1 for i in range(rank))
    return src.node(cls(begin, step, shape), [x])


def _strided(cls: type[Slice], src: TfliteOp) -> Node:
    """The masks resolved as TensorFlow documents tf.strided_slice."""
    x: Value
    x, *operands = src.operands(4)
    bounds = [src.constant_ints(v) for v in operands]
    count, shape = len(bounds[0]), x.type.shape
    if any(len(b) != count for b in bounds):
        raise src.fail("its begin, end and strides differ in length", CONVERT_AGAIN, "E301")
    masks = {
        n: src.option(f"{n}_mask") for n in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }

    def on(mask: str, i: int) -> bool:
        return bool(masks[mask] >> i & 1)

    ellipses = [i for i in range(count) if on("ellipsis", i)]
    used = sum(not on("new_axis", i) for i in range(count) if i not in ellipses)
    if len(ellipses) > 1 or used > len(shape):
        raise src.fail("its masks do not fit the rank", CONVERT_AGAIN, "E301")
    if masks["shrink_axis"] & (masks["ellipsis"] | masks["new_axis"]):
        raise src.fail("its masks contradict each other", CONVERT_AGAIN, "E301")
    if ellipses and used == len(shape):
        # TensorFlow takes it for nothing, TFLite for the axis that it stands at.
        raise src.fail("its ellipsis stands for no axis", "leave the ellipsis out")
    begins: list[int] = []
    steps: list[int] = []
    sizes: list[int] = []
    out: list[int] = []

    def whole(axes: int) -> None:
        for extent in shape[len(sizes) : len(sizes) + axes]:
            begins.append(0)
            steps.append(1)
            sizes.append(extent)
            out.append(extent)

    for i, (begin, end, step) in enumerate(zip(*bounds, strict=True)):
        if i in ellipses:
            whole(len(shape) - used)
            continue
        if on("new_axis", i):
            out.append(1)
            continue
        extent = shape[len(sizes)]
        if step == 0:
            raise src.fail("has a stride of 0", CONVERT_AGAIN, "E301")
        if on("shrink_axis", i):
            if step < 0:
                raise src.fail("steps backwards from a single index", CONVERT_AGAIN, "E301")
            begin = 0 if on("begin", i) else begin + extent if begin < 0 else begin
            span = range(begin, begin + 1)
        else:
            if src.option("offset"):  # the end counts from the begin
                end += begin
            # A slice of Python clamps its bounds just as the kernel does.
            span = range(extent)[
                slice(None if on("begin", i) else begin, None if on("end", i) else end, step)
            ]
            out.append(len(span))
        begins.append(span.start)
        steps.append(step if not on("shrink_axis", i) else 1)
        sizes.append(len(span))
    whole(len(shape) - len(sizes))
    _expect_output(src, tuple(out))
    return src.node(cls(tuple(begins), tuple(steps), tuple(sizes)), [x])


Slice.kernels = (move_kernel("slice"),)
