"""The C function that computes an element of an output, around which templates print loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ir import Node
from ..ir.quant import activation_range, quantize_multiplier
from .base import Constant

Number = int | float
Fields = Mapping[str, Number | Mapping[str, Number]]


@dataclass(frozen=True, eq=False)
class Formula:
    """A C function of one element of each operand.

    function: its name, "" where C has an operator, which the template writes; header: the file of
    ``firmware/kernels/`` that has it; tables, numbers: what it takes after the elements, in this
    order; struct, fields: the type of the constant whose address it takes last, and that one's
    fields: numbers, or those of a struct in it; wide: whether it returns int32_t where the output
    has fewer bits.
    """

    function: str = ""
    header: str = ""
    tables: tuple[Constant, ...] = ()
    numbers: tuple[int | float, ...] = ()
    struct: str = ""
    fields: Fields = field(default_factory=dict)
    wide: bool = False

    @property
    def support(self) -> tuple[str, ...]:
        """As of `Binding`."""
        return (self.header,) if self.header else ()

    def params(self) -> dict[str, Any]:
        """What ``_element.c.j2`` needs."""
        return {
            "function": self.function,
            "tables": [table.suffix for table in self.tables],
            "numbers": list(self.numbers),
            "struct": self.struct,
            "fields": self.fields,
            "wide": self.wide,
        }


def clamp_f32(low: float, high: float) -> Formula:
    """A clamp of float32."""
    return Formula("tinyc_clamp_f32", "tinyc_clamp_f32.h", numbers=(low, high))


def scale_fields(real: float, zero_point: int | None = None) -> dict[str, int]:
    """A ``struct tinyc_scale``: a product with ``real``, of a number less its zero point."""
    offset = {} if zero_point is None else {"offset": -zero_point}
    multiplier, shift = quantize_multiplier(real)
    return {**offset, "multiplier": multiplier, "shift": shift}


def output_fields(node: Node, activation: str = "none") -> dict[str, int]:
    """A ``struct tinyc_output``: the bounds of a quantized output less its zero point, which is
    added after the clamp: before it, the sum could leave int32."""
    out = node.output.type
    low, high = activation_range(activation, out)
    zero = out.zero_point
    return {"low": low - zero, "high": high - zero, "zero_point": zero}
