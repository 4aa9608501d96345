"""How C computes BATCH_MATMUL."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import DType, Node
from ..ir.quant import reduced_multipliers
from ..ops.batch_matmul import BatchMatMul
from .base import Binding, Constant, Kernel, provide
from .conv import float_words, portable
from .conv_dsp import REQUIRES


def _shape(node: Node[BatchMatMul]) -> tuple[dict[str, Any], tuple[Constant, ...]]:
    """Parameters and constants of the templates: the operands, where they lie and their type."""
    op = node.op
    rows, depth, columns = op.sizes(node)
    lead = node.output.type.shape[:-2]
    batches = math.prod(lead)
    constants, names = [], []
    for value, name in zip(node.inputs, ("a", "b"), strict=True):
        if value.data is not None:
            constants.append(Constant(name, value.data, f"operand {name}"))
            names.append("")
        else:
            names.append("a" if value is node.inputs[0] else "b")
    # Where each batch of the output finds its operands, in elements.
    starts = []
    for value in node.inputs:
        shape = value.type.shape[:-2]
        index = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
        starts.append(np.broadcast_to(index, lead).ravel() * math.prod(value.type.shape[-2:]))
    if batches > 1:
        note = "first element of a and of b in each batch"
        constants.append(Constant("starts", np.stack(starts, 1).astype(np.int32), note))
    return {
        "arguments": list(dict.fromkeys(n for n in names if n)),
        "ctype": node.output.type.dtype.c,
        "packs": False,
        "scratch": False,
        "a": names[0], "b": names[1],
        "batches": batches, "rows": rows, "depth": depth, "columns": columns,
        "a_row": 1 if op.adj_x else depth, "a_step": rows if op.adj_x else 1,
        "b_column": depth if op.adj_y else 1, "b_step": 1 if op.adj_y else columns,
    }, tuple(constants)  # fmt: skip


def _bind_f32(node: Node[BatchMatMul]) -> Binding:
    params, constants = _shape(node)
    return Binding(params, constants, support=("tinyc_matmul_f32.h",))


def _zeros(node: Node[BatchMatMul]) -> dict[str, int]:
    a, b, out = (v.type.zero_point for v in (*node.inputs, node.output))
    return {"a_zero": a, "b_zero": b, "zero_point": out}


def _bind(node: Node[BatchMatMul]) -> Binding:
    params, constants = _shape(node)
    multiplier, shift = node.op.multiplier(node)
    dtype, suffix = node.output.type.dtype, ""
    if node.op.float_scaled:
        (multiplier,), (shift,) = float_words(np.array([node.op.float_scale(node)]))
        suffix = "_float"
    elif dtype is DType.I16:
        # Those of tinyc_requant_wide.
        multiplier, shift = (int(v) for v in reduced_multipliers(multiplier, shift))
    params |= {
        "function": f"tinyc_matmul_s{8 * dtype.size}{suffix}",
        "low": dtype.limits[0],
        "high": dtype.limits[1],
        "multiplier": multiplier,
        "shift": shift,
        **_zeros(node),
    }
    return Binding(params, constants, support=(f"tinyc_matmul{suffix}.h",))


def _bind_s8(node: Node[BatchMatMul]) -> Binding:
    """Four columns at a time, which one row is not worth the packing of."""
    bound = _bind(node)
    rows, depth, columns = node.op.sizes(node)
    if rows == 1 or node.op.float_scaled:
        return bound
    tiles = -(-columns // 4)
    # Offsets, b in fours of columns, a row of a
    scratch = 16 * tiles + 4 * tiles * depth + (depth if node.op.adj_x else 0)
    return replace(
        bound,
        params={**bound.params, "scratch": True, "function": "tinyc_matmul_s8_tile4"},
        scratch=scratch,
        support=("tinyc_matmul_tile4.h",),
    )


def _bind_s16_dsp(node: Node[BatchMatMul]) -> Binding:
    bound = _bind(node)
    _, depth, columns = node.op.sizes(node)
    packed = (0 if bound.params["b_step"] == 1 else columns) + (bound.params["a_step"] != 1)
    return replace(
        bound,
        params={
            **bound.params,
            "packs": True,
            "scratch": packed > 0,
            "function": "tinyc_matmul_s16_dsp",
        },
        scratch=2 * packed * depth,
        support=("tinyc_matmul_s16_dsp.h",),
    )


def _reject_dsp(node: Node[BatchMatMul]) -> str | None:
    if node.output.type.dtype is not DType.I8:
        return "not i8"
    if node.op.float_scaled:
        return "its sums are multiplied by a float32"
    if node.op.sizes(node)[1] * 255 * 255 >= 1 << 30:
        return "a sum could reach 2^30"
    multiplier, shift = node.op.multiplier(node)
    if multiplier != 0 and shift > -1:
        return "its multiplier is not under a half"
    return None


def _bind_dsp(node: Node[BatchMatMul]) -> Binding:
    params, constants = _shape(node)
    multiplier, shift = node.op.multiplier(node)
    _, depth, columns = node.op.sizes(node)
    whole = -(-depth // 8) * 8
    params |= {
        "scratch": True,
        "multiplier": multiplier,
        # Of a multiplier of zero any will do.
        "shift": max(-shift - 1, 0),
        **_zeros(node),
    }
    # b in pairs of columns, four rows of int16, one as bytes
    scratch = whole * (-(-columns // 2) * 2 + 4 * 2 + 1)
    return Binding(params, constants, scratch, support=("tinyc_matmul_dsp.h",))


provide(
    BatchMatMul,
    Kernel("batch_matmul_s8_dsp", "batch_matmul_s8_dsp.c.j2", REQUIRES, _reject_dsp, _bind_dsp),
    portable("batch_matmul_s8", DType.I8, _bind_s8),
    replace(
        portable("batch_matmul_s16_dsp", DType.I16, _bind_s16_dsp, "batch_matmul_s8.c.j2"),
        requires=REQUIRES,
    ),
    portable("batch_matmul_s16", DType.I16, _bind, "batch_matmul_s8.c.j2"),
    portable("batch_matmul_f32", DType.F32, _bind_f32),
)
