"""How C computes RNN and UNIDIRECTIONAL_SEQUENCE_RNN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import DType, Node
from ..ops.rnn import HybridRnn, Rnn
from .base import Binding, Constant, provide
from .conv import portable
from .hybrid import Packing, packed_rows, rows_kernels


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


def _bind_hybrid(node: Node[HybridRnn], pack: Packing) -> Binding:
    bound, (_, weights, recurrent, _, _) = _bind_f32(node), node.inputs
    scales = np.repeat([weights.type.scale, recurrent.type.scale], 4).astype(np.float32)
    return replace(
        bound,
        params={**bound.params, "asymmetric": int(node.op.asymmetric)},
        constants=(
            *packed_rows(weights.array, "weights", "totals", "weights of x", pack),
            *packed_rows(recurrent.array, "recurrent", "recurrent_totals", "weights of h", pack),
            bound.constants[2],
            Constant("scales", scales, "scale of the weights of x, of h, for four cells"),
        ),
        scratch=weights.type.shape[1] + recurrent.type.shape[1],
    )


provide(Rnn, portable("rnn_f32", DType.F32, _bind_f32))
provide(HybridRnn, *rows_kernels("rnn_hybrid", _bind_hybrid, "tinyc_rnn_hybrid.h"))
