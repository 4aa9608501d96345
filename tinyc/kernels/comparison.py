"""How C computes EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from ..ir.quant import quantize_multiplier
from ..ops.comparison import Comparison, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption


def _bind(node: Node) -> Binding:
    assert isinstance(node.op, Comparison)
    params: dict[str, Any] = {"caption": caption(node, node.op.sign), "sign": node.op.sign}
    if node.inputs[0].type.dtype is not DType.I8:
        return bind_binary(node, params, support=())
    for name, value in zip(("left", "right"), node.inputs, strict=True):
        multiplier, shift = quantize_multiplier(value.type.scale)
        params[name] = {
            "offset": -value.type.zero_point, "multiplier": multiplier, "shift": shift,
        }  # fmt: skip
    return bind_binary(node, params)


for _op, _name in {
    Equal: "equal",
    NotEqual: "not_equal",
    Less: "less",
    LessEqual: "less_equal",
    Greater: "greater",
    GreaterEqual: "greater_equal",
}.items():
    provide(
        _op,
        *tuple(
            binary_kernel(
                f"{_name}_{'s8' if dtype is DType.I8 else dtype.value}",
                dtype,
                _bind,
                "comparison_s8.c.j2" if dtype is DType.I8 else "comparison.c.j2",
            )
            for dtype in _op.allowed
        ),
    )
