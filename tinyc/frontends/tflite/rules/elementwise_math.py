"""Import ABS, NEG, SQRT, RSQRT, SQUARE, EXP, LOG, SIN, COS, CEIL, FLOOR, ROUND and the like."""

from __future__ import annotations

from ....ir import DType, Node
from ....ops.elementwise_math import (
    Abs,
    Ceil,
    Cos,
    Curve,
    Elu,
    Exp,
    Floor,
    Gelu,
    Log,
    Neg,
    Round,
    Rsqrt,
    Sign,
    Sin,
    Sqrt,
    Square,
)
from ..rule import TfliteOp, family, rule


@family(
    {
        "ABS": Abs,
        "SQRT": Sqrt,
        "RSQRT": Rsqrt,
        "SQUARE": Square,
        "EXP": Exp,
        "LOG": Log,
        "SIN": Sin,
        "COS": Cos,
        "CEIL": Ceil,
        "FLOOR": Floor,
        "ROUND": Round,
        "SIGN": Sign,
        "ELU": Elu,
    }
)
def curve(cls: type[Curve], src: TfliteOp) -> list[Node]:
    return [src.node(cls(), src.operands(1))]


@rule(Neg, "NEG")
def neg(src: TfliteOp) -> list[Node]:
    (x,) = src.operands(1)
    return [src.node(Neg(x.type.dtype is DType.I8), [x])]


@rule(Gelu, "GELU")
def gelu(src: TfliteOp) -> list[Node]:
    return [src.node(Gelu(bool(src.option("approximate"))), src.operands(1))]
