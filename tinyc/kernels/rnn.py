"""How C computes RNN and UNIDIRECTIONAL_SEQUENCE_RNN."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.rnn import Rnn
from .base import Binding, Constant, provide
from .conv import portable


def _bind_f32(node: Node[Rnn]) -> Binding:
    op = node.op
    batch, time, depth, cells = op.sizes(node)
    _, weights, recurrent, bias, _ = node.inputs
    return Binding(
        params={
            "batches": batch, "time": time, "depth": depth, "cells": cells,
            "between": batch if op.time_major else 1, "apart": 1 if op.time_major else time,
            "curve": op.activation,
        },
        constants=(
            Constant("weights", weights.array, "weights of x"),
            Constant("recurrent", recurrent.array, "weights of h"),
            Constant("bias", bias.array, "biases"),
        ),
        support=("tinyc_rnn_f32.h",),
        inplace=1,
        renewed=1,
    )  # fmt: skip


provide(Rnn, portable("rnn_f32", DType.F32, _bind_f32))
