"""LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT of bool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Op, register
from ._binary import binary_cases, binary_kernel, bind_binary, caption, check_binary
from ._conv import portable
from ._unary import check_unary, integer_cases, unary_params


@register
@dataclass(frozen=True)
class LogicalAnd(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all bool."""

    tflite = ("LOGICAL_AND",)
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(2))]

    def check(self, node: Node) -> None:
        check_binary(node, (DType.BOOL,))

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        combine = np.logical_or if isinstance(self, LogicalOr) else np.logical_and
        return (combine(*inputs),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from binary_cases(rng, cls(), (DType.BOOL,))


@register
@dataclass(frozen=True)
class LogicalOr(LogicalAnd):
    """As `LogicalAnd`."""

    tflite = ("LOGICAL_OR",)


@register
@dataclass(frozen=True)
class LogicalNot(Op):
    """Input and output of one shape, bool."""

    tflite = ("LOGICAL_NOT",)
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(1))]

    def check(self, node: Node) -> None:
        check_unary(node, (DType.BOOL,))

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.logical_not(inputs[0]),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from integer_cases(cls(), (DType.BOOL,))


def _bind(node: Node) -> Binding:
    sign = "||" if isinstance(node.op, LogicalOr) else "&&"
    return bind_binary(node, {"caption": caption(node, sign), "sign": sign}, support=())


def _bind_not(node: Node) -> Binding:
    return Binding(params={**unary_params(node), "code": "!x"}, inplace=0)


LogicalAnd.kernels = (binary_kernel("logical", DType.BOOL, _bind, "comparison.c.j2"),)
LogicalNot.kernels = (portable("logical_not", DType.BOOL, _bind_not, "expression.c.j2"),)
