"""MAXIMUM and MINIMUM of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ._binary import NUMBERS, binary_cases, check_binary
from .base import fail, register

_TYPES = (*NUMBERS, DType.I32, DType.I64)


@register
@dataclass(frozen=True)
class Maximum(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8 or all int16, of one
    quantization, or all float32, int32 or int64."""

    elementwise = True
    keeps_quant = True
    greater: ClassVar[bool] = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node, _TYPES)
        types = [v.type for v in (*node.inputs, node.output)]
        if len({(t.quant.scale, t.quant.zero_point) for t in types if t.quant}) > 1:
            raise fail(
                node,
                "its operands and output differ in scale or zero point",
                "quantize the model with the TFLite converter, which gives them one",
                "E304",
            )

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        return (np.where(x > y if self.greater else x < y, x, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls(), _TYPES, one_quant=True)


@register
@dataclass(frozen=True)
class Minimum(Maximum):
    """The lesser of x and y; otherwise as `Maximum`."""

    greater = False
