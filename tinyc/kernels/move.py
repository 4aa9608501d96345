"""What kernels of move share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..ir import Array, DType, Node
from ..ops._move import Lookup, Movement
from .base import Binding, Constant, Kernel


def _strides(array: Array, view: Array) -> tuple[int, list[int]]:
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


def _bind_moves(node: Node[Movement]) -> Binding:
    inputs = [np.empty(v.type.shape, np.int8) for v in node.inputs]
    outputs = [np.empty(v.type.shape, np.int8) for v in node.outputs]
    variable = node.variable_inputs
    constants: dict[int, Constant] = {}
    nests: list[tuple[list[int], list[dict[str, Any]]]] = []
    out_names = ["out"] if len(outputs) == 1 else [f"out{i}" for i in range(len(outputs))]
    in_names = ["in"] if len(variable) == 1 else [f"in{i}" for i in range(len(variable))]
    for move in node.op.moves(inputs, outputs):
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
        counts = [n for n, _, _ in loops]
        if not nests or nests[-1][0] != counts:
            nests.append((counts, []))
        nests[-1][1].append(
            {
                "to": out_names[move.target],
                "write": _index(write_at, [w for _, _, w in loops]),
                "from": name,
                "constant": constant,
                "read": _index(read_at, [r for _, r, _ in loops]),
                "block": block,
                "bytes": block * value.type.dtype.size,
            }
        )
    fill = node.op.fill(node)
    out = node.outputs[0].type
    return Binding(
        params={
            "caption": caption(node),
            "arguments": [
                *(f"const {v.type.dtype.c} *{n}" for v, n in zip(variable, in_names, strict=True)),
                *(f"{v.type.dtype.c} *{n}" for v, n in zip(node.outputs, out_names, strict=True)),
            ],
            "nests": nests,
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


def bind_operands(node: Node, *names: str) -> tuple[dict[str, Any], tuple[Constant, ...]]:
    """Parameters and constants of a kernel whose operands, called ``names``, are variable or
    constant, or one twice. arguments: C's, of the variable ones; names: what each operand is
    called, as an argument or as a constant."""
    called = dict(reversed([*zip(node.inputs, names, strict=True)]))
    params = {
        "arguments": [f"const {v.type.dtype.c} *{called[v]}" for v in node.variable_inputs],
        "names": [called[v] for v in node.inputs],
    }
    constants = tuple(
        Constant(called[v], v.data, f"operand, {v.type}")
        for v in dict.fromkeys(node.inputs)
        if v.data is not None
    )
    return params, constants


def move_kernel(name: str) -> Kernel[Movement]:
    """The kernel of a `Movement`, of any element type."""
    return Kernel(name, "move.c.j2", frozenset(), lambda node: None, _bind_moves)


def _bind_lookup(node: Node[Lookup]) -> Binding:
    x = node.inputs[0].type
    tables = node.op.tables(node)
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


def lookup_kernel(name: str) -> Kernel[Lookup]:
    """The kernel of a `Lookup`, of any element type."""
    return Kernel(name, "lookup.c.j2", frozenset(), lambda node: None, _bind_lookup)
