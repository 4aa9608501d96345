"""ADD and SUB: x + y and x - y of broadcast operands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node, Value
from ..op import REQUANTIZE, Binding, Kernel, Op, fail, register
from ..quant import multiply_double_rounding, quantize_multiplier, rounding_divide_by_pot
from ..tir import tvm
from ._binary import NUMBERS, binary_cases, binary_kernel, bind_binary, caption, check_binary
from ._conv import clamp_output, clamp_params, expect_activation, random_type
from ._tir_elementwise import Element, saturated
from ._tir_elementwise import binary_kernel as tir_kernel
from ._unary import output_params

LEFT_SHIFT = 20
"""Bits by which int8 operands are shifted up, so that rescaling them loses nothing."""
LEFT_SHIFT_16 = 15
"""The same for int16 operands, which lose what 32 bits cannot hold."""


@register
@dataclass(frozen=True)
class Add(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, all int16 or all
    float32.

    pot: of int16, whether scales that are all powers of two make it a shift and a sum, as in
    TFLite files of 2020 and before.
    """

    activation: str
    pot: bool = False

    tflite = ("ADD", "ADD_N")
    elementwise = True
    sign: ClassVar[str] = "+"

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        if src.name == "ADD_N":
            return _sums(src, cls("none"))
        inputs = src.operands(2)
        return [src.node(cls(src.activation(), _shifts_alone(src, inputs)), inputs)]

    def check(self, node: Node) -> None:
        check_binary(node, NUMBERS)
        expect_activation(node)
        dtype = node.output.type.dtype
        if dtype is DType.F32:
            return
        if self.pot and not _pot_fits(node):
            raise fail(
                node, "its scales are powers of two, but not one operand's that of its output and "
                "the other's less by up to 15 bits", REQUANTIZE, "E304",
            )  # fmt: skip
        if not _reals(node)[2] < 1:
            raise fail(
                node, f"its operands' scales are over 2^{_left_shift(node) - 1} times its output's",
                "quantize the model again", "E304",
            )  # fmt: skip

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        combine = np.add if self.sign == "+" else np.subtract
        if inputs[0].dtype == np.float32:
            return (clamp_output(node, combine(*inputs)),)
        if self.pot:
            # Add of reference/add.h: a saturating sum of int16
            x, y = (
                rounding_divide_by_pot(array, shift)
                for array, shift in zip(inputs, _pot_shifts(node), strict=True)
            )
            return (clamp_output(node, combine(x, y)),)
        reals = _reals(node)
        # AddElementwise of reference_integer_ops/add.h and reference/add.h
        x, y = (
            multiply_double_rounding(
                (array.astype(np.int64) - value.type.zero_point) << _left_shift(node),
                *quantize_multiplier(real),
            )
            for array, value, real in zip(inputs, node.inputs, reals[:2], strict=True)
        )
        z = multiply_double_rounding(combine(x, y), *quantize_multiplier(reals[2]))
        return (clamp_output(node, z + node.output.type.zero_point),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from binary_cases(rng, cls("none"), NUMBERS)
        yield from binary_cases(rng, cls("relu6"), NUMBERS)
        for scales in ((2.0**-9, 2.0**-11, 2.0**-9), (2.0**-14, 2.0**-11, 2.0**-11)):
            names = zip("xyz", scales, strict=True)
            x, y, z = (Value(n, random_type(rng, DType.I16, (2, 7), s), "case") for n, s in names)
            yield Node(cls("relu6", pot=True), (x, y), (z,), "case")


def _sums(src: TfliteOp, op: Add) -> list[Node]:
    """ADD_N, which adds one operand after the other."""
    total, *rest = src.operands(2, max(2, len(src.inputs)))
    nodes = []
    for i, value in enumerate(rest, 1):
        out = src.outputs[0]
        if i < len(rest):
            out = replace(out, name=f"{out.name}/{i}")
        nodes.append(Node(op, (total, value), (out,), src.origin))
        total = out
    return nodes


@register
@dataclass(frozen=True)
class Sub(Add):
    """x - y; otherwise as `Add`."""

    tflite = ("SUB",)
    sign = "-"


def _reals(node: Node) -> tuple[float, float, float]:
    """Real multipliers of x, of y, and of their sum, at which the larger scale counts 1/2."""
    x, y, out = (v.type.scale for v in (*node.inputs, node.output))
    twice = 2 * max(x, y)
    return x / twice, y / twice, twice / ((1 << _left_shift(node)) * out)


def _left_shift(node: Node) -> int:
    return LEFT_SHIFT_16 if node.output.type.dtype is DType.I16 else LEFT_SHIFT


def _log2(scale: float) -> int | None:
    """The exponent of a scale that TFLite takes for a power of two (CheckedLog2)."""
    log = math.log2(scale)
    return round(log) if abs(log - round(log)) < 1e-3 else None


def _shifts_alone(src: TfliteOp, inputs: Sequence[Value]) -> bool:
    """Whether TFLite would take an int16 operator for `Add.pot` (Prepare of add.cc)."""
    types = [v.type for v in (*inputs, *src.outputs)]
    if any(t.dtype is not DType.I16 or t.quant is None or t.quant.per_channel for t in types):
        return False
    return bool(src.option("pot_scale_int16")) and None not in [_log2(t.scale) for t in types]


def _pot_shifts(node: Node) -> tuple[int, int]:
    """Right shifts of the operands of an `Add.pot`."""
    x, y, out = (_log2(v.type.scale) or 0 for v in (*node.inputs, node.output))
    return out - x, out - y


def _pot_fits(node: Node) -> bool:
    """Whether one operand has its output's scale, and the other one that is not larger, by no
    more bits than it has."""
    x, y = _pot_shifts(node)
    return min(x, y) == 0 and max(x, y) <= 15


def _bind_s8(node: Node) -> Binding:
    assert isinstance(node.op, Add)
    params: dict[str, Any] = {"caption": caption(node, node.op.sign), "sign": node.op.sign}
    for name, real in zip(("left", "right", "sum"), _reals(node), strict=True):
        multiplier, shift = quantize_multiplier(real)
        # Half of a number shifted up is exact: that operand needs no product.
        params[name] = {"multiplier": multiplier, "shift": shift, "half": real == 0.5}
    for name, value in zip(("left", "right"), node.inputs, strict=True):
        params[name]["offset"] = -value.type.zero_point
    return bind_binary(node, {**params, **output_params(node, node.op.activation)})


def _bind_s16(node: Node) -> Binding:
    bound = _bind_s8(node)
    assert isinstance(node.op, Add)
    return replace(bound, params={**bound.params, "shifts": node.op.pot and _pot_shifts(node)})


def _bind_dsp(node: Node) -> Binding:
    bound = _bind_s8(node)
    return replace(bound, support=(*bound.support, "tinyc_dsp.h"))


def _bind_f32(node: Node) -> Binding:
    assert isinstance(node.op, Add)
    params = {"caption": caption(node, node.op.sign), "sign": node.op.sign, **clamp_params(node)}
    return bind_binary(node, params, support=())


_ADD_S8 = binary_kernel("add_s8", DType.I8, _bind_s8)
Add.kernels = (
    Kernel("add_s8_dsp", "add_s8_dsp.c.j2", frozenset({"dsp"}), _ADD_S8.reject, _bind_dsp),
    _ADD_S8,
    binary_kernel("add_s16", DType.I16, _bind_s16),
    binary_kernel("add_f32", DType.F32, _bind_f32, "arithmetic_f32.c.j2"),
)


def _element(node: Node, dsp: bool = False) -> Element:
    assert isinstance(node.op, Add)
    minus, call = node.op.sign == "-", tvm().tirx.call_pure_extern
    reals = _reals(node)

    def scaled(x: Any, real: float) -> Any:
        """x * real, rounded twice, or once more where SMMULR does the first of them."""
        multiplier, shift = quantize_multiplier(real)
        if not dsp:
            return call("int32", "tinyc_requant2_small", x, multiplier, shift)
        high = call("int32", "tinyc_smmulr", x * 2, multiplier)
        return high if shift == 0 else call("int32", "tinyc_round_right", high, -shift)

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


def _sign(node: Node) -> str:
    assert isinstance(node.op, Add)
    return node.op.sign


Add.tir = (
    tir_kernel("add_s8_tvm_dsp", _sign, lambda node: _element(node, True), frozenset({"dsp"})),
    tir_kernel("add_s8_tvm", _sign, _element),
)
