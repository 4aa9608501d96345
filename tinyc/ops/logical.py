"""LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT of bool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ._binary import binary_cases, check_binary
from ._unary import check_unary, integer_cases
from .base import register


@register
@dataclass(frozen=True)
class LogicalAnd(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all bool."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node, (DType.BOOL,))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        combine = np.logical_or if isinstance(self, LogicalOr) else np.logical_and
        return (combine(*inputs),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls(), (DType.BOOL,))


@register
@dataclass(frozen=True)
class LogicalOr(LogicalAnd):
    """As `LogicalAnd`."""


@register
@dataclass(frozen=True)
class LogicalNot(Op):
    """Input and output of one shape, bool."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_unary(node, (DType.BOOL,))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        return (np.logical_not(inputs[0]),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from integer_cases(cls(), (DType.BOOL,))
