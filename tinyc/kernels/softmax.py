"""How C computes SOFTMAX."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.softmax import EXP, INVERSE, Softmax
from .base import Binding, Constant, provide
from .conv import portable


def sizes(node: Node) -> dict[str, int]:
    x = node.inputs[0].type
    return {"rows": x.elements // x.shape[-1], "depth": x.shape[-1]}


def _bind_s8(node: Node[Softmax]) -> Binding:
    return Binding(
        params={**sizes(node), "bits": 8 * node.output.type.dtype.size},
        constants=(
            Constant(
                "exp",
                node.op.exp_table(node),
                f"exp(-i * {node.inputs[0].type.scale:.6g} * {node.op.beta:.6g}) * 2^31",
            ),
        ),
        support=("tinyc_softmax.h",),
        inplace=None if node.op.widens(node) else 0,
    )


def _bind_s16(node: Node[Softmax]) -> Binding:
    multiplier, shift = node.op.multiplier16(node)
    return Binding(
        params={**sizes(node), "multiplier": multiplier, "shift": shift},
        constants=(
            Constant("exp", EXP, "exp(10 * (i / 512 - 1)) * 2^15"),
            Constant("inverse", INVERSE, "1 / (1 + i / 512) * 2^15"),
        ),
        support=("tinyc_softmax16.h",),
        inplace=0,
    )


def _bind_f32(node: Node[Softmax]) -> Binding:
    return Binding(
        params={**sizes(node), "beta": node.op.beta},
        support=("tinyc_softmax_f32.h",),
        inplace=0,
    )


provide(
    Softmax,
    portable("softmax_s8", DType.I8, _bind_s8, varying=()),
    portable("softmax_s16", DType.I16, _bind_s16),
    portable("softmax_f32", DType.F32, _bind_f32),
)
