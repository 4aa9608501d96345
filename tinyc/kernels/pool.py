"""What kernels of pool share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..ir import DType, Node
from ..ops._conv import NO_PADDING
from ..ops._pool import Pool
from ..ops.average_pool import AveragePool2d
from ..ops.l2_pool import L2Pool2d
from ..ops.max_pool import MaxPool2d
from .base import AIMS, Binding, Kernel
from .conv import clamp_params, portable, window_params

_FLOATS: dict[type[Pool], tuple[str, str, str, str]] = {
    MaxPool2d: ("maximum", "tinyc_pool_f32", "TINYC_MAXIMUM_F32", "tinyc_pool_f32.h"),
    AveragePool2d: ("average", "tinyc_pool_f32", "TINYC_AVERAGE_F32", "tinyc_pool_f32.h"),
    L2Pool2d: ("L2", "tinyc_l2_pool_f32", "", "tinyc_l2_pool_f32.h"),
}
"""Of each float pooling: what it is called, its function, how that pools, and its header."""


def _params(node: Node[Pool]) -> dict[str, Any]:
    return {**window_params(node, node.op.kernel), **clamp_params(node)}


def _bind(node: Node[Pool]) -> Binding:
    op, dtype = node.op, node.output.type.dtype
    average = isinstance(op, AveragePool2d)
    pooling = "TINYC_MAXIMUM"
    if average:
        pooling = "TINYC_AVERAGE_UNSIGNED" if op.unsigned else "TINYC_AVERAGE"
    return Binding(
        params={
            **_params(node),
            "caption": "average" if average else "maximum",
            "pooling": pooling,
            "ctype": dtype.c,
            "function": f"tinyc_pool_s{8 * dtype.size}",
        },
        support=("tinyc_pool.h",),
        ordered=True,
    )


def _reject_strip(node: Node[Pool]) -> str | None:
    if not isinstance(node.op, AveragePool2d):
        return "no average"
    if node.op.kernel != node.inputs[0].type.shape[1:3] or node.op.padding != NO_PADDING:
        return "more than one window"
    return None


def _bind_strip(node: Node[Pool]) -> Binding:
    dtype, channels = node.output.type.dtype, node.output.type.shape[3]
    bound = _bind(node)
    params = {**bound.params, "function": f"tinyc_pool_strip_s{8 * dtype.size}"}
    return Binding(params, scratch=4 * channels, support=bound.support)


_STRIP: Kernel[Pool] = Kernel(
    "average_pool_strip", "pool_strip.c.j2", frozenset(), _reject_strip, _bind_strip
)


def _bind_strip_dsp(node: Node[Pool]) -> Binding:
    groups = -(-node.output.type.shape[3] // 4)
    params = {**_bind(node).params, "function": "tinyc_pool_strip_s8_dsp"}
    return Binding(params, scratch=8 * groups, support=("tinyc_pool_dsp.h",), lanes=4)


def _bind_float(node: Node[Pool]) -> Binding:
    kind = next(cls for cls in type(node.op).__mro__ if cls in _FLOATS)
    caption, function, pooling, header = _FLOATS[kind]
    params = {"caption": caption, "function": function, "pooling": pooling}
    return Binding(params={**_params(node), **params}, support=(header,), ordered=True)


def float_kernel(name: str) -> Kernel[Pool]:
    """That of float32."""
    return portable(name, DType.F32, _bind_float, "pool_f32.c.j2")


MOST_PIXELS = 256
"""Of an average whose sums are halfwords."""


def _reject_dsp(node: Node[Pool]) -> str | None:
    if node.inputs[0].type.dtype is not DType.I8:
        return "not int8"
    if node.output.type.shape[3] < 4:
        return "less than 4 channels"
    if isinstance(node.op, AveragePool2d) and math.prod(node.op.kernel) > MOST_PIXELS:
        return f"windows of more than {MOST_PIXELS} pixels"
    return None


def _reject_strip_dsp(node: Node[Pool]) -> str | None:
    return _reject_strip(node) or _reject_dsp(node)


_STRIP_DSP: Kernel[Pool] = Kernel(
    "average_pool_strip_dsp",
    "pool_strip.c.j2",
    frozenset({"dsp"}),
    _reject_strip_dsp,
    _bind_strip_dsp,
)


def _bind_dsp(node: Node[Pool]) -> Binding:
    bound = _bind(node)
    return replace(
        bound,
        params={**bound.params, "function": "tinyc_pool_s8_dsp"},
        support=("tinyc_pool_dsp.h",),
    )


def kernels(name: str) -> tuple[Kernel[Pool], ...]:
    """Those of int8, int16 and float32."""
    return (
        Kernel(
            f"{name}_s8_dsp",
            "pool.c.j2",
            frozenset({"dsp"}),
            _reject_dsp,
            _bind_dsp,
            aims=frozenset(AIMS) - {"flash"},
            by_rows=_STRIP_DSP,
        ),
        replace(portable(f"{name}_s8", DType.I8, _bind, "pool.c.j2"), by_rows=_STRIP),
        replace(portable(f"{name}_s16", DType.I16, _bind, "pool.c.j2"), by_rows=_STRIP),
        float_kernel(f"{name}_f32"),
    )
