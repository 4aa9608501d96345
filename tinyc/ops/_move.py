"""What operators share that move elements without computing: one description of the moves is
both their numpy reference and their C kernel.

An operator states its moves as pairs of numpy views. Run on data, they are the reference; run
on stand-ins, their strides give the loops of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np

from ..ir import Along, Array, DType, Node, Op, OpT, Order, Quant, TensorType, Value
from .base import CONVERT_AGAIN, REQUANTIZE, fail

MOST_RANK = 8


def same_kind(node: Node, a: TensorType, b: TensorType, names: str = "input and output") -> None:
    """Bytes may go from ``a`` to ``b`` unchanged: same dtype, same per-tensor quantization."""
    if a.dtype is not b.dtype:
        raise fail(node, f"{names} are {a.dtype.value} and {b.dtype.value}", CONVERT_AGAIN, "E303")
    if (a.quant or b.quant) and a.quant != b.quant:
        raise fail(node, f"{names} differ in scale or zero point", REQUANTIZE, "E304")
    if a.quant is not None and a.quant.per_channel:
        raise fail(node, f"{names} are quantized per channel", REQUANTIZE, "E304")


def expect_axis(node: Node, axis: int, rank: int) -> None:
    if not 0 <= axis < rank:
        raise fail(node, f"axis {axis} is out of range of rank {rank}", CONVERT_AGAIN, "E301")


# Other orders of the axes ------------------------------------------------------------------

Item = TypeVar("Item")


def stored(items: Sequence[Item], order: Order) -> tuple[Item, ...]:
    """What belongs to each axis of a tensor, for each of the one that it is stored as."""
    return tuple(items[order.index(a)] for a in range(len(order)))


def without(order: Order, axes: Sequence[int]) -> Order:
    """The order of a tensor that has lost ``axes``."""
    kept = [a for i, a in enumerate(order) if i not in axes]
    return tuple(sorted(kept).index(a) for a in kept)


def row_places(places: Array, size: int) -> Array | None:
    """Where in its row each element of a row of ``size`` is stored; None unless it is the same for
    all of them, each in its place. places: see `Op.absorbing`."""
    rows, columns = np.divmod(places.reshape(-1, size), size)
    if (rows != np.arange(len(rows))[:, None]).any() or (columns != columns[0]).any():
        return None
    return np.asarray(columns[0])


def taken(value: Value, axis: int, indices: Sequence[int]) -> Value:
    """The constant with only ``indices`` of ``axis``, its per-channel scales likewise."""
    data = np.ascontiguousarray(np.take(value.array, indices, axis))
    quant = value.type.quant
    if quant is not None and quant.per_channel and quant.axis == axis:
        quant = Quant(
            tuple(quant.scale[i] for i in indices),
            tuple(quant.zero_point[i] for i in indices),
            axis,
        )
    return replace(value, type=TensorType(data.shape, value.type.dtype, quant), data=data)


def renamed(shape: tuple[int, ...], axis: int, out: tuple[int, ...]) -> Along | None:
    """How the elements of ``shape``, taken for those of another one, go along one of its axes: in
    their place, if that has the axis too."""
    for at, size in enumerate(out):
        if size == shape[axis] and math.prod(out[:at]) == math.prod(shape[:axis]):
            return Along(at)
    return None


# Moves by strides -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Move:
    """Input number ``source`` seen as ``read`` goes to output number ``target`` seen as
    ``write``; both are views of one shape."""

    source: int
    read: Array
    target: int
    write: Array


class Movement(Op):
    """Base of operators whose outputs are views of their inputs, side by side."""

    keeps_quant = True

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterable[Move]:
        """The moves between arrays of the shapes of a node that fulfils ``check``; no two write
        to one place, so that their order does not matter."""
        raise AssertionError(f"{type(self).__name__} states no moves")

    def fill(self, node: Node[Self]) -> int | float | None:
        """What stands in the outputs where nothing is moved to; None if all is written."""
        return None

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        fill = self.fill(node)
        outputs = tuple(np.full(v.type.shape, fill or 0, v.type.dtype.numpy) for v in node.outputs)
        for move in self.moves(inputs, outputs):
            move.write[...] = move.read
        return outputs


# Moves by tables --------------------------------------------------------------------------


class Lookup(Op):
    """Base of operators of one input in which each index of the output's axis names an index
    of the same axis of the input (mirror padding, nearest neighbours, constant gathers)."""

    keeps_quant = True

    def tables(self, node: Node[Self]) -> list[Array]:
        """For each axis of the output the index into the input's axis."""
        raise AssertionError(f"{type(self).__name__} states no tables")

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        x, out = node.inputs[0].type.shape, node.output.type.shape
        plain = np.array_equal(self.tables(node)[axis], np.arange(x[axis]))
        return Along(axis) if plain and len(x) == len(out) else None

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        picked = inputs[0][np.ix_(*self.tables(node))] if inputs[0].ndim else inputs[0]
        return (np.ascontiguousarray(picked).reshape(node.output.type.shape),)


# Cases ------------------------------------------------------------------------------------


def plain_type(shape: Sequence[int], dtype: DType) -> TensorType:
    """A type for a case; int8, uint8 and int16 with a quantization."""
    quant = {
        DType.I8: Quant((0.25,), (-7,)),
        DType.U8: Quant((0.5,), (130,)),
        DType.I16: Quant((0.125,), (0,)),
    }.get(dtype)
    return TensorType(tuple(shape), dtype, quant)


def case(
    op: OpT, dtype: DType, inputs: Sequence[Sequence[int]], *outputs: Sequence[int]
) -> Node[OpT]:
    """A node of ``op`` between new values of ``dtype`` and the given shapes."""

    def values(name: str, shapes: Sequence[Sequence[int]]) -> tuple[Value, ...]:
        return tuple(
            Value(f"{name}{i}", plain_type(s, dtype), "case") for i, s in enumerate(shapes)
        )

    return Node(op, values("x", inputs), values("y", outputs), "case")


def every_dtype() -> Iterator[DType]:
    """Element types of each size, for cases."""
    yield from (DType.I8, DType.F32, DType.I16, DType.I64, DType.BOOL)
