"""Import reductions, arg-maxima, TopK, sums along an axis, softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ....ir import DType, Op, Value
from ....ops.add import Add, Sub
from ....ops.arg_max import ArgMax
from ....ops.base import CONVERT_AGAIN
from ....ops.cast import Cast
from ....ops.cumsum import Cumsum
from ....ops.div import Div
from ....ops.elementwise_math import Abs, Neg, Rsqrt, Sqrt, Square
from ....ops.log_softmax import LogSoftmax
from ....ops.maximum_minimum import Maximum
from ....ops.mul import Mul
from ....ops.one_hot import OneHot
from ....ops.reduce import Mean, Reduce, ReduceMax, ReduceMin, ReduceProd, Sum
from ....ops.softmax import Softmax
from ....ops.squared_difference import SquaredDifference
from ....ops.top_k import TopK
from ..rule import OnnxOp, family, rule
from .elementwise import binary, shifted


@family(
    {
        "ReduceMean": Mean,
        "ReduceSum": Sum,
        "ReduceMax": ReduceMax,
        "ReduceMin": ReduceMin,
        "ReduceProd": ReduceProd,
    }
)
def reduction(cls: type[Reduce], src: OnnxOp) -> Value:
    """The axes are an operand of newer versions, an attribute of older ones."""
    x = src.value(0)
    rank = len(x.type.shape)
    given = src.integers("axes", ())
    if src.present(1):
        given = src.constant_integers(1)
    if not given and src.integer("noop_with_empty_axes", 0):
        return x
    axes = tuple(sorted({src.axis(a, rank) for a in given})) or tuple(range(rank))
    return reduced(src, cls, x, axes, bool(src.integer("keepdims", 1)))


def reduced(
    src: OnnxOp, cls: type[Reduce], x: Value, axes: Sequence[int], keep: bool = True
) -> Value:
    shape = [1 if a in axes else d for a, d in enumerate(x.type.shape) if keep or a not in axes]
    return src.emit(cls(tuple(axes), keep), [x], shape)


@rule(ArgMax, "ArgMax", "ArgMin")
def arg_max(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    axis = src.axis(src.integer("axis", 0), len(x.type.shape))
    if src.integer("select_last_index", 0):
        raise src.fail("of equal elements it takes the last", "use select_last_index=0")
    shape = [d for a, d in enumerate(x.type.shape) if a != axis]
    y = src.emit(ArgMax(axis, src.name == "ArgMin"), [x], shape, DType.I64)
    if not src.integer("keepdims", 1):
        return y
    return src.reshaped(y, (*shape[:axis], 1, *shape[axis:]))


def _along_last(src: OnnxOp, x: Value, axis: int, compute: Callable[[Value], Value]) -> Value:
    """What ``compute`` makes of ``x`` with ``axis`` behind the others, put back."""
    rank = len(x.type.shape)
    axis = src.axis(axis, rank)
    if axis == rank - 1:
        return compute(x)
    order = [*(a for a in range(rank) if a != axis), axis]
    back = [order.index(a) for a in range(rank)]
    return src.transposed(compute(src.transposed(x, order)), back)


@family({"Softmax": Softmax, "LogSoftmax": LogSoftmax})
def softmax(cls: type[Op], src: OnnxOp) -> Value:
    (x,) = src.values(1)
    op = Softmax(1.0) if issubclass(cls, Softmax) else cls()
    return _along_last(src, x, src.integer("axis", -1), lambda v: src.emit(op, [v], v.type.shape))


@rule(TopK, "TopK")
def top_k(src: OnnxOp) -> Sequence[Value]:
    """The smallest are the greatest of the negated."""
    x = src.value(0)
    (k,) = src.constant_integers(1)
    rank = len(x.type.shape)
    axis, largest = src.axis(src.integer("axis", -1), rank), src.integer("largest", 1)
    order = [*(a for a in range(rank) if a != axis), axis]
    back = [order.index(a) for a in range(rank)]
    if axis != rank - 1:
        x = src.transposed(x, order)
    if not largest:
        x = src.emit(Neg(), [x], x.type.shape)
    shape = (*x.type.shape[:-1], k)
    values, places = src.emit_all(TopK(k), [x], [(shape, None), (shape, DType.I32)])
    if not largest:
        values = src.emit(Neg(), [values], shape)
    places = src.emit(Cast(), [places], shape, DType.I64)
    if axis == rank - 1:
        return values, places
    return src.transposed(values, back), src.transposed(places, back)


@rule(Cumsum, "CumSum")
def cumsum(src: OnnxOp) -> Value:
    x = src.value(0)
    axis = src.axis(int(src.constant_number(1, 0)), len(x.type.shape))
    op = Cumsum(axis, bool(src.integer("exclusive", 0)), bool(src.integer("reverse", 0)))
    return src.emit(op, [x], x.type.shape)


@rule(OneHot, "OneHot")
def one_hot(src: OnnxOp) -> Value:
    """Indices below 0, which count from the end in ONNX, are refused if they are constant."""
    x, depth = src.value(0), int(src.constant_number(1, 0))
    values = src.constant(2)
    if values.size != 2:
        raise src.fail("its values are not two", CONVERT_AGAIN, "E301")
    axis = src.axis(src.integer("axis", -1), len(x.type.shape) + 1)
    shape = (*x.type.shape[:axis], depth, *x.type.shape[axis:])
    off, on = (v.item() for v in values)
    dtype = src.value(2).type.dtype
    return src.emit(OneHot(axis, depth, on, off), [x], shape, dtype)


# Normalizations ---------------------------------------------------------------------------


@rule(Mean, "LayerNormalization")
def layer_normalization(src: OnnxOp) -> Sequence[Value]:
    """The mean and the inverse deviation are outputs too."""
    x = src.value(0)
    rank = len(x.type.shape)
    axes = tuple(range(src.axis(src.integer("axis", -1), rank), rank))
    y, mean, inverse = _normalized(src, x, axes)
    y = binary(src, Mul("none"), y, src.value(1))
    if src.present(2):
        y = binary(src, Add("none"), y, src.value(2))
    return y, mean, inverse


@rule(Mean, "InstanceNormalization")
def instance_normalization(src: OnnxOp) -> Value:
    x, rank = src.value(0), len(src.value(0).type.shape)
    y, _, _ = _normalized(src, x, tuple(range(2, rank)))
    for op, place in ((Mul("none"), 1), (Add("none"), 2)):
        array = src.numbers(place)
        each = src.const(str(place), array.reshape(-1, *(1,) * (rank - 2)))
        y = binary(src, op, y, each)
    return y


def _normalized(src: OnnxOp, x: Value, axes: tuple[int, ...]) -> tuple[Value, Value, Value]:
    """``x`` less its mean, by its deviation; the mean; the inverse of the deviation."""
    mean = reduced(src, Mean, x, axes)
    variance = reduced(src, Mean, binary(src, SquaredDifference(), x, mean), axes)
    variance = shifted(src, variance, src.number("epsilon", 1e-5))
    inverse = src.emit(Rsqrt(), [variance], variance.type.shape)
    y = binary(src, Mul("none"), binary(src, Sub("none"), x, mean), inverse)
    return y, mean, inverse


@rule(Div, "LpNormalization")
def lp_normalization(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    axis = src.axis(src.integer("axis", -1), len(x.type.shape))
    if src.integer("p", 2) == 1:
        norm = reduced(src, Sum, src.emit(Abs(), [x], x.type.shape), (axis,))
    else:
        squares = reduced(src, Sum, src.emit(Square(), [x], x.type.shape), (axis,))
        norm = src.emit(Sqrt(), [squares], squares.type.shape)
    # Zeros stay zeros.
    least = src.const("least", np.array(np.finfo(np.float32).tiny))
    return binary(src, Div("none"), x, binary(src, Maximum(), norm, least))
