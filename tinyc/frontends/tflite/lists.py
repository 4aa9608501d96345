"""TensorFlow's lists of tensors, which its converter leaves in recurrent layers: what they hold is
known when a graph is lifted, and they leave no node until they are stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...ir import DType, Node, TensorType, Value
from ...ops.base import CONVERT_AGAIN
from ...ops.pack import Pack
from .rule import TfliteOp
from .source import MAX_OPERATORS

HANDLE = TensorType((), DType.I32)
"""The type of a value that stands for a list, which no node reads."""
LISTS = (
    "CUSTOM FlexTensorListReserve", "CUSTOM FlexTensorListSetItem", "CUSTOM FlexTensorListStack",
)  # fmt: skip
"""Operators that are resolved here and have no rule of their own."""


class Lists:
    """What each list holds, by the value that stands for it; None where nothing was put yet."""

    def __init__(self) -> None:
        self._held: dict[Value, tuple[Value | None, ...]] = {}

    def resolve(self, src: TfliteOp, output: Value) -> tuple[Value, list[Node]]:
        """The value of the output of one of `LISTS`, and the nodes that give it. output: what the
        file says of it. Raises CompileError E302, or E305 where a size or a place depends on the
        model's input."""
        if src.name.endswith("Reserve"):
            _, count = src.operands(2)
            return output, self._keep(output, (None,) * self._number(src, count, MAX_OPERATORS))
        held = self._held.get(src.inputs[0]) if src.inputs and src.inputs[0] else None
        if held is None:
            raise src.fail("reads no list of tensors", CONVERT_AGAIN)
        if src.name.endswith("SetItem"):
            _, place, item = src.operands(3)
            at = self._number(src, place, len(held) - 1)
            return output, self._keep(output, (*held[:at], item, *held[at + 1 :]))
        return self._stacked(src, output, held)

    def _keep(self, handle: Value, items: tuple[Value | None, ...]) -> list[Node]:
        self._held[handle] = items
        return []

    def _stacked(
        self, src: TfliteOp, output: Value, held: Sequence[Value | None]
    ) -> tuple[Value, list[Node]]:
        known = [item for item in held if item is not None]
        if not known or any(item.type != known[0].type for item in known):
            raise src.fail("stacks a list that holds nothing, or tensors of several types")
        kind = known[0].type
        zeros = src.const("zeros", np.zeros(kind.shape, kind.dtype.numpy))
        whole = TensorType((len(held), *kind.shape), kind.dtype, kind.quant)
        value = replace(output, type=whole)
        items = tuple(zeros if item is None else item for item in held)
        return value, [Node(Pack(0), items, (value,), src.origin)]

    @staticmethod
    def _number(src: TfliteOp, value: Value, most: int) -> int:
        (number,) = src.constant_ints(value)
        if not 0 <= number <= most:
            raise src.fail(f"has the size or place {number}, of at most {most}", CONVERT_AGAIN)
        return number
