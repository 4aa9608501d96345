"""Import SLICE, STRIDED_SLICE, REVERSE_V2."""

from __future__ import annotations

from ....ir import Node, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.slice import Slice
from ..rule import TfliteOp, rule


@rule(Slice, "SLICE", "STRIDED_SLICE", "REVERSE_V2")
def import_slice(src: TfliteOp) -> list[Node]:
    if src.name == "STRIDED_SLICE":
        return [_strided(Slice, src)]
    if src.name == "REVERSE_V2":
        return [_reversed(Slice, src)]
    x, *operands = src.operands(3)
    begin, sizes = (src.constant_ints(v) for v in operands)
    if not len(begin) == len(sizes) == len(x.type.shape):
        raise src.fail("its begin and size do not fit the rank", CONVERT_AGAIN, "E301")
    sizes = tuple(
        d - b if s == -1 else s for b, s, d in zip(begin, sizes, x.type.shape, strict=True)
    )
    _expect_output(src, sizes)
    return [src.node(Slice(begin, (1,) * len(begin), sizes), [x])]


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
