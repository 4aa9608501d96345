"""What operators of two broadcast operands share: the rule, the loops, and their cases."""

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

Loop = tuple[int, tuple[int, ...]]
"""(count, step of each operand in elements)."""


def check_binary(node: Node, allowed: tuple[DType, ...] = (DType.I8, DType.F32)) -> None:
    """Both operands and the output are of one dtype of ``allowed``, the output's shape is theirs
    broadcast, and int8 and int16 tensors are quantized per tensor."""
    expect_arity(node, 2)
    a, b = (v.type for v in node.inputs)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise fail(
            node, f"operands {list(a.shape)} and {list(b.shape)} do not broadcast", CONVERT_AGAIN
        ) from None
    out = node.output.type
    expect_dtype(node, a, allowed, "the first operand")
    expect_dtype(node, b, (a.dtype,), "the second operand")
    expect_dtype(node, out, (a.dtype,), "output")
    expect_shape(node, out, shape, "output")
    if a.dtype in (DType.I8, DType.I16):
        for t, name in ((a, "the first operand"), (b, "the second operand"), (out, "output")):
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
    """Bind a template that extends ``binary.c.j2``.

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
            elements.append(("", float(number) if out.dtype is DType.F32 else f"({int(number)})"))
        else:
            suffix = "xy"[i]
            constants.append(Constant(suffix, value.data, f"{('left', 'right')[i]} operand"))
            elements.append((suffix, f"[{_index(nest, i)}]"))
    whole = [i for i, v in enumerate(variables) if v.type.shape == out.shape]
    return Binding(
        params={
            "pointers": pointers,
            "ctype": out.dtype.c,
            "counts": [count for count, _ in nest],
            "elements": elements,
            **params,
        },
        constants=tuple(constants),
        support=support,
        inplace=whole[0] if whole else None,
    )


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
) -> Iterator[Node]:
    """`SHAPES` with variable operands, with either one constant, and a value with itself.
    one_quant: operands and output share one quantization."""
    for dtype in dtypes:
        for kind, (a, b) in [
            *(("variables", s) for s in SHAPES),
            *(("left", s) for s in SHAPES[2:5]),
            *(("right", s) for s in (SHAPES[1], SHAPES[3], ((3, 4), ()))),
            ("twice", ((3, 5), (3, 5))),
        ]:
            shape = np.broadcast_shapes(a, b)
            quant = random_type(rng, dtype, ()).quant
            scales = (0.0, 0.0, float(rng.choice([0.0, 0.0, 1e-5, 9.0])))  # 0: a random one
            types = [
                random_type(rng, dtype, s, v) for s, v in zip((a, b, shape), scales, strict=True)
            ]
            if one_quant:
                types = [TensorType(t.shape, t.dtype, quant) for t in types]
            x = _operand(rng, "x", types[0], kind == "left")
            y = x if kind == "twice" else _operand(rng, "y", types[1], kind == "right")
            yield Node(op, (x, y), (Value("z", types[2], "case"),), "case")


def _operand(rng: np.random.Generator, name: str, t: TensorType, constant: bool) -> Value:
    if not constant:
        return Value(name, t, "case")
    if t.dtype is DType.F32:
        data = np.asarray(rng.normal(0, 2, t.shape), np.float32)
    else:
        data = np.asarray(rng.integers(*t.dtype.limits, t.shape, endpoint=True), t.dtype.numpy)
    return Value(name, t, "case", data)
