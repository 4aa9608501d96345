"""What kernels of binary share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..ir import DType, Node, OpT, TensorType, Value
from ..ir.quant import float_activation_range
from ..ops._mixins import Activated
from .base import Binding, Constant, Kernel, only
from .formula import Formula, clamp_f32

ActivatedT = TypeVar("ActivatedT", bound=Activated)

Loop = tuple[int, tuple[int, ...]]
"""(count, step of each operand in elements)."""


def loops(shape: tuple[int, ...], operands: tuple[tuple[int, ...], ...]) -> list[Loop]:
    """The fewest nested loops that walk through ``shape`` in its order, operands broadcast.

    Neighbouring axes become one where every operand steps evenly through both; the last
    operand step is 0 or 1, since operands lie in C order.
    """
    views = [np.broadcast_to(np.empty(s, np.int8), shape) for s in operands]
    merged: list[Loop] = []
    for axis in reversed(range(len(shape))):
        count, steps = shape[axis], tuple(v.strides[axis] for v in views)
        if count == 1:
            continue
        if merged and steps == tuple(s * merged[0][0] for s in merged[0][1]):
            merged[0] = (count * merged[0][0], merged[0][1])
        else:
            merged.insert(0, (count, steps))
    return merged or [(1, (0,) * len(operands))]


def _index(nest: list[Loop], operand: int) -> str:
    """The C expression of an operand's element within the loops i0, i1, ..."""
    steps = [(f"i{k}", steps[operand]) for k, (_, steps) in enumerate(nest)]
    return " + ".join(n if s == 1 else f"{n} * {s}" for n, s in steps if s) or "0"


def bind_binary(node: Node, caption: str, formula: Formula, **params: Any) -> Binding:
    """Loops over two broadcast operands, or three, around ``formula``, or around what a template
    that extends ``binary.c.j2`` makes with ``params``.

    The template gets ``elements``, for each operand (suffix of its constant array or "", text to
    follow): a number if it is a constant of one element, else an access; and ``held``, the
    operands that do not change in the innermost loop, which reads them before: no compiler can
    tell that its outputs are not theirs.
    """
    out = node.output.type
    nest = loops(out.shape, tuple(v.type.shape for v in node.inputs))
    variables = node.variable_inputs
    pointers = ["in"] if len(variables) == 1 else [f"in{i}" for i in range(len(variables))]
    constants: list[Constant] = []
    elements: list[tuple[str, float | str]] = []
    held: list[dict[str, str]] = []
    for i, value in enumerate(node.inputs):
        if value.data is None:
            text = f"{pointers[variables.index(value)]}[{_index(nest, i)}]"
            if nest[-1][1][i] == 0 and nest[-1][0] > 1:
                held.append({"ctype": value.type.dtype.c, "name": f"held{i}", "text": text})
                text = f"held{i}"
            elements.append(("", text))
        elif value.data.size == 1:
            number = value.data.ravel()[0]
            real = value.type.dtype is DType.F32
            elements.append(("", float(number) if real else _literal(int(number))))
        else:
            suffix = "xyz"[i]
            data = value.data.astype(np.uint8) if value.type.dtype is DType.BOOL else value.data
            constants.append(Constant(suffix, data, f"{('first', 'second', 'third')[i]} operand"))
            elements.append((suffix, f"[{_index(nest, i)}]"))
    return Binding(
        params={
            "caption": caption,
            "pointers": [
                {"name": name, "ctype": value.type.dtype.c}
                for name, value in zip(pointers, variables, strict=True)
            ],
            "out_type": out.dtype.c,
            "counts": [count for count, _ in nest],
            "elements": elements,
            "held": held,
            **formula.params(),
            **params,
        },
        constants=(*constants, *formula.tables),
        support=formula.support,
        inplace=_inplace(out, variables),
    )


def _literal(number: int) -> str:
    """An integer of up to 32 bits in C, whose least has no literal of its own type."""
    return "INT32_MIN" if number == -(1 << 31) else str(number)


def _inplace(out: TensorType, variables: tuple[Value, ...]) -> int | None:
    """The first operand over which the output may lie: of its shape, and of its type, or the
    output is of bytes, which in C may stand for any type."""
    for i, value in enumerate(variables):
        if value.type.shape == out.shape and (value.type.dtype is out.dtype or out.dtype.size == 1):
            return i
    return None


def caption(node: Node, sign: str) -> str:
    """The operands' shapes around ``sign``, for the comment above the kernel."""
    a, b = ("x".join(map(str, v.type.shape)) or "scalar" for v in node.inputs)
    return f"{a} {sign} {b}"


def binary_kernel(
    name: str,
    dtype: DType,
    sign: Callable[[Node[OpT]], str],
    formula: Callable[[Node[OpT]], Formula],
) -> Kernel[OpT]:
    """A kernel of plain C for nodes of ``dtype``; ``sign`` stands between the operands in the
    comment above it."""
    return looped(
        name, dtype, lambda node: bind_binary(node, caption(node, sign(node)), formula(node))
    )


def looped(
    name: str, dtype: DType, bind: Callable[[Node[OpT]], Binding], template: str = "binary.c.j2"
) -> Kernel[OpT]:
    """A kernel of plain C for nodes of ``dtype`` with at least one operand that varies."""

    def reject(node: Node[OpT]) -> str | None:
        if not node.variable_inputs:
            return "both operands are constant"
        return only(dtype)(node)

    return Kernel(name, template, frozenset(), reject, bind)


def clamped_f32(name: str, sign: Callable[[Node[ActivatedT]], str]) -> Kernel[ActivatedT]:
    """The kernel of an operator of C between float32 numbers, with a fused activation."""

    def bind(node: Node[ActivatedT]) -> Binding:
        between = sign(node)
        formula = clamp_f32(*float_activation_range(node.op.activation))
        return bind_binary(node, caption(node, between), formula, sign=between)

    return looped(name, DType.F32, bind, "arithmetic_f32.c.j2")
