"""How C computes MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL."""

from __future__ import annotations

import math
from typing import Any

from ..ir import DType, Node
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
from .base import Binding, provide
from .conv import offset_params, portable


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


def _bind(node: Node) -> Binding:
    op: Any = node.op
    x = node.inputs[0].type
    kept, reduced = (_loops(x.shape, op.axes, r) for r in (False, True))
    count = op.count(node)
    params: dict[str, Any] = {
        "operation": _NAMES[type(op)],
        "step": _step(op),
        "kept": kept,
        "reduced": reduced,
        "count": count,
        "unsigned": op.unsigned,
        "body": "    " * (len(kept) + 1),
        "inner": "    " * (len(kept) + len(reduced) + 2),
    }
    if x.dtype is DType.BOOL:
        return Binding({**params, "start": "0" if op.sign == "||" else "1"})
    if x.dtype is DType.F32:
        return Binding({**params, "start": {ReduceMax: -GREATEST, ReduceMin: GREATEST}.get(
            type(op), float(isinstance(op, ReduceProd)))})  # fmt: skip
    multiplier, shift = op.multiplier(node)
    params |= {
        "start": "from[0]" if isinstance(op, ReduceMax) else -count * x.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        "ctype": x.dtype.c,
        **offset_params(node.output.type, *x.dtype.limits),
    }
    return Binding(params, support=("tinyc_requant.h",))


_NAMES: dict[type[Reduce], str] = {
    Mean: "mean", Sum: "sum", ReduceMax: "reduce_max", ReduceMin: "reduce_min",
    ReduceProd: "reduce_prod", ReduceAny: "reduce_any", ReduceAll: "reduce_all",
}  # fmt: skip


def _step(op: Reduce) -> str:
    """The C statement that takes x into acc."""
    if isinstance(op, ReduceMax):
        return f"acc = x {op.sign} acc ? x : acc;"
    if isinstance(op, ReduceAny):
        return f"acc = acc {op.sign} x;"
    return "acc *= x;" if isinstance(op, ReduceProd) else "acc += x;"


_FORMS = {
    DType.I8: ("s8", "reduce_s8"), DType.I16: ("s16", "reduce_s8"),
    DType.F32: ("f32", "reduce_f32"), DType.BOOL: ("bool", "reduce_bool"),
}  # fmt: skip
"""The ending of a kernel's name, and its template."""

for _op, _name in _NAMES.items():
    provide(
        _op,
        *tuple(
            portable(f"{_name}_{_FORMS[d][0]}", d, _bind, f"{_FORMS[d][1]}.c.j2") for d in _op.types
        ),
    )
