"""What operators of broadcast operands share: the rule, the loops, and their cases."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..ir import DType, Node, OpT, TensorType, Value
from ._conv import random_type
from .base import (
    CONVERT_AGAIN,
    LARGEST_SCALE,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    fail,
)

NUMBERS = (DType.I8, DType.I16, DType.F32)
"""Element types of operators that TFLite has in 8 and in 16 bits."""
WHOLE = (DType.I8, DType.F32, DType.I32)
"""Operands' types of an operator that computes with integers for themselves too."""
ARITHMETIC = (*NUMBERS, DType.I32)
"""Operands' types of sums and products; int32 numbers stand for themselves and wrap around."""


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
    node: Node,
    allowed: tuple[DType, ...] = (DType.I8, DType.F32),
    out: DType | None = None,
    largest: float = LARGEST_SCALE,
    second: DType | None = None,
) -> None:
    """Both operands are of one dtype of ``allowed``, or the second one of ``second``, the output of
    the first one's or of ``out``, its shape is theirs broadcast, and int8 and int16 tensors are
    quantized per tensor, by ``largest`` at most."""
    check_broadcast(node, 2)
    a, b = (v.type for v in node.inputs)
    expect_dtype(node, a, allowed, "the first operand")
    expect_dtype(node, b, (second or a.dtype,), "the second operand")
    expect_dtype(node, node.output.type, (out or a.dtype,), "output")
    named = ((a, "the first operand"), (b, "the second operand"), (node.output.type, "output"))
    for t, name in named:
        if t.dtype in (DType.I8, DType.I16):
            expect_quant(node, t, name, largest=largest)


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
    op: OpT,
    dtypes: tuple[DType, ...] = (DType.I8, DType.F32),
    one_quant: bool = False,
    least: float = 1e-5,
    out: DType | None = None,
) -> Iterator[Node[OpT]]:
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
