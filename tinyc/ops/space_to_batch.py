"""SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND: every n-th element of spatial axes as a batch of its own,
and the reverse. TensorFlow writes a dilated convolution as one of these on either side of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, TensorType
from ._move import Move, Movement, case, every_dtype, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register

Pairs = tuple[tuple[int, int], ...]


def _check(
    node: Node, space: TensorType, batch: TensorType, block: tuple[int, ...], pairs: Pairs
) -> None:
    """``batch`` is ``space``, after (or before) its spatial axes changed by ``pairs``."""
    expect_arity(node, 1)
    count = len(block)
    if not count == len(pairs) < len(space.shape) or min(block, default=1) < 1:
        raise fail(node, f"its block {list(block)} does not fit the rank", CONVERT_AGAIN, "E301")
    whole = [d + sum(p) for d, p in zip(space.shape[1 : 1 + count], pairs, strict=True)]
    if any(d % b for d, b in zip(whole, block, strict=True)) or min(map(min, pairs), default=0) < 0:
        raise fail(node, f"{whole} is not made of blocks of {list(block)}", CONVERT_AGAIN, "E301")
    parts = (d // b for d, b in zip(whole, block, strict=True))
    shape = (space.shape[0] * math.prod(block), *parts, *space.shape[1 + count :])
    expect_shape(node, batch, shape, "a tensor")
    same_kind(node, space, batch)


def _moves(
    space: Array, batch: Array, block: tuple[int, ...], pairs: Pairs
) -> Iterator[tuple[Array, Array]]:
    """For each place in the block the elements of ``space`` and of ``batch`` that are the same:
    padded row y of the image stands in row y / block of the batch y % block."""
    count, n = len(block), space.shape[0]
    split = batch.reshape(*block, n, *batch.shape[1:])
    for place in np.ndindex(*block):
        inside, outside = [slice(None)], [slice(None)]
        for at, size, (before, _), extent in zip(
            place, block, pairs, space.shape[1 : 1 + count], strict=True
        ):
            first = -(-max(before - at, 0) // size)  # the first row that lies in the image
            start = first * size + at - before
            rows = max(-(-(extent - start) // size), 0)
            inside.append(slice(start, None, size) if rows else slice(0, 0))
            outside.append(slice(first, first + rows))
        read, write = space[tuple(inside)], split[place][tuple(outside)]
        if read.size:
            yield read, write


@register
@dataclass(frozen=True)
class SpaceToBatch(Movement):
    """Input [n, *spatial, ...] of any dtype, padded with its zero point by ``paddings`` (before,
    after) of each spatial axis; output [n * product of block, *spatial / block, ...]."""

    block: tuple[int, ...]
    paddings: Pairs

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        _check(node, node.inputs[0].type, node.output.type, self.block, self.paddings)

    def fill(self, node: Node[Self]) -> int | None:
        return node.inputs[0].type.zero_point if any(map(any, self.paddings)) else None

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        for read, write in _moves(inputs[0], outputs[0], self.block, self.paddings):
            yield Move(0, read, 0, write)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls((2, 3), ((0, 0), (0, 0))), dtype, [(1, 4, 6, 3)], (6, 2, 2, 3))
            yield case(cls((2, 2), ((1, 0), (2, 1))), dtype, [(2, 3, 5, 2)], (8, 2, 4, 2))
        yield case(cls((3,), ((2, 3),)), DType.I8, [(1, 4, 5)], (3, 3, 5))
        yield case(cls((4,), ((5, 0),)), DType.I8, [(1, 3, 1)], (4, 2, 1))


@register
@dataclass(frozen=True)
class BatchToSpace(Movement):
    """Input [n * product of block, *spatial, ...] of any dtype; output [n, *spatial * block, ...]
    less ``crops`` (before, after) of each spatial axis."""

    block: tuple[int, ...]
    crops: Pairs

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        _check(node, node.output.type, node.inputs[0].type, self.block, self.crops)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        for write, read in _moves(outputs[0], inputs[0], self.block, self.crops):
            yield Move(0, read, 0, write)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls((2, 3), ((0, 0), (0, 0))), dtype, [(6, 2, 2, 3)], (1, 4, 6, 3))
            yield case(cls((2, 2), ((1, 0), (2, 1))), dtype, [(8, 2, 4, 2)], (2, 3, 5, 2))
        yield case(cls((3,), ((2, 3),)), DType.I8, [(3, 3, 5)], (1, 4, 5))
