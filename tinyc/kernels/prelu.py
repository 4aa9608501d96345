"""How C computes PRELU."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.prelu import Prelu, multipliers
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption, looped
from .formula import Fields, Formula, output_fields


def _quantized(node: Node[Prelu]) -> Formula:
    x, slope = (v.type for v in node.inputs)
    above, below = multipliers(node)
    fields: Fields = {
        "above": {"offset": -x.zero_point, "multiplier": above[0], "shift": above[1]},
        "below": {"offset": -slope.zero_point, "multiplier": below[0], "shift": below[1]},
        "output": output_fields(node),
    }
    header = "tinyc_rectify.h"
    return Formula("tinyc_prelu", header, struct="tinyc_prelu", fields=fields, wide=True)


def _bind_f32(node: Node) -> Binding:
    return bind_binary(node, caption(node, _sign(node)), Formula())


def _sign(node: Node) -> str:
    return "(prelu)"


provide(
    Prelu,
    binary_kernel("prelu_s8", DType.I8, _sign, _quantized),
    binary_kernel("prelu_s16", DType.I16, _sign, _quantized),
    looped("prelu_f32", DType.F32, _bind_f32, "prelu_f32.c.j2"),
)
