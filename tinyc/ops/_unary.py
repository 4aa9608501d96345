"""What operators share that map each element on its own: the rule, the kernels, the cases.

An 8-bit input has 256 values, so its kernel is a table of the reference's answer to each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..ir import Array, DType, Node, OpT, Quant, TensorType, Value
from ..ir.quant import clamp
from ._conv import random_type
from .base import LARGEST_SCALE, expect_arity, expect_dtype, expect_quant, expect_shape, fail

BYTES = (DType.I8, DType.U8)
FRACTION = Quant((1 / 32768,), (0,))
"""The only int16 output of operators whose results lie in -1 .. 1."""


def check_unary(
    node: Node,
    allowed: tuple[DType, ...] = (DType.I8, DType.F32),
    fixed: Quant | None = None,
    largest: float = LARGEST_SCALE,
) -> None:
    """Input and output are of one shape and one dtype of ``allowed``; int8 and int16 are
    quantized per tensor, the input by ``largest`` at most, and if ``fixed`` is given, an int8
    output like that and an int16 one as `FRACTION`."""
    expect_arity(node, 1)
    x, out = node.inputs[0].type, node.output.type
    expect_dtype(node, x, allowed, "input")
    expect_dtype(node, out, (x.dtype,), "output")
    expect_shape(node, out, x.shape, "output")
    if x.dtype in (*BYTES, DType.I16):
        expect_quant(node, x, "input", largest=largest)
        expect_quant(node, out, "output")
        if fixed is None:
            return
        fixed = FRACTION if out.dtype is DType.I16 else fixed
        if (out.scale, out.zero_point) != (fixed.scale[0], fixed.zero_point[0]):
            raise fail(
                node,
                f"its output has scale {out.scale:.6g} and zero point {out.zero_point}",
                f"quantize the model with the TFLite converter, which gives {fixed.scale[0]:.6g} "
                f"and {fixed.zero_point[0]}",
                "E304",
            )


def float_curve(node: Node, x: Array, curve: Callable[[Array], Array]) -> Array:
    """``curve`` of the quantized ``x``, quantized as the output: each step in float32, halves away
    from zero (LUTPopulate of internal/common.h, which fills the tables of TFLite's reference and
    optimized kernels). curve: float32 in; what it gives in double is rounded to float32."""
    source, out = node.inputs[0].type, node.output.type
    real = np.float32(source.scale) * (x.astype(np.int32) - source.zero_point).astype(np.float32)
    scaled = curve(real).astype(np.float32) * (np.float32(1) / np.float32(out.scale))
    rounded = np.trunc(scaled.astype(np.float64) + np.copysign(0.5, scaled))
    return clamp(rounded + out.zero_point, *out.dtype.limits, out.dtype)


SHAPES: tuple[tuple[int, ...], ...] = ((1,), (2, 3, 5), (1, 300))


def unary_cases(
    rng: np.random.Generator,
    ops: Iterable[OpT],
    fixed: Quant | None = None,
    dtypes: tuple[DType, ...] = (DType.I8, DType.F32),
) -> Iterator[Node[OpT]]:
    """Nodes of each of ``ops``; ``fixed``: the int8 output's quantization, beside which an int16
    one has `FRACTION`."""
    for op in ops:
        for shape in SHAPES:
            for dtype in dtypes:
                x = random_type(rng, dtype, shape)
                y = random_type(rng, dtype, shape)
                if fixed is not None and dtype is not DType.F32:
                    y = replace(y, quant=FRACTION if dtype is DType.I16 else fixed)
                yield Node(op, (Value("x", x, "case"),), (Value("y", y, "case"),), "case")


def integer_cases(op: OpT, dtypes: Iterable[DType]) -> Iterator[Node[OpT]]:
    """Nodes of ``op`` on integers that stand for themselves."""
    for dtype in dtypes:
        for shape in SHAPES:
            x, y = (Value(name, TensorType(shape, dtype), "case") for name in "xy")
            yield Node(op, (x,), (y,), "case")
