"""How C computes PRELU."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.prelu import Prelu, multipliers
from .base import provide
from .binary import binary_kernel
from .formula import Fields, Formula, output_fields


def _s8(node: Node[Prelu]) -> Formula:
    x, slope = (v.type for v in node.inputs)
    above, below = multipliers(node)
    fields: Fields = {
        "above": {"offset": -x.zero_point, "multiplier": above[0], "shift": above[1]},
        "below": {"offset": -slope.zero_point, "multiplier": below[0], "shift": below[1]},
        "output": output_fields(node),
    }
    header = "tinyc_rectify.h"
    return Formula("tinyc_prelu_s8", header, struct="tinyc_prelu", fields=fields, wide=True)


def _f32(node: Node) -> Formula:
    return Formula("tinyc_prelu_f32", "tinyc_arithmetic_f32.h")


def _sign(node: Node) -> str:
    return "(prelu)"


provide(
    Prelu,
    binary_kernel("prelu_s8", DType.I8, _sign, _s8),
    binary_kernel("prelu_f32", DType.F32, _sign, _f32),
)
