"""How C computes SOFTMAX."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, DType, Node
from ..ops.softmax import EXP, INVERSE, Softmax
from .base import Binding, Constant, Kernel, only, provide
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


def _steps(node: Node[Softmax]) -> tuple[int, Array]:
    """By what each number of the table is about that before it, times 2**32, and what is left:
    int64 [255]."""
    table = node.op.exp_table(node).astype(np.int64)
    ratio = min(int(table[1]) * (1 << 32) // int(table[0]), (1 << 32) - 1)
    return ratio, table[1:] - (table[:-1] * ratio >> 32)


def _reject_steps(node: Node[Softmax]) -> str | None:
    reason = only(DType.I8)(node)
    if reason is None and np.any(abs(_steps(node)[1]) >= 1 << 15):
        return "the table is no even curve"
    return reason


def _bind_steps(node: Node[Softmax]) -> Binding:
    ratio, steps = _steps(node)
    whole = _bind_s8(node)
    note = f"{whole.constants[0].note}: what each is more than the one before times {ratio} / 2^32"
    return replace(
        whole,
        params={**whole.params, "ratio": ratio},
        constants=(Constant("steps", steps.astype(np.int16), note),),
        scratch=1024,
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
    Kernel(
        "softmax_s8_steps",
        "softmax_s8_steps.c.j2",
        frozenset(),
        _reject_steps,
        _bind_steps,
        varying=(),
        aims=frozenset({"flash"}),
    ),
    portable("softmax_s8", DType.I8, _bind_s8, varying=()),
    portable("softmax_s16", DType.I16, _bind_s16),
    portable("softmax_f32", DType.F32, _bind_f32),
)
