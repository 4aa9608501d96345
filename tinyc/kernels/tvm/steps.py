"""What follows a sum of products in TIR: bias, rescaling, clamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir import Array, DType, Node
from ...ir.quant import activation_range
from ...ops._conv import weight_zero
from ...ops._mixins import Activated, Weighted
from ...ops.depthwise_conv2d import DepthwiseConv2d
from .. import conv_dsp
from ..base import Constant
from ..conv import channel_table
from . import tvm

DSP = frozenset({"dsp"})
SUPPORT = ("tinyc_requant.h", "tinyc_dot.h", "tinyc_tensor.h")
SUPPORT_DSP = ("tinyc_requant.h", "tinyc_dot.h", "tinyc_tensor.h", "tinyc_tensor_dsp.h")

Finish = Callable[[Any, Any, Any, Any], Any]
"""(sum, bias, multiplier, shift) -> the int8 output, all of them expressions."""


def finish_dsp(node: Node[Activated]) -> Finish:
    """The last steps as calls of tinyc_dsp.h."""
    call = tvm().tirx.call_pure_extern
    out = node.output.type
    low, high = activation_range(node.op.activation, out)
    half = 1 + 2 * out.zero_point

    def finish(acc: Any, bias: Any, multiplier: Any, shift: Any) -> Any:
        y = call("int32", "tinyc_requant2_dsp", acc + bias, multiplier, shift, half)
        return call("int8", "tinyc_clamp_s8", y, low, high)

    return finish


def finish_portable(node: Node[Activated], function: str = "tinyc_requant2") -> Finish:
    """The last steps as calls of tinyc_requant.h; function: how it rounds."""
    call = tvm().tirx.call_pure_extern
    out = node.output.type
    low, high = activation_range(node.op.activation, out)
    zero = out.zero_point

    def finish(acc: Any, bias: Any, multiplier: Any, shift: Any) -> Any:
        total = call("int32", "tinyc_add_bias", acc, bias)
        y = call("int32", function, total, multiplier, shift)
        return (call("int32", "tinyc_clamp", y, low - zero, high - zero) + zero).astype("int8")

    return finish


def weight_rows(node: Node[Weighted]) -> Array:
    """[outs, inputs of each]."""
    data = node.inputs[1].array
    if isinstance(node.op, DepthwiseConv2d):
        return data.reshape(-1, data.shape[3]).T
    return data.reshape(len(data), -1)


def last_steps(node: Node[Weighted], dsp: bool) -> tuple[Constant, Finish]:
    """Table and last steps of a layer that rounds twice: SMMULR's where it can be used."""
    rows = weight_rows(node)
    if dsp and conv_dsp.reject(node, rows) is None:
        table = conv_dsp.table(node, rows, fold=True)
        return Constant(table.suffix, table.data[: len(rows)], table.note), finish_dsp(node)
    return channel_table(node, rows), finish_portable(node)


def reject_sums(node: Node[Weighted]) -> str | None:
    """What holds of every layer here."""
    if node.inputs[0].type.dtype is not DType.I8:
        return "not i8"
    if node.op.float_scaled:
        return "its sums are multiplied by a float32"
    return "the weights have a zero point" if weight_zero(node) else None
