"""How C computes ADD, ADD_N, SUB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Array, DType, Node, TensorType
from ..ir.quant import activation_range, multiply_double_rounding, quantize_multiplier
from ..ops.add import LEFT_SHIFT, Add, Sub, add_reals, pot_shifts
from .base import Binding, Kernel, provide, provide_tvm
from .binary import binary_kernel, bind_binary, caption, clamped_f32, looped
from .formula import Fields, Formula, output_fields, scale_fields
from .tvm import tvm
from .tvm.elementwise import Element, saturated
from .tvm.elementwise import binary_kernel as tir_kernel

HEADER = "tinyc_add.h"
MOST_ADDENDS = 256
"""Elements of a constant that is kept in the four bytes of an addend each."""
BYTES = np.arange(-128, 128)
QUADS_BITS = 20
"""Of the sums of `tinyc_add_quads_s8_dsp`, those below an output."""
FRACTION = 8
"""Bits of its products below those of the sums."""
LINEAR_BITS = range(24, 17, -1)
"""The same as `QUADS_BITS` of `tinyc_add_linear_s8`, the best first."""


def _fields(node: Node[Add]) -> Fields:
    left, right, total = add_reals(node)
    return {
        "left": scale_fields(left, node.inputs[0].type.zero_point),
        "right": scale_fields(right, node.inputs[1].type.zero_point),
        "sum": scale_fields(total),
        "output": output_fields(node, node.op.activation),
        **_subtract(node),
    }


def _subtract(node: Node[Add]) -> dict[str, int]:
    return {"subtract": 1} if isinstance(node.op, Sub) else {}


def _whole(function: str, header: str, fields: Fields) -> Formula:
    return Formula(function, header, struct="tinyc_add", fields=fields, wide=True)


def _bind_s8(node: Node[Add], suffix: str = "") -> Binding:
    """Constants of a few elements are brought to the common scale here."""
    fields, inputs = dict(_fields(node)), list(node.inputs)
    reals = add_reals(node)
    for i, name in enumerate(("left", "right")):
        value = node.inputs[i]
        if value.data is None or not 1 < value.data.size <= MOST_ADDENDS:
            continue
        up = (value.data.astype(np.int64) - value.type.zero_point) << LEFT_SHIFT
        addends = multiply_double_rounding(up, *quantize_multiplier(reals[i])).astype(np.int32)
        inputs[i] = replace(value, type=TensorType(value.type.shape, DType.I32), data=addends)
        fields[name] = {"shift": 1}
    formula = _whole(f"tinyc_add_s8{suffix}", f"tinyc_add{suffix}.h", fields)
    return bind_binary(replace(node, inputs=tuple(inputs)), caption(node, _sign(node)), formula)


def _bind_s8_dsp(node: Node[Add]) -> Binding:
    return _bind_s8(node, "_dsp")


def _linear(node: Node[Add], bits: int, fraction: int) -> Fields | None:
    """A ``struct tinyc_add_linear`` with which all pairs of bytes come to what `Add` makes of them,
    None if there is none: sums that are rounded once stand for those that are three times where
    none of 2^16 comes between the two. bits: of the sums, below an output; fraction: of a product,
    below those."""
    left, right = (v.type.scale / node.output.type.scale for v in node.inputs)
    pair = [_addends(node, i) for i in (0, 1)]
    if isinstance(node.op, Sub):
        right, pair[1] = -right, -pair[1]
    factors = [round(real * 2.0 ** (bits + fraction)) for real in (left, right)]
    if max(map(abs, factors)) >= 1 << 31:
        return None
    x, y = (factor * BYTES >> fraction for factor in factors)
    sums = x[:, None] + y
    scaled = multiply_double_rounding(
        pair[0][:, None] + pair[1], *quantize_multiplier(add_reals(node)[2])
    )
    z = np.clip(scaled.astype(np.int64) + node.output.type.zero_point, -128, 127)
    least = ((z << bits) - sums)[z > -128].max(initial=-(1 << 31))
    most = (((z + 1) << bits) - 1 - sums)[z < 127].min(initial=(1 << 31) - 1)
    bias = int(least + most) // 2
    if least > most or np.maximum(abs(x), abs(bias + x)).max() + abs(y).max() >= 1 << 31:
        return None
    low, high = activation_range(node.op.activation, node.output.type)
    return {"left": factors[0], "right": factors[1], "bias": bias, "low": low, "high": high}


def _addends(node: Node[Add], i: int) -> Array:
    """All bytes of an operand, at the common scale."""
    up = (BYTES - node.inputs[i].type.zero_point) << LEFT_SHIFT
    return multiply_double_rounding(up, *quantize_multiplier(add_reals(node)[i])).astype(np.int64)


def _quads(node: Node[Add]) -> Formula | None:
    fields = _linear(node, QUADS_BITS, FRACTION)
    if fields is None:
        return None
    return Formula(
        "tinyc_add_quads_s8_dsp", "tinyc_add_dsp.h", struct="tinyc_add_linear", fields=fields
    )


def _lines(node: Node[Add]) -> Formula | None:
    for bits in LINEAR_BITS:
        fields = _linear(node, bits, 0)
        if fields is not None:
            return Formula(
                "tinyc_add_linear_s8", HEADER, numbers=(bits,), struct="tinyc_add_linear",
                fields=fields, wide=True,
            )  # fmt: skip
    return None


def _linear_kernel(
    name: str, template: str, requires: str, formula: Callable[[Node[Add]], Formula | None]
) -> Kernel[Add]:
    """A kernel of a sum of two products of tensors of one shape."""

    def reject(node: Node[Add]) -> str | None:
        if node.inputs[0].type.dtype is not DType.I8:
            return "not int8"
        if len(node.variable_inputs) < 2 or len({v.type.shape for v in node.inputs}) > 1:
            return "not of two tensors of one shape"
        return "no sum of two products rounds as it does" if formula(node) is None else None

    def bind(node: Node[Add]) -> Binding:
        found = formula(node)
        assert found is not None
        return bind_binary(node, caption(node, _sign(node)), found)

    return Kernel(name, template, frozenset(requires.split()), reject, bind)


def _s16(node: Node[Add]) -> Formula:
    if not node.op.pot:
        return _whole("tinyc_add_s16", HEADER, _fields(node))
    left, right = pot_shifts(node)
    output = output_fields(node, node.op.activation)
    fields: Fields = {"left": left, "right": right, "output": output, **_subtract(node)}
    return Formula("tinyc_add_s16_pot", HEADER, struct="tinyc_add_pot", fields=fields, wide=True)


def _s32(node: Node[Add]) -> Formula:
    name = "sub" if isinstance(node.op, Sub) else "add"
    return Formula(f"tinyc_{name}_s32", "tinyc_arithmetic_s32.h")


def _sign(node: Node[Add]) -> str:
    return "-" if isinstance(node.op, Sub) else "+"


provide(
    Add,
    _linear_kernel("add_s8_quads", "add_quads.c.j2", "dsp", _quads),
    replace(looped("add_s8_dsp", DType.I8, _bind_s8_dsp), requires=frozenset({"dsp"})),
    _linear_kernel("add_s8_linear", "binary.c.j2", "", _lines),
    looped("add_s8", DType.I8, _bind_s8),
    binary_kernel("add_s16", DType.I16, _sign, _s16),
    binary_kernel("add_i32", DType.I32, _sign, _s32),
    clamped_f32("add_f32", _sign),
)


def _element(node: Node[Add], dsp: bool = False) -> Element:
    minus, call = isinstance(node.op, Sub), tvm().tirx.call_pure_extern
    reals = add_reals(node)

    def scaled(x: Any, real: float) -> Any:
        name = "tinyc_requant2_small_dsp" if dsp else "tinyc_requant2_small"
        return call("int32", name, x, *quantize_multiplier(real))

    def operand(x: Any, zero: int, real: float) -> Any:
        # Half of a number shifted up is exact: that operand needs no product.
        if real == 0.5:
            return (x - zero) * (1 << LEFT_SHIFT - 1)
        return scaled((x - zero) * (1 << LEFT_SHIFT), real)

    def element(x: Any, y: Any) -> Any:
        x = operand(x, node.inputs[0].type.zero_point, reals[0])
        y = operand(y, node.inputs[1].type.zero_point, reals[1])
        return saturated(node, scaled(x - y if minus else x + y, reals[2]))

    return element


provide_tvm(
    Add,
    tir_kernel("add_s8_tvm_dsp", _sign, lambda node: _element(node, True), frozenset({"dsp"})),
    tir_kernel("add_s8_tvm", _sign, _element),
)
