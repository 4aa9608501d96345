"""What kernels of unary share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import DType, Node
from ..ir.quant import activation_range
from ..ops._unary import BYTES
from .base import Binding, Constant, Kernel
from .conv import portable


def table(node: Node) -> np.ndarray:
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
    (out,) = node.op.evaluate(whole, data, *rest)
    return out


def unary_params(node: Node) -> dict[str, Any]:
    """What templates that extend ``unary.c.j2`` need."""
    x, out = node.inputs[0].type, node.output.type
    return {
        "caption": type(node.op).__name__,
        "in_type": x.dtype.c,
        "out_type": out.dtype.c,
        "count": x.elements,
    }


def output_params(node: Node, activation: str = "none") -> dict[str, int]:
    """Bounds of a quantized output less its zero point, which is added after the clamp: before
    it, the sum could leave int32."""
    out = node.output.type
    low, high = activation_range(activation, out)
    return {
        "low": low - out.zero_point,
        "high": high - out.zero_point,
        "zero_point": out.zero_point,
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


def f32_kernel(
    name: str,
    params: Callable[[Node], dict[str, Any]],
    support: tuple[str, ...] = (),
    template: str | None = None,
) -> Kernel:
    """The kernel of a float32 node, whose template extends ``unary.c.j2``."""

    def bind(node: Node) -> Binding:
        return Binding(params={**unary_params(node), **params(node)}, support=support, inplace=0)

    return portable(name, DType.F32, bind, template)


def s16_kernel(
    name: str,
    params: Callable[[Node], dict[str, Any]],
    support: tuple[str, ...] = ("tinyc_requant.h",),
    constants: tuple[Constant, ...] = (),
) -> Kernel:
    """The kernel of an int16 node, whose template extends ``unary.c.j2``."""

    def bind(node: Node) -> Binding:
        return Binding({**unary_params(node), **params(node)}, constants, 0, support, inplace=0)

    return portable(name, DType.I16, bind)
