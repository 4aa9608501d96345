"""How C computes UNIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import quantize_multiplier
from ..ops._curves16 import input_multiplier
from ..ops.lstm import HybridLstm, Lstm
from ..ops.lstm16 import Lstm16
from .base import Binding, Constant, Kernel, only, provide
from .conv import four_channels, portable
from .conv_dsp import REQUIRES, quads
from .conv_dsp16 import quads16
from .curves16 import SIGMOID
from .hybrid import Packing, packed_rows, rows_kernels

# Kernels ----------------------------------------------------------------------------------


def _params(node: Node[Lstm]) -> dict[str, Any]:
    op = node.op
    batch, time, depth, cells = op.sizes(node)
    return {
        "type": node.inputs[0].type.dtype.c, "cell_type": node.inputs[-1].type.dtype.c,
        "batches": batch, "time": time, "depth": depth, "cells": cells, "coupled": op.coupled,
        "between": batch if op.time_major else 1, "apart": 1 if op.time_major else time,
    }  # fmt: skip


def _by_cell(gates: list[Array], missing: int = 0) -> Array:
    """[cells, ...] of each gate -> [cells * gates, ...]: those of a cell side by side, behind
    ``missing`` gates of zeros."""
    whole = [np.zeros_like(gates[0])] * missing + gates
    return np.stack(whole, 1).reshape(-1, *gates[0].shape[1:])


def _bind_s8(
    node: Node[Lstm], pack: Callable[[Array, str, str], Constant], support: str, sums: str
) -> Binding:
    op = node.op
    rows, starts, ratios = op.folded(node)
    missing = 4 - op.gates
    packed = [
        pack(_by_cell(part, missing), f"weights of {name}, the gates of a cell together", suffix)
        for part, name, suffix in zip(rows, ("x", "h"), ("weights", "recurrent"), strict=True)
    ]
    # [cell, x and h, gate]
    bias = np.stack([_by_cell(part, missing).reshape(-1, 4) for part in starts], 1)
    scales = [[quantize_multiplier(r) for r in part] for part in ratios]
    table = np.array([[[(0, 0)] * missing + part] for part in scales], np.int32).reshape(2, 4, 2)
    return Binding(
        params={**_params(node), **op.integers(node), "sums": sums},
        constants=(
            *packed,
            Constant("bias", bias.astype(np.int32), "biases with the offsets of x, of h"),
            Constant("scales", table, "multiplier and shift of each gate, of x, then of h"),
        ),
        support=(support, "tinyc_lstm.h"),
    )


def _bind_scalar(node: Node[Lstm]) -> Binding:
    return _bind_s8(node, four_channels, "tinyc_tile4.h", "tinyc_tile4")


def _bind_dsp(node: Node[Lstm]) -> Binding:
    return _bind_s8(node, quads, "tinyc_dense_dsp.h", "tinyc_dense_sums_dsp")


def _bind_f32(node: Node[Lstm]) -> Binding:
    op = node.op
    weights, recurrent, biases = ([v.array for v in part] for part in op.parts(node))
    return Binding(
        params={**_params(node), "clip": op.clip, "curve": op.activation},
        constants=(
            Constant("weights", _by_cell(weights), "weights of x, the gates of a cell together"),
            Constant("recurrent", _by_cell(recurrent), "weights of h, likewise"),
            Constant("bias", _by_cell(biases), "biases, likewise"),
        ),
        support=("tinyc_lstm_f32.h",),
    )


def _bind_s16(node: Node[Lstm16], pack: Packing, support: str, sums: str) -> Binding:
    op = node.op
    weights, recurrent, biases = ([v.array for v in part] for part in op.parts(node))
    scales = np.array([(m << 16, right - 16) for m, right in op.gate_scales(node)])
    cells = len(biases[0])
    # [cell, gate, (bias, multiplier, shift)]
    gates = np.empty((cells, 4, 3), np.int32)
    gates[..., 0], gates[..., 1:] = np.stack(biases, 1), scales[:4]
    of_h = np.concatenate([np.zeros((4, 1), np.int64), scales[4:]], 1)
    kept, added, shown = op.product_scales(node)
    return Binding(
        params={
            **_params(node), "sums": sums, "clip": op.clip16(node),
            "kept": kept, "added": added, "shown": shown,
            "cell": input_multiplier(node.inputs[-1].type, 1),
        },
        constants=(
            pack(_by_cell(weights), "weights of x, the gates of a cell together", "weights"),
            pack(_by_cell(recurrent), "weights of h, likewise", "recurrent"),
            Constant("gates", gates, "bias, multiplier, right shift of each gate, of x"),
            Constant("scales", of_h.astype(np.int32), "0, multiplier, right shift, of h"),
            SIGMOID,
        ),
        support=(support, "tinyc_lstm16.h"),
    )  # fmt: skip


def _bind_s16_scalar(node: Node[Lstm16]) -> Binding:
    return _bind_s16(node, four_channels, "tinyc_tile4.h", "tinyc_tile4_s16")


def _bind_s16_dsp(node: Node[Lstm16]) -> Binding:
    return _bind_s16(node, quads16, "tinyc_dense16_dsp.h", "tinyc_sums_s16_dsp")


def _bind_hybrid(node: Node[HybridLstm], pack: Packing) -> Binding:
    op = node.op
    missing = 4 - op.gates
    *matrices, biases = op.parts(node)
    names = (("weights", "totals", "x"), ("recurrent", "recurrent_totals", "h"))
    packed: list[Constant] = []
    for values, (suffix, totals, of) in zip(matrices, names, strict=True):
        rows = _by_cell([v.array for v in values], missing)
        note = f"weights of {of}, the gates of a cell together"
        packed += packed_rows(rows, suffix, totals, note, pack)
    scales = [[0.0] * missing + [v.type.scale for v in values] for values in matrices]
    _, _, depth, cells = op.sizes(node)
    return Binding(
        params={
            **_params(node), "clip": op.clip, "curve": op.activation,
            "asymmetric": int(op.asymmetric),
        },
        constants=(
            *packed,
            Constant("bias", _by_cell([v.array for v in biases], missing), "biases, likewise"),
            Constant("scales", np.array(scales, np.float32), "of the weights of each gate"),
        ),
        scratch=depth + cells,
    )  # fmt: skip


provide(
    Lstm16,
    Kernel("lstm_s16_dsp", "lstm_s16.c.j2", REQUIRES, only(DType.I16), _bind_s16_dsp),
    portable("lstm_s16_scalar", DType.I16, _bind_s16_scalar, "lstm_s16.c.j2"),
)
provide(HybridLstm, *rows_kernels("lstm_hybrid", _bind_hybrid, "tinyc_lstm_hybrid.h"))
provide(
    Lstm,
    Kernel("lstm_s8_dsp", "lstm_s8.c.j2", REQUIRES, only(DType.I8), _bind_dsp),
    portable("lstm_s8_scalar", DType.I8, _bind_scalar, "lstm_s8.c.j2"),
    portable("lstm_f32", DType.F32, _bind_f32),
)
