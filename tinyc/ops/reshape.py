"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Along, Array, DType, Node, Op, Order
from ._move import case, renamed, same_kind
from .base import CONVERT_AGAIN, expect_arity, fail, register


@register
@dataclass(frozen=True)
class Reshape(Op):
    """Input and output of any dtype and shape, with equal element count and quantization."""

    view = True
    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        if x.elements != out.elements:
            raise fail(
                node, f"{list(x.shape)} and {list(out.shape)} differ in size", CONVERT_AGAIN, "E301"
            )

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        # What becomes of one axis, or of several that are stored side by side, is told by their
        # sizes alone; axes of size 1 stand anywhere.
        x, out = node.inputs[0].type.shape, node.output.type.shape
        ranks = {a: i for i, a in enumerate(a for a in sorted(order) if x[order.index(a)] != 1)}
        at: list[tuple[int, int]] = []  # of each axis of the output: its group's place, its own
        for axes, made in _groups(x, out):
            places = [ranks[order[a]] for a in axes]
            if places and places != list(range(places[0], places[0] + len(places))):
                return None
            at += [(places[0], a) for a in made]
        return self, _placed(out, at)

    def suited(self, node: Node[Self], order: Order) -> Order | None:
        # The axes of a group side by side, where the first of them is.
        x, out = node.inputs[0].type.shape, node.output.type.shape
        groups = [axes for axes, _ in _groups(x, out)]
        groups += [[a] for a, size in enumerate(x) if size == 1]
        groups.sort(key=lambda axes: min(order[a] for a in axes))
        stored = [a for axes in groups for a in axes]
        return tuple(stored.index(a) for a in range(len(x)))

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        return renamed(node.inputs[0].type.shape, axis, node.output.type.shape)

    def channelwise(self, node: Node[Self]) -> bool:
        x, out = node.inputs[0].type.shape, node.output.type.shape
        return bool(x and out) and out[-1] % x[-1] == 0

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].reshape(node.output.type.shape),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield case(cls(), DType.I8, [(2, 3, 5)], (5, 6))
        yield case(cls(), DType.F32, [(1, 1)], ())


def _groups(x: tuple[int, ...], out: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The smallest runs of axes longer than 1 of ``x`` and ``out`` that have as many elements."""
    left = [a for a, d in enumerate(x) if d != 1]
    right = [a for a, d in enumerate(out) if d != 1]
    while left:
        axes, made = [left.pop(0)], [right.pop(0)]
        while (size := math.prod(x[a] for a in axes)) != (other := math.prod(out[a] for a in made)):
            if size < other:
                axes.append(left.pop(0))
            else:
                made.append(right.pop(0))
        yield axes, made


def _placed(shape: tuple[int, ...], at: list[tuple[int, int]]) -> Order:
    """The order of a tensor of ``shape`` whose axes longer than 1 are stored as ``at`` rises, each
    one of size 1 behind the axis before it."""
    axes = [axis for _, axis in sorted(at)]
    for axis in (a for a, size in enumerate(shape) if size == 1):
        axes.insert(axes.index(axis - 1) + 1 if axis else 0, axis)
    return tuple(axes.index(axis) for axis in range(len(shape)))
