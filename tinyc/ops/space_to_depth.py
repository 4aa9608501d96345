"""SPACE_TO_DEPTH, DEPTH_TO_SPACE: blocks of pixels as channels, and the reverse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node, Value
from ._move import Move, Movement, case, every_dtype, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


def _check(node: Node, space: Value, depth: Value, block: int) -> None:
    """``depth`` is ``space`` [n, h, w, c] in blocks of ``block`` x ``block`` pixels."""
    expect_arity(node, 1)
    shape = space.type.shape
    if len(shape) != 4 or block < 1 or shape[1] % block or shape[2] % block:
        raise fail(node, f"{list(shape)} is not made of blocks of {block}", CONVERT_AGAIN, "E301")
    n, h, w, c = shape
    expect_shape(node, depth.type, (n, h // block, w // block, c * block * block), "a tensor")
    same_kind(node, space.type, depth.type)


def _blocks(space: Array, depth: Array, block: int) -> tuple[Array, Array]:
    """Both as [n, h / block, w / block, y in block, x in block, c]."""
    n, h, w, c = space.shape
    split = space.reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
    return split, depth.reshape(split.shape)


@register
@dataclass(frozen=True)
class SpaceToDepth(Movement):
    """Input [n, h, w, c] of any dtype; output [n, h / block, w / block, block * block * c]."""

    block: int

    def check(self, node: Node[Self]) -> None:
        _check(node, node.inputs[0], node.output, self.block)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        space, depth = _blocks(inputs[0], outputs[0], self.block)
        yield Move(0, space, 0, depth)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(2), dtype, [(1, 4, 6, 3)], (1, 2, 3, 12))
            yield case(cls(3), dtype, [(2, 3, 6, 1)], (2, 1, 2, 9))


@register
@dataclass(frozen=True)
class DepthToSpace(Movement):
    """Input [n, h, w, block * block * c] of any dtype; output [n, h * block, w * block, c]."""

    block: int

    def check(self, node: Node[Self]) -> None:
        _check(node, node.output, node.inputs[0], self.block)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        space, depth = _blocks(outputs[0], inputs[0], self.block)
        yield Move(0, depth, 0, space)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(2), dtype, [(1, 2, 3, 12)], (1, 4, 6, 3))
            yield case(cls(3), dtype, [(2, 1, 2, 9)], (2, 3, 6, 1))
