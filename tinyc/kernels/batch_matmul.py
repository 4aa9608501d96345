"""How C computes BATCH_MATMUL."""

from __future__ import annotations

import math

import numpy as np

from ..ir import DType, Node
from ..ir.quant import reduced_multipliers
from ..ops.batch_matmul import BatchMatMul
from .base import Binding, Constant, provide
from .conv import portable


def _bind(node: Node[BatchMatMul]) -> Binding:
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
    params = {
        "arguments": list(dict.fromkeys(n for n in names if n)),
        "a": names[0], "b": names[1],
        "batches": batches, "rows": rows, "depth": depth, "columns": columns,
        "a_row": 1 if op.adj_x else depth, "a_step": rows if op.adj_x else 1,
        "b_column": depth if op.adj_y else 1, "b_step": 1 if op.adj_y else columns,
    }  # fmt: skip
    if node.output.type.dtype is DType.F32:
        return Binding(
            {**params, "ctype": "float"}, tuple(constants), support=("tinyc_matmul_f32.h",)
        )
    multiplier, shift = op.multiplier(node)
    out = node.output.type
    if out.dtype is DType.I16:
        # Those of tinyc_requant_wide.
        multiplier, shift = (int(v) for v in reduced_multipliers(multiplier, shift))
    params |= {
        "ctype": out.dtype.c,
        "function": f"tinyc_matmul_s{8 * out.dtype.size}",
        "a_zero": node.inputs[0].type.zero_point,
        "b_zero": node.inputs[1].type.zero_point,
        "zero_point": out.zero_point,
        "low": out.dtype.limits[0],
        "high": out.dtype.limits[1],
        "multiplier": multiplier,
        "shift": shift,
    }
    return Binding(params, tuple(constants), support=("tinyc_matmul.h",))


provide(
    BatchMatMul,
    portable("batch_matmul_s8", DType.I8, _bind),
    portable("batch_matmul_s16", DType.I16, _bind, "batch_matmul_s8.c.j2"),
    portable("batch_matmul_f32", DType.F32, _bind),
)
