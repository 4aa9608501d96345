"""What the rules of move share."""

from __future__ import annotations

from ....ir import Value
from ....ops.base import CONVERT_AGAIN
from ..rule import TfliteOp


def wrap_axis(src: TfliteOp, axis: int, rank: int) -> int:
    """``axis``, counted from the end if negative, as an index under ``rank``; raises E301."""
    if not -rank <= axis < rank:
        raise src.fail(f"axis {axis} is out of range of rank {rank}", CONVERT_AGAIN, "E301")
    return axis % rank


def constant_number(src: TfliteOp, value: Value, name: str) -> int:
    """The one integer of a constant operand, called ``name`` where it is not; raises E301, E305."""
    numbers = src.constant_ints(value)
    if len(numbers) != 1:
        raise src.fail(f"its {name} is no single number", CONVERT_AGAIN, "E301")
    return numbers[0]


def constant_axis(src: TfliteOp, value: Value, rank: int) -> int:
    """An axis that is a constant operand, as an index under ``rank``; raises E301, E305."""
    return wrap_axis(src, constant_number(src, value, "axis"), rank)
