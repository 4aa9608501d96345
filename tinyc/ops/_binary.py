"""What operators of broadcast operands share: the rule, the loops, and their cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN
from ..ir import DType, Node, TensorType, Value
from ..op import (
    Binding,
    Constant,
    Kernel,
    Op,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    fail,
)
from ._conv import random_type

NUMBERS = (DType.I8, DType.I16, DType.F32)
"""Element types of operators that TFLite has in 8 and in 16 bits."""
WHOLE = (DType.I8, DType.F32, DType.I32)
"""Operands' types of an operator that computes with integers for themselves too."""

Loop = tuple[int, tuple[int, ...]]
"""(count, step of each operand in elements)."""


def check_broadcast(node: Node, operands: int) -> None:
    """``operands`` inputs, whose shapes broadcast to the output's."""
    expect_arity(node, operands)
    shapes = [v.type.shape for v in node.inputs]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        named = " and ".join(str(list(s)) for s in shapes)
        raise fail(node, f"operands {named} do not broadcast", CONVERT_AGAIN) from None
    expect_shape(node, node.output.type, shape, "output")


def check_binary(
    node: Node, allowed: tuple[DType, ...] = (DType.I8, DType.F32), out: DType | None = None
) -> None:
    """Both operands are of one dtype of ``allowed``, the output of that or of ``out``, its shape
    is theirs broadcast, and int8 and int16 tensors are quantized per tensor."""
    check_broadcast(node, 2)
    a, b = (v.type for v in node.inputs)
    expect_dtype(node, a, allowed, "the first operand")
    expect_dtype(node, b, (a.dtype,), "the second operand")
    expect_dtype(node, node.output.type, (out or a.dtype,), "output")
    named = ((a, "the first operand"), (b, "the second operand"), (node.output.type, "output"))
    for t, name in named:
        if t.dtype in (DType.I8, DType.I16):
            expect_quant(node, t, name)


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


def bind_binary(
    node: Node, params: dict[str, Any], support: tuple[str, ...] = ("tinyc_requant.h",)
) -> Binding:
    """Bind a template that extends ``binary.c.j2``, for two operands or three.

    Beside ``params`` the template gets ``elements``, for each operand (suffix of its constant
    array or "", text to follow): a number if it is a constant of one element, else an access.
    """
    out = node.output.type
    nest = loops(out.shape, tuple(v.type.shape for v in node.inputs))
    variables = node.variable_inputs
    pointers = ["in"] if len(variables) == 1 else [f"in{i}" for i in range(len(variables))]
    constants, elements = [], []
    for i, value in enumerate(node.inputs):
        if value.data is None:
            elements.append(("", f"{pointers[variables.index(value)]}[{_index(nest, i)}]"))
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
            "pointers": [
                {"name": name, "ctype": value.type.dtype.c}
                for name, value in zip(pointers, variables, strict=True)
            ],
            "ctype": node.inputs[-1].type.dtype.c,
            "out_type": out.dtype.c,
            "counts": [count for count, _ in nest],
            "elements": elements,
            **params,
        },
        constants=tuple(constants),
        support=support,
        inplace=_inplace(out, variables),
    )


def _literal(number: int) -> str:
    """An integer of up to 32 bits in C, whose least has no literal of its own type."""
    return "INT32_MIN" if number == -(1 << 31) else f"({number})"


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
    name: str, dtype: DType, bind: Callable[[Node], Binding], template: str = ""
) -> Kernel:
    """A kernel of plain C for nodes of ``dtype`` with at least one operand that varies."""

    def reject(node: Node) -> str | None:
        if not node.variable_inputs:
            return "both operands are constant"
        return None if node.inputs[0].type.dtype is dtype else f"not {dtype.value}"

    return Kernel(name, template or f"{name}.c.j2", frozenset(), reject, bind)


SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 1), (1, 1)),
    ((2, 3, 5), (2, 3, 5)),
    ((1, 7, 3, 6), (6,)),
    ((2, 1, 4, 1), (3, 1, 5)),
    ((3,), (2, 5, 3)),
    ((1, 5, 2, 3), (1, 5, 1, 3)),
    ((), (4, 3)),
)
"""Operands of cases: equal, one broadcast, both broadcast against each other, a scalar."""


def binary_cases(
    rng: np.random.Generator,
    op: Op,
    dtypes: tuple[DType, ...] = (DType.I8, DType.F32),
    one_quant: bool = False,
    least: float = 1e-5,
    out: DType | None = None,
) -> Iterator[Node]:
    """`SHAPES` with variable operands, with either one constant, and a value with itself.
    one_quant: operands and output share one quantization; least: the smallest scale of an output,
    which makes it saturate; out: its type, if that is another than the operands'."""
    for dtype in dtypes:
        for kind, (a, b) in [
            *(("variables", s) for s in SHAPES),
            *(("left", s) for s in SHAPES[2:5]),
            *(("right", s) for s in (SHAPES[1], SHAPES[3], ((3, 4), ()))),
            ("twice", ((3, 5), (3, 5))),
        ]:
            shape = np.broadcast_shapes(a, b)
            quant = random_type(rng, dtype, ()).quant
            scales = (0.0, 0.0, float(rng.choice([0.0, 0.0, least, 9.0])))  # 0: a random one
            kinds = (dtype, dtype, out or dtype)
            types = [
                random_type(rng, d, s, v)
                for d, s, v in zip(kinds, (a, b, shape), scales, strict=True)
            ]
            if one_quant:
                types = [TensorType(t.shape, t.dtype, quant) for t in types]
            x = operand(rng, "x", types[0], kind == "left")
            y = x if kind == "twice" else operand(rng, "y", types[1], kind == "right")
            yield Node(op, (x, y), (Value("z", types[2], "case"),), "case")


def operand(rng: np.random.Generator, name: str, t: TensorType, constant: bool) -> Value:
    """A value of a case, with random data if it is ``constant``."""
    if not constant:
        return Value(name, t, "case")
    if t.dtype is DType.F32:
        data = np.asarray(rng.normal(0, 2, t.shape), np.float32)
    elif t.dtype is DType.BOOL:
        data = np.asarray(rng.integers(0, 2, t.shape), np.bool_)
    else:
        data = np.asarray(rng.integers(*t.dtype.limits, t.shape, endpoint=True), t.dtype.numpy)
    return Value(name, t, "case", data)
