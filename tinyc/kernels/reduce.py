"""How C computes MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import DType, Node, applies
from ..ops.reduce import (
    GREATEST,
    Mean,
    Reduce,
    ReduceAll,
    ReduceAny,
    ReduceMax,
    ReduceMin,
    ReduceProd,
    Sum,
)
from . import support
from .base import Binding, provide
from .conv import float_words, portable


def _loops(shape: tuple[int, ...], axes: tuple[int, ...], reduced: bool) -> list[dict[str, int]]:
    """``size`` and ``step`` (in elements) of each loop over the reduced or the other axes;
    neighbours become one, single steps none."""
    loops: list[dict[str, int]] = []
    step, last = math.prod(shape), False
    for axis, size in enumerate(shape):
        step //= size
        if size == 1:
            continue
        if (axis in axes) == reduced:
            if last:
                loops[-1] = {"size": loops[-1]["size"] * size, "step": step}
            else:
                loops.append({"size": size, "step": step})
        last = (axis in axes) == reduced
    return loops


_NAMES: dict[type[Reduce], str] = {
    Mean: "mean", Sum: "sum", ReduceMax: "reduce_max", ReduceMin: "reduce_min",
    ReduceProd: "reduce_prod", ReduceAny: "reduce_any", ReduceAll: "reduce_all",
}  # fmt: skip

_FOLDS: dict[type[Reduce], str] = {
    Mean: "acc += x;", Sum: "acc += x;",
    ReduceMax: "acc = x > acc ? x : acc;", ReduceMin: "acc = x < acc ? x : acc;",
    ReduceProd: "acc *= x;", ReduceAny: "acc = acc || x;", ReduceAll: "acc = acc && x;",
}  # fmt: skip
"""How C takes an element x into acc."""

_STARTS: dict[type[Reduce], float] = {
    Mean: 0.0, Sum: 0.0, ReduceMax: -GREATEST, ReduceMin: GREATEST, ReduceProd: 1.0,
    ReduceAny: 0, ReduceAll: 1,
}  # fmt: skip
"""What acc is before, unless of integers that have a zero point."""


def _bind(node: Node[Reduce]) -> Binding:
    op, x, out = node.op, node.inputs[0].type, node.output.type
    real, count = x.dtype is DType.F32, op.count(node)
    kept, reduced = (_loops(x.shape, op.axes, r) for r in (False, True))
    params: dict[str, Any] = {
        "caption": _NAMES[type(op)],
        "type": x.dtype.c,
        "sum": "float" if real else "int32_t",
        "start": _STARTS[type(op)],
        "fold": _FOLDS[type(op)],
        "kept": kept,
        "reduced": reduced,
        "count": count,
        "divisor": float(count) if real and isinstance(op, Mean) else None,
        "rescale": None,
    }
    if x.dtype in (DType.F32, DType.BOOL):
        return Binding(params)
    if isinstance(op, ReduceMax):
        return Binding({**params, "sum": x.dtype.c, "start": "from[0]"})
    if x.dtype in (DType.I32, DType.I64):  # wraps around
        return Binding({**params, "sum": f"u{x.dtype.c}", "start": 0})
    twice = op.unsigned or isinstance(op, Mean)
    multiplier, shift = op.multiplier(node)
    rescale, header = "tinyc_requant2" if twice else "tinyc_requant1", "tinyc_requant.h"
    if applies(node, Mean) and node.op.float_scaled:
        (multiplier,), (shift,) = float_words(np.array([node.op.float_scale(node)]))
        rescale, header = "tinyc_scaled", support.FLOAT_SCALE
    low, high = x.dtype.limits
    params |= {
        "start": -count * x.zero_point,
        "rescale": rescale,
        "multiplier": multiplier,
        "shift": shift,
        "zero_point": out.zero_point,
        "low": low,
        "high": high,
    }
    return Binding(params, support=("tinyc_requant.h", header))


_SUFFIXES = {DType.I8: "s8", DType.I16: "s16"}

for _op, _name in _NAMES.items():
    provide(
        _op,
        *tuple(
            portable(f"{_name}_{_SUFFIXES.get(d, d.value)}", d, _bind, "reduce.c.j2")
            for d in _op.types
        ),
    )
