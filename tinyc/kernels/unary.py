"""What kernels of unary share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Array, DType, Node, OpT
from ..ops._unary import BYTES
from .base import Binding, Constant, Kernel
from .conv import portable
from .formula import Formula


def table(node: Node) -> Array:
    """The outputs of a node with an 8-bit input for each byte 0 .. 255, read as that input; what
    else it reads are constants of one element."""
    source, target = node.inputs[0], node.output
    data = np.arange(256, dtype=np.uint8).view(source.type.dtype.numpy)
    whole = Node(
        node.op,
        (replace(source, type=replace(source.type, shape=(256,))), *node.inputs[1:]),
        (replace(target, type=replace(target.type, shape=(256,))),),
        node.origin,
    )
    rest = (v.data.reshape(()) for v in node.inputs[1:] if v.data is not None)
    answers: tuple[Array, ...] = node.op.evaluate(whole, data, *rest)
    return answers[0]


def unary_params(node: Node, formula: Formula | None = None) -> dict[str, Any]:
    """What ``unary.c.j2`` needs, and what extends it, which may do without a formula."""
    x, out = node.inputs[0].type, node.output.type
    return {
        "caption": type(node.op).__name__,
        "in_type": x.dtype.c,
        "out_type": out.dtype.c,
        "count": x.elements,
        **(formula or Formula()).params(),
    }


def unary_inplace(node: Node) -> int | None:
    """0 if the output may lie over the input: of the same type, or of bytes, which in C may
    stand for any type."""
    x, out = node.inputs[0].type, node.output.type
    return 0 if out.dtype is x.dtype or out.dtype in BYTES else None


def _bind_table(node: Node) -> Binding:
    note = f"{type(node.op).__name__.lower()} of each byte, from 0 to 127, then -128 to -1"
    if node.inputs[0].type.dtype is DType.U8:
        note = f"{type(node.op).__name__.lower()} of each byte"
    return Binding(
        params=unary_params(node),
        constants=(Constant("table", table(node), note),),
        inplace=unary_inplace(node),
    )


def table_kernel(name: str, allowed: tuple[DType, ...] = (DType.I8,)) -> Kernel:
    """The kernel of a node with an 8-bit input: one look-up for each element."""

    def reject(node: Node) -> str | None:
        return None if node.inputs[0].type.dtype in allowed else "its input has no 8 bits"

    return Kernel(name, "lut_s8.c.j2", frozenset(), reject, _bind_table)


def bind_unary(node: Node, formula: Formula) -> Binding:
    """A loop over all elements around ``formula``."""
    return Binding(
        unary_params(node, formula), formula.tables, 0, formula.support, unary_inplace(node)
    )


def unary_kernel(name: str, dtype: DType, formula: Callable[[Node[OpT]], Formula]) -> Kernel[OpT]:
    """The kernel of nodes whose first input is of ``dtype``."""
    return portable(name, dtype, lambda node: bind_unary(node, formula(node)), "unary.c.j2")
