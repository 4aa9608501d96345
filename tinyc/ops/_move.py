"""What operators share that move elements without computing: one description of the moves is
both their numpy reference and their C kernel.

An operator states its moves as pairs of numpy views. Run on data, they are the reference; run
on stand-ins, their strides give the loops of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node, Quant, TensorType, Value
from ..op import REQUANTIZE, Binding, Constant, Kernel, Op, fail

MOST_RANK = 8


def same_kind(node: Node, a: TensorType, b: TensorType, names: str = "input and output") -> None:
    """Bytes may go from ``a`` to ``b`` unchanged: same dtype, same per-tensor quantization."""
    if a.dtype is not b.dtype:
        raise fail(node, f"{names} are {a.dtype.value} and {b.dtype.value}", CONVERT_AGAIN, "E303")
    if (a.quant or b.quant) and a.quant != b.quant:
        raise fail(node, f"{names} differ in scale or zero point", REQUANTIZE, "E304")
    if a.quant is not None and a.quant.per_channel:
        raise fail(node, f"{names} are quantized per channel", REQUANTIZE, "E304")


def wrap_axis(src: TfliteOp, axis: int, rank: int) -> int:
    """``axis``, counted from the end if negative, as an index under ``rank``; raises E301."""
    if not -rank <= axis < rank:
        raise src.fail(f"axis {axis} is out of range of rank {rank}", CONVERT_AGAIN, "E301")
    return axis % rank


def expect_axis(node: Node, axis: int, rank: int) -> None:
    if not 0 <= axis < rank:
        raise fail(node, f"axis {axis} is out of range of rank {rank}", CONVERT_AGAIN, "E301")


# Moves by strides -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Move:
    """Input number ``source`` seen as ``read`` goes to output number ``target`` seen as
    ``write``; both are views of one shape."""

    source: int
    read: np.ndarray
    target: int
    write: np.ndarray


class Movement(Op):
    """Base of operators whose outputs are views of their inputs, side by side."""

    keeps_quant = True

    def moves(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Iterable[Move]:
        """The moves between arrays of the shapes of a node that fulfils ``check``."""
        raise AssertionError(f"{type(self).__name__} states no moves")

    def fill(self, node: Node) -> int | float | None:
        """What stands in the outputs where nothing is moved to; None if all is written."""
        return None

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        fill = self.fill(node)
        outputs = tuple(np.full(v.type.shape, fill or 0, v.type.dtype.numpy) for v in node.outputs)
        for move in self.moves(inputs, outputs):
            move.write[...] = move.read
        return outputs


def _strides(array: np.ndarray, view: np.ndarray) -> tuple[int, list[int]]:
    """Where ``view`` starts in ``array`` of one-byte elements, and its strides."""
    start = view.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    return start, list(view.strides)


def _loops(shape: Sequence[int], read: list[int], write: list[int]) -> list[tuple[int, int, int]]:
    """(count, read stride, write stride) of each loop, neighbours joined where they can be."""
    loops: list[tuple[int, int, int]] = []
    for count, r, w in zip(shape, read, write, strict=True):
        if count == 1:
            continue
        if loops and loops[-1][1:] == (count * r, count * w):
            loops[-1] = (loops[-1][0] * count, r, w)
        else:
            loops.append((count, r, w))
    return loops


def _index(start: int, strides: Iterable[int]) -> str:
    """The C expression of an offset from i0, i1...; empty if it is always 0."""
    text = str(start) if start else ""
    for i, stride in enumerate(strides):
        if stride:
            sign = "- " if stride < 0 else "+ " if text else ""
            factor = f" * {abs(stride)}" if abs(stride) != 1 else ""
            text += f"{' ' if text else ''}{sign}i{i}{factor}"
    return text


def _bind_moves(node: Node) -> Binding:
    op: Any = node.op
    assert isinstance(op, Movement)
    inputs = [np.empty(v.type.shape, np.int8) for v in node.inputs]
    outputs = [np.empty(v.type.shape, np.int8) for v in node.outputs]
    variable = node.variable_inputs
    constants: dict[int, Constant] = {}
    copies = []
    out_names = ["out"] if len(outputs) == 1 else [f"out{i}" for i in range(len(outputs))]
    in_names = ["in"] if len(variable) == 1 else [f"in{i}" for i in range(len(variable))]
    for move in op.moves(inputs, outputs):
        value = node.inputs[move.source]
        if value.data is None:
            name, constant = in_names[variable.index(value)], ""
        else:
            name, constant = "", f"operand{move.source}"
            constants[move.source] = Constant(constant, value.data, f"operand, {value.type}")
        read_at, read = _strides(inputs[move.source], move.read)
        write_at, write = _strides(outputs[move.target], move.write)
        loops = _loops(move.read.shape, read, write)
        block = loops.pop()[0] if loops and loops[-1][1:] == (1, 1) else 1
        copies.append(
            {
                "counts": [n for n, _, _ in loops],
                "to": out_names[move.target],
                "write": _index(write_at, [w for _, _, w in loops]),
                "from": name,
                "constant": constant,
                "read": _index(read_at, [r for _, r, _ in loops]),
                "block": block,
                "bytes": block * value.type.dtype.size,
            }
        )
    fill = op.fill(node)
    out = node.outputs[0].type
    return Binding(
        params={
            "caption": caption(node),
            "arguments": [
                *(f"const {v.type.dtype.c} *{n}" for v, n in zip(variable, in_names, strict=True)),
                *(f"{v.type.dtype.c} *{n}" for v, n in zip(node.outputs, out_names, strict=True)),
            ],
            "copies": copies,
            # C has no literal for the least int64.
            "fill": "INT64_MIN" if fill == -(1 << 63) else fill,
            "byte": out.dtype.size == 1,
            "real": out.dtype is DType.F32,
            "elements": out.elements,
        },
        constants=tuple(constants.values()),
    )


def caption(node: Node) -> str:
    """What the comment over a kernel says."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(node.op).__name__).strip()
    ins = ", ".join(str(v.type) for v in node.inputs)
    return f"{words}, {ins} to {', '.join(str(v.type) for v in node.outputs)}"


def move_kernel(name: str) -> Kernel:
    """The kernel of a `Movement`, of any element type."""
    return Kernel(name, "move.c.j2", frozenset(), lambda node: None, _bind_moves)


# Moves by tables --------------------------------------------------------------------------


class Lookup(Op):
    """Base of operators of one input in which each index of the output's axis names an index
    of the same axis of the input (mirror padding, nearest neighbours, constant gathers)."""

    keeps_quant = True

    def tables(self, node: Node) -> list[np.ndarray]:
        """For each axis of the output the index into the input's axis."""
        raise AssertionError(f"{type(self).__name__} states no tables")

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        picked = inputs[0][np.ix_(*self.tables(node))] if inputs[0].ndim else inputs[0]
        return (np.ascontiguousarray(picked).reshape(node.output.type.shape),)


def _bind_lookup(node: Node) -> Binding:
    op: Any = node.op
    assert isinstance(op, Lookup)
    x = node.inputs[0].type
    tables = op.tables(node)
    block = 1
    axes = list(range(len(tables)))
    while axes and np.array_equal(tables[axes[-1]], np.arange(x.shape[axes[-1]])):
        block *= x.shape[axes.pop()]
    loops, constants = [], []
    for axis in axes:
        table = tables[axis]
        if x.shape[axis] == 1 and len(table) == 1:
            continue
        plain = np.array_equal(table, np.arange(x.shape[axis]))
        if not plain:
            small = np.uint16 if x.shape[axis] <= 1 << 16 else np.int32
            constants.append(Constant(f"axis{axis}", table.astype(small), f"axis {axis}: from"))
        loops.append(
            {
                "axis": axis,
                "count": len(table),
                "stride": math.prod(x.shape[axis + 1 :]),
                "plain": plain,
            }
        )
    return Binding(
        params={
            "caption": caption(node),
            "ctype": x.dtype.c,
            "loops": loops,
            "block": block,
            "bytes": block * x.dtype.size,
        },
        constants=tuple(constants),
    )


def lookup_kernel(name: str) -> Kernel:
    """The kernel of a `Lookup`, of any element type."""
    return Kernel(name, "lookup.c.j2", frozenset(), lambda node: None, _bind_lookup)


# Cases ------------------------------------------------------------------------------------


def plain_type(shape: Sequence[int], dtype: DType) -> TensorType:
    """A type for a case; int8, uint8 and int16 with a quantization."""
    quant = {
        DType.I8: Quant((0.25,), (-7,)),
        DType.U8: Quant((0.5,), (130,)),
        DType.I16: Quant((0.125,), (0,)),
    }.get(dtype)
    return TensorType(tuple(shape), dtype, quant)


def case(op: Op, dtype: DType, inputs: Sequence[Sequence[int]], *outputs: Sequence[int]) -> Node:
    """A node of ``op`` between new values of ``dtype`` and the given shapes."""

    def values(name: str, shapes: Sequence[Sequence[int]]) -> tuple[Value, ...]:
        return tuple(
            Value(f"{name}{i}", plain_type(s, dtype), "case") for i, s in enumerate(shapes)
        )

    return Node(op, values("x", inputs), values("y", outputs), "case")


def every_dtype() -> Iterator[DType]:
    """Element types of each size, for cases."""
    yield from (DType.I8, DType.F32, DType.I16, DType.I64, DType.BOOL)
