"""How C computes FAKE_QUANT."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.fake_quant import FakeQuant
from .base import provide
from .formula import Formula
from .unary import table_kernel, unary_kernel


def _f32(node: Node[FakeQuant]) -> Formula:
    op = node.op
    numbers = (float(op.low), float(op.high), float(op.step), op.inverse)
    return Formula("tinyc_fake_quant_f32", "tinyc_quantize.h", numbers=numbers)


provide(
    FakeQuant,
    table_kernel("fake_quant_s8"),
    unary_kernel("fake_quant_f32", DType.F32, _f32),
)
