"""TRANSPOSE: the axes in another order; SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import Node, Value
from ..op import expect_arity, expect_shape, fail, register
from ._move import Move, Movement, case, every_dtype, move_kernel, same_kind, wrap_axis
from .pad import Pad
from .reshape import Reshape
from .slice import Slice


@register
@dataclass(frozen=True)
class Transpose(Movement):
    """Input of any dtype and rank; axis i of the output is axis ``axes[i]`` of the input."""

    axes: tuple[int, ...]

    tflite = ("TRANSPOSE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        if src.name == "SPACE_TO_BATCH_ND":
            return _space_to_batch(src)
        if src.name == "BATCH_TO_SPACE_ND":
            return _batch_to_space(src)
        x, operand = src.operands(2)
        rank = len(x.type.shape)
        axes = tuple(wrap_axis(src, a, rank) for a in src.constant_ints(operand))
        return [src.node(cls(axes), [x])]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x = node.inputs[0].type
        if sorted(self.axes) != list(range(len(x.shape))):
            raise fail(node, f"{list(self.axes)} is no order of its axes", CONVERT_AGAIN, "E301")
        same_kind(node, x, node.output.type)
        expect_shape(node, node.output.type, tuple(x.shape[a] for a in self.axes), "output")

    def moves(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Iterator[Move]:
        yield Move(0, inputs[0].transpose(self.axes), 0, outputs[0])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in every_dtype():
            yield case(cls((1, 0)), dtype, [(3, 5)], (5, 3))
            yield case(cls((0, 2, 3, 1)), dtype, [(1, 3, 2, 7)], (1, 2, 7, 3))
            yield case(cls((2, 0, 1)), dtype, [(2, 3, 4)], (4, 2, 3))
            yield case(cls((1, 0, 2)), dtype, [(2, 3, 4)], (3, 2, 4))
            yield case(cls((0,)), dtype, [(4,)], (4,))


def _blocks(src: TfliteOp) -> tuple[Value, tuple[int, ...], list[tuple[int, int]]]:
    """The operand, the block's sizes and the (before, after) of each dimension that they are of:
    all between the batch and the last. Raises CompileError E301."""
    x, block_value, edge_value = src.operands(3)
    block, flat = src.constant_ints(block_value), src.constant_ints(edge_value)
    fits = 0 < len(block) < len(x.type.shape) and len(flat) == 2 * len(block)
    if not fits or min(block) < 1 or min(flat) < 0:
        raise src.fail("its blocks and edges do not fit its input", CONVERT_AGAIN, "E301")
    return x, block, list(zip(flat[::2], flat[1::2], strict=True))


def _between(src: TfliteOp, suffix: str, x: Value, shape: tuple[int, ...]) -> Value:
    """A value of another shape on the way from ``x`` to the operator's output."""
    out = src.outputs[0]
    return replace(out, name=f"{out.name}/{suffix}", type=replace(x.type, shape=shape))


def _space_to_batch(src: TfliteOp) -> list[Node]:
    """Padded with zeros, cut into blocks, of which each place becomes a batch."""
    x, block, edges = _blocks(src)
    n, *rest = x.type.shape
    sizes, inner = rest[: len(block)], rest[len(block) :]
    padded = [d + sum(edge) for d, edge in zip(sizes, edges, strict=True)]
    if any(d % b for d, b in zip(padded, block, strict=True)):
        raise src.fail(f"{padded} is not made of blocks of {list(block)}", CONVERT_AGAIN, "E301")
    grid = [d // b for d, b in zip(padded, block, strict=True)]
    split = [k for pair in zip(grid, block, strict=True) for k in pair]
    count = len(block)
    axes = (
        *range(2, 2 * count + 1, 2), 0, *range(1, 2 * count, 2),
        *range(2 * count + 1, 2 * count + 1 + len(inner)),
    )  # fmt: skip
    nodes = []
    if any(map(any, edges)):
        paddings = ((0, 0), *edges, *((0, 0) for _ in inner))
        full = _between(src, "padded", x, (n, *padded, *inner))
        nodes.append(Node(Pad(paddings, x.type.zero_point), (x,), (full,), src.origin))
        x = full
    apart = _between(src, "split", x, (n, *split, *inner))
    turned = _between(src, "turned", x, tuple(apart.type.shape[a] for a in axes))
    return [
        *nodes,
        Node(Reshape(), (x,), (apart,), src.origin),
        Node(Transpose(axes), (apart,), (turned,), src.origin),
        src.node(Reshape(), [turned]),
    ]


def _batch_to_space(src: TfliteOp) -> list[Node]:
    """The reverse: batches as places in blocks, and the edges cut off."""
    x, block, edges = _blocks(src)
    n, *rest = x.type.shape
    grid, inner = rest[: len(block)], rest[len(block) :]
    count, places = len(block), math.prod(block)
    if n % places:
        raise src.fail(f"{n} batches are no blocks of {list(block)}", CONVERT_AGAIN, "E301")
    whole = [d * b for d, b in zip(grid, block, strict=True)]
    axes = (
        count, *(a for i in range(count) for a in (count + 1 + i, i)),
        *range(2 * count + 1, 2 * count + 1 + len(inner)),
    )  # fmt: skip
    apart = _between(src, "split", x, (*block, n // places, *grid, *inner))
    turned = _between(src, "turned", x, tuple(apart.type.shape[a] for a in axes))
    nodes = [
        Node(Reshape(), (x,), (apart,), src.origin),
        Node(Transpose(axes), (apart,), (turned,), src.origin),
    ]
    if not any(map(any, edges)):
        return [*nodes, src.node(Reshape(), [turned])]
    full = _between(src, "whole", x, (n // places, *whole, *inner))
    begin = (0, *(before for before, _ in edges), *(0 for _ in inner))
    kept = tuple(d - sum(edge) for d, edge in zip(whole, edges, strict=True))
    cut = Slice(begin, (1,) * len(begin), (n // places, *kept, *inner))
    return [*nodes, Node(Reshape(), (turned,), (full,), src.origin), src.node(cut, [full])]


Transpose.kernels = (move_kernel("transpose"),)
