"""POW: x to the power of y."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Op, register
from ._binary import binary_cases, binary_kernel, bind_binary, caption, check_binary

TYPES = (DType.F32, DType.I32)


@register
@dataclass(frozen=True)
class Pow(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all float32 or all int32, which
    keeps its low bits. An integer's exponent below 0, which TFLite refuses, is as 0."""

    tflite = ("POW",)
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(2))]

    def check(self, node: Node) -> None:
        check_binary(node, TYPES)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, y = inputs
        with np.errstate(all="ignore"):
            if x.dtype == np.float32:  # in double, since float32's differs among libraries
                return (np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32),)
            return (np.asarray(np.power(x, np.maximum(y, 0)), np.int32),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from binary_cases(rng, cls(), TYPES)


def _bind(node: Node) -> Binding:
    real = node.output.type.dtype is DType.F32
    support = ("tinyc_math.h",) if real else ()
    return bind_binary(node, {"caption": caption(node, "^")}, support)


Pow.kernels = (
    binary_kernel("pow_f32", DType.F32, _bind),
    binary_kernel("pow_i32", DType.I32, _bind),
)
