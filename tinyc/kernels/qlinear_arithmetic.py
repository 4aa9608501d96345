"""How C computes QLinearAdd and QLinearMul."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..ir import DType, Node
from ..ops.qlinear_arithmetic import QLinearAdd, QLinearMul
from .base import provide
from .binary import binary_kernel
from .conv import float_words
from .formula import Fields, Formula

HEADER = "tinyc_qlinear_arithmetic.h"


def _output(node: Node[QLinearAdd] | Node[QLinearMul]) -> dict[str, int]:
    return {"offset": node.op.offset}


def _add(node: Node[QLinearAdd]) -> Formula:
    terms = node.op.terms(node)
    names = ("x", "y", "fixed")
    fields: Fields = {
        "floats": dict(zip(names, map(float, terms), strict=True)),
        "exact": _exact(terms),
        "near": _near(terms),
        **_output(node),
    }
    name = "tinyc_qlinear_add"
    return Formula(name, HEADER, struct=name, fields=fields, wide=True)


def _exact(terms: tuple[np.float32, ...]) -> dict[str, int]:
    """The terms as multiples of 2**-point."""
    exact = [Fraction(float(t)) for t in terms]
    point = max(f.denominator.bit_length() - 1 for f in exact)
    x, y, fixed = (int(f * (1 << point)) for f in exact)
    return {"x": x, "y": y, "fixed": fixed, "point": point}


def _near(terms: tuple[np.float32, ...]) -> dict[str, int]:
    """The terms rounded to multiples of 2**-point with which 32 bits hold every sum; window: how
    far, in these, a sum may lie from what float32 makes of it where it is no more than 256."""
    x, y, fixed = (float(t) for t in terms)
    reach = 255 * (x + y) + abs(fixed) + 2
    point = 30 - math.frexp(reach)[1]
    rounding = 255 + 1
    floats = math.ldexp(255 * y + abs(fixed) + 256, point - 24)
    near = [round(math.ldexp(t, point)) for t in (x, y, fixed)]
    window = rounding + math.ceil(floats) + 1
    return {"x": near[0], "y": near[1], "fixed": near[2], "point": point, "window": window}


def _mul(node: Node[QLinearMul]) -> Formula:
    (scale,), (right,) = float_words(np.array([node.op.scale(node)]))
    zero_x, zero_y, zero = node.op.zeros(node)
    fields: Fields = {
        "x_offset": node.op.offset - zero_x,
        "y_offset": node.op.offset - zero_y,
        "scale": int(scale),
        "right": int(right),
        "zero": zero,
        **_output(node),
    }
    name = "tinyc_qlinear_mul"
    return Formula(name, HEADER, struct=name, fields=fields, wide=True)


def _sign(sign: str) -> Any:
    return lambda node: sign


provide(QLinearAdd, binary_kernel("qlinear_add_s8", DType.I8, _sign("+"), _add))
provide(QLinearMul, binary_kernel("qlinear_mul_s8", DType.I8, _sign("*"), _mul))
