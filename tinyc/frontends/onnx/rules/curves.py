"""Import functions of one number, and conversions between types."""

from __future__ import annotations

import math

import numpy as np

from ....ir import DType, Op, Value
from ....ops.add import Add
from ....ops.cast import Cast
from ....ops.div import Div
from ....ops.elementwise_math import (
    Abs,
    Ceil,
    Cos,
    Elu,
    Erf,
    Exp,
    Floor,
    Gelu,
    Log,
    Neg,
    Round,
    Sign,
    Sin,
    Sqrt,
)
from ....ops.hard_swish import HardSwish
from ....ops.leaky_relu import LeakyRelu
from ....ops.logistic import Logistic
from ....ops.maximum_minimum import Maximum, Minimum
from ....ops.relu import Relu
from ....ops.tanh import Tanh
from ..rule import STORED, OnnxOp, family, rule
from .elementwise import binary, number, scaled, shifted


@family(
    {
        "Abs": Abs,
        "Ceil": Ceil,
        "Cos": Cos,
        "Erf": Erf,
        "Exp": Exp,
        "Floor": Floor,
        "HardSwish": HardSwish,
        "Log": Log,
        "Neg": Neg,
        "Round": Round,
        "Sigmoid": Logistic,
        "Sign": Sign,
        "Sin": Sin,
        "Sqrt": Sqrt,
        "Tanh": Tanh,
    }
)
def curve(cls: type[Op], src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(cls(), [x], x.type.shape)


@rule(Relu, "Relu")
def relu(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(Relu("relu"), [x], x.type.shape)


@rule(Relu, "Clip")
def clip(src: OnnxOp) -> Value:
    """RELU and its like where the bounds are theirs, else a maximum and a minimum."""
    x = src.value(0)
    low, high = src.constant_number(1, -math.inf), src.constant_number(2, math.inf)
    return clamped(src, x, low, high)


def clamped(src: OnnxOp, x: Value, low: float, high: float) -> Value:
    known = {(0.0, math.inf): "relu", (0.0, 6.0): "relu6", (-1.0, 1.0): "relu_n1_to_1"}
    greatest = float(np.finfo(np.float32).max)
    bounds = (-math.inf if low <= -greatest else low, math.inf if high >= greatest else high)
    if bounds in known and x.type.dtype is DType.F32:
        return src.emit(Relu(known[bounds]), [x], x.type.shape)
    for op, bound in ((Maximum(), bounds[0]), (Minimum(), bounds[1])):
        if math.isfinite(bound):
            fixed = src.const("bound", np.array(bound, x.type.dtype.numpy))
            x = binary(src, op, x, fixed)
    return x


@rule(LeakyRelu, "LeakyRelu")
def leaky_relu(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(LeakyRelu(src.number("alpha", 0.01)), [x], x.type.shape)


@rule(Elu, "Elu")
def elu(src: OnnxOp) -> Value:
    """With an alpha other than 1: what is positive, and alpha times the curve of the rest."""
    (x,) = src.values(1)
    shape, alpha = x.type.shape, src.number("alpha", 1.0)
    if alpha == 1:
        return src.emit(Elu(), [x], shape)
    below = src.emit(Elu(), [binary(src, Minimum(), x, number(src, 0))], shape)
    return binary(src, Add("none"), src.emit(Relu("relu"), [x], shape), scaled(src, below, alpha))


@rule(Gelu, "Gelu")
def gelu(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(Gelu(src.text("approximate", "none") == "tanh"), [x], x.type.shape)


@rule(Relu, "HardSigmoid")
def hard_sigmoid(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    y = shifted(src, scaled(src, x, src.number("alpha", 0.2)), src.number("beta", 0.5))
    return clamped(src, y, 0.0, 1.0)


@rule(Div, "Reciprocal")
def reciprocal(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(Div("none"), [number(src, 1), x], x.type.shape)


@rule(Cast, "Cast", "CastLike")
def cast(src: OnnxOp) -> Value:
    from onnx import helper

    x = src.value(0)
    if src.name == "CastLike":
        dtype: DType | None = src.value(1).type.dtype
    else:
        try:
            dtype = STORED.get(helper.tensor_dtype_to_np_dtype(src.integer("to")))
        except KeyError:
            dtype = None
    if dtype is None:
        raise src.fail("its type is not supported", "cast to float32 or an integer", "E303")
    return x if x.type.dtype is dtype else src.emit(Cast(), [x], x.type.shape, dtype)
