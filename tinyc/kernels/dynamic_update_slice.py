"""How C computes DYNAMIC_UPDATE_SLICE."""

from __future__ import annotations

from ..ir import Node
from ..ops.dynamic_update_slice import DynamicUpdateSlice
from .base import Binding, Kernel, provide
from .move import bind_operands, caption


def _bind(node: Node[DynamicUpdateSlice]) -> Binding:
    x, update, starts = node.inputs
    operands, constants = bind_operands(node, "in", "part", "starts")
    # An update as large as the operand may be that under another name, and leaves nothing of it.
    renews = not x.constant and update.type.elements < x.type.elements
    return Binding(
        params={
            **operands,
            "caption": caption(node),
            "ctype": x.type.dtype.c,
            "function": f"tinyc_update_slice_s{8 * starts.type.dtype.size}",
            "shape": list(x.type.shape),
            "part_shape": list(update.type.shape),
            "rank": len(x.type.shape),
            "bytes": x.type.dtype.size,
            "total": x.type.bytes,
            "renews": renews,
        },
        constants=constants,
        support=("tinyc_update_slice.h",),
        inplace=node.variable_inputs.index(x) if renews else None,
    )


provide(
    DynamicUpdateSlice,
    Kernel(
        "dynamic_update_slice",
        "dynamic_update_slice.c.j2",
        frozenset(),
        lambda node: None,
        _bind,
    ),
)
