"""How C computes LEAKY_RELU."""

from __future__ import annotations

from typing import Any

from ..ir import Node
from ..ir.quant import quantize_multiplier
from ..ops.leaky_relu import LeakyRelu
from .base import provide
from .unary import f32_kernel, s16_kernel, table_kernel


def _params_s16(node: Node) -> dict[str, Any]:
    assert isinstance(node.op, LeakyRelu)
    above, below = map(quantize_multiplier, node.op._ratios(node))
    return {"above": above, "below": below}


provide(
    LeakyRelu,
    table_kernel("leaky_relu_s8"),
    s16_kernel("leaky_relu_s16", _params_s16),
    f32_kernel("leaky_relu_f32", lambda node: {"alpha": node.op.alpha}),
)
