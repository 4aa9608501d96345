"""Import arithmetic, comparisons, logic and choices of broadcast operands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from ....ir import DType, Op, Value
from ....ops.add import Add, Sub
from ....ops.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from ....ops.div import Div, FloorMod
from ....ops.elementwise_math import Sqrt, Square
from ....ops.logical import LogicalAnd, LogicalNot, LogicalOr
from ....ops.maximum_minimum import Maximum, Minimum
from ....ops.mul import Mul
from ....ops.pow import Pow
from ....ops.prelu import Prelu
from ....ops.select import Select
from ..rule import OnnxOp, family, rule


def binary(src: OnnxOp, op: Op, a: Value, b: Value, dtype: DType | None = None) -> Value:
    return src.emit(op, [a, b], src.broadcast(a.type.shape, b.type.shape), dtype)


@family({"Add": Add, "Sub": Sub, "Mul": Mul, "Div": Div})
def arithmetic(cls: type[Add] | type[Mul], src: OnnxOp) -> Value:
    a, b = (_finite(src, i) if issubclass(cls, Add) else src.value(i) for i in (0, 1))
    return binary(src, cls("none"), a, b)


def _chain(src: OnnxOp, op: Op, operands: Sequence[Value]) -> Value:
    """One operand after the other."""
    return reduce(lambda a, b: binary(src, op, a, b), operands)


@family({"Max": Maximum, "Min": Minimum})
def extreme(cls: type[Maximum], src: OnnxOp) -> Value:
    return _chain(src, cls(), [_finite(src, i) for i in range(len(src.operands))])


@rule(Add, "Sum")
def total(src: OnnxOp) -> Value:
    return _chain(src, Add("none"), src.values(1, len(src.operands)))


def _finite(src: OnnxOp, place: int) -> Value:
    """An operand whose infinities, of a mask or of no bound, may be the greatest numbers."""
    found = src.operands[place] if place < len(src.operands) else None
    if isinstance(found, np.ndarray) and found.dtype.kind == "f" and not np.isnan(found).any():
        return src.const(str(place), np.nan_to_num(found.astype(np.float32)))
    return src.value(place)


@rule(Add, "Mean")
def mean(src: OnnxOp) -> Value:
    return scaled(src, total(src), 1 / len(src.operands))


def scaled(src: OnnxOp, x: Value, factor: float) -> Value:
    """``x`` times a number."""
    if factor == 1:
        return x
    return src.emit(Mul("none"), [x, number(src, factor)], x.type.shape)


def shifted(src: OnnxOp, x: Value, term: float) -> Value:
    """``x`` plus a number."""
    if term == 0:
        return x
    return src.emit(Add("none"), [x, number(src, term)], x.type.shape)


def number(src: OnnxOp, real: float) -> Value:
    return src.const("number", np.array(real, np.float32))


@rule(Pow, "Pow")
def power(src: OnnxOp) -> Value:
    x, y = src.values(2)
    simple = {2.0: Square, 0.5: Sqrt, 1.0: None}
    exponent = float(y.array.ravel()[0]) if y.constant and y.type.elements == 1 else None
    if exponent in simple and x.type.dtype is DType.F32:
        shape = src.broadcast(x.type.shape, y.type.shape)
        op = simple[exponent]
        if shape == x.type.shape:
            return x if op is None else src.emit(op(), [x], shape)
    if y.data is not None and y.type.dtype is not x.type.dtype:
        y = src.const("exponent", y.data.astype(x.type.dtype.numpy))
    return binary(src, Pow(), x, y)


@rule(FloorMod, "Mod")
def modulo(src: OnnxOp) -> Value:
    x, y = src.values(2)
    if src.integer("fmod", 0):
        raise src.fail("its result has the sign of the dividend (fmod)", "use fmod=0, of integers")
    return binary(src, FloorMod(), x, y)


@rule(Prelu, "PRelu")
def prelu(src: OnnxOp) -> Value:
    x, slope = src.values(2)
    return binary(src, Prelu(), x, slope)


@family(
    {
        "Equal": Equal,
        "Less": Less,
        "LessOrEqual": LessEqual,
        "Greater": Greater,
        "GreaterOrEqual": GreaterEqual,
        "And": LogicalAnd,
        "Or": LogicalOr,
        "Xor": NotEqual,
    }
)
def comparison(cls: type[Op], src: OnnxOp) -> Value:
    a, b = src.values(2)
    return binary(src, cls(), a, b, DType.BOOL)


@rule(LogicalNot, "Not")
def negation(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(LogicalNot(), [x], x.type.shape)


@rule(NotEqual, "IsNaN")
def is_nan(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return binary(src, NotEqual(), x, x, DType.BOOL)


@rule(Select, "Where")
def where(src: OnnxOp) -> Value:
    condition, x, y = src.value(0), _finite(src, 1), _finite(src, 2)
    shape = src.broadcast(condition.type.shape, x.type.shape, y.type.shape)
    return src.emit(Select(), [condition, x, y], shape, x.type.dtype)


@rule(Select, "Trilu")
def triangle(src: OnnxOp) -> Value:
    x = src.value(0)
    shape = x.type.shape[-2:]
    k = int(src.constant_number(1, 0.0))
    kept = np.tril(np.ones(shape, bool), k)
    if src.integer("upper", 1):
        kept = np.triu(np.ones(shape, bool), k)
    nothing = src.const("nothing", np.zeros((), x.type.dtype.numpy))
    return src.emit(Select(), [src.const("kept", kept), x, nothing], x.type.shape, x.type.dtype)
