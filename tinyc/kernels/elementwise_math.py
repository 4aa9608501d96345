"""How C computes ABS, NEG, SQRT, RSQRT, SQUARE, EXP, LOG, SIN, COS, CEIL, FLOOR and the like."""

from __future__ import annotations

from typing import Any

from ..ir import Node
from ..ops.elementwise_math import (
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
from .base import Binding, provide
from .conv import portable
from .unary import f32_kernel, table_kernel, unary_params


def _f32_params(node: Node) -> dict[str, Any]:
    assert isinstance(node.op, Curve)
    return {"code": node.op.code}


def _bind_whole(node: Node) -> Binding:
    assert isinstance(node.op, Curve)
    return Binding(params={**unary_params(node), "code": node.op.whole}, inplace=0)


for _op in (Abs, Neg, Sqrt, Rsqrt, Square, Exp, Log, Sin, Cos, Ceil, Floor, Round, Sign, Elu, Gelu):
    _name = _op.__name__.lower()
    provide(
        _op,
        table_kernel(f"{_name}_s8"),
        f32_kernel(f"{_name}_f32", _f32_params, ("tinyc_math.h",), "expression.c.j2"),
        *(
            portable(f"{_name}_{dtype.value}", dtype, _bind_whole, "expression.c.j2")
            for dtype in _op.integers
        ),
    )
