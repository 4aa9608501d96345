"""Import PAD, PADV2."""

from __future__ import annotations

from ....ir import Node, Value
from ....ops.base import CONVERT_AGAIN, REQUANTIZE
from ....ops.pad import Pad
from ..rule import TfliteOp, rule


def import_paddings(src: TfliteOp, x: Value, operand: Value) -> tuple[tuple[int, int], ...]:
    """(before, after) of each axis from the operand [rank, 2]; raises E301."""
    flat = src.constant_ints(operand)
    if len(flat) != 2 * len(x.type.shape) or min(flat, default=0) < 0:
        raise src.fail(f"its paddings are {list(flat)}", CONVERT_AGAIN, "E301")
    return tuple(zip(flat[::2], flat[1::2], strict=True))


@rule(Pad, "PAD", "PADV2")
def pad(src: TfliteOp) -> list[Node]:
    x, operand, *rest = src.operands(3 if src.name == "PADV2" else 2)
    value: int | float = x.type.zero_point if x.type.quant else 0
    if rest:
        (scalar,) = rest
        if scalar.data is None or scalar.data.size != 1 or scalar.type.dtype != x.type.dtype:
            raise src.fail(
                "its value is no constant of the input's type",
                "pad with a constant number", "E305",
            )  # fmt: skip
        if scalar.type.quant not in (None, x.type.quant):
            raise src.fail("its value differs from the input in quantization", REQUANTIZE, "E304")
        value = scalar.data.ravel()[0].item()
    return [src.node(Pad(import_paddings(src, x, operand), value), [x])]
