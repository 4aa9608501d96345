"""What kernels of int16 share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import Array, Node
from ..ir.quant import activation_range, quantize_multipliers, reduced_multipliers
from ..ops._conv import real_multipliers
from ..ops._int16 import greatest_sums
from ..ops._mixins import Weighted
from .base import Constant

DENSE_BITS = 29
"""Bits of a dense layer's multiplier in the product that decides nearly all roundings."""


def narrow(node: Node, rows: Array) -> bool:
    """Whether 32 bits hold every sum, with its bias or without."""
    return bool((greatest_sums(node, rows) < 1 << 31).all())


def _words(values: Array) -> list[Array]:
    """The low and the high half of each int64, as int32."""
    halves = np.ascontiguousarray(values, "<i8").view("<i4").reshape(-1, 2)
    return [halves[:, 0], halves[:, 1]]


def _dense_rows(node: Node[Weighted], rows: Array) -> list[Array]:
    """Of each multiplier its 53 bits, as two words, and the right shift after a product with
    the first `DENSE_BITS` of them; 0 where no sum comes to a half."""
    reals = real_multipliers(node)
    reach = greatest_sums(node, rows) * np.array(reals)
    pairs = [
        (int(math.ldexp(m, 53)), DENSE_BITS - s) if r >= 0.25 else (0, 63)
        for (m, s), r in zip(map(math.frexp, reals), reach, strict=True)
    ]
    return [*_words(np.array([m for m, _ in pairs])), np.array([s for _, s in pairs])]


def finishing(
    node: Node[Weighted], rows: Array, dense: bool = False
) -> tuple[dict[str, Any], Constant]:
    """Parameters of the templates and the channels' table, as tinyc_sum16.h or
    tinyc_dense16.h (``dense``) reads it."""
    bias = node.inputs[2].array
    multipliers, shifts = quantize_multipliers(real_multipliers(node))
    wraps = bias.dtype == np.int32
    if dense:
        name, rest = "dense", _dense_rows(node, rows)
    elif wraps:
        name, rest = "wrapped", [multipliers, shifts]
    else:
        name, rest = "reduced", list(reduced_multipliers(multipliers, shifts))
    wide = bias.ravel().astype(np.int64)
    is_narrow = narrow(node, rows)
    biases, note = _words(wide), "bias in two words, then what scales the sum, of each channel"
    if name == "reduced" and is_narrow and rest[1].min() > 16:
        name, rest = "high", [rest[0] << 16, rest[1] - 16]
        biases, note = [wide], "bias, multiplier, right shift of each channel"
    table = np.stack([*biases, *rest], 1).astype(np.int32)
    low, high = activation_range(node.op.activation, node.output.type)
    return {
        "ctype": "int16_t",
        "bytes": 2,
        "narrow": is_narrow,
        "wide": int(not is_narrow),
        "wraps": int(wraps),
        "weight_zero": 0,
        "store": "tinyc_store_s16",
        "scaling": f"TINYC_{name.upper()}16",
        "entry_bytes": 4 * table.shape[1],
        "input_zero": 0,
        "zero_point": 0,
        "low": low,
        "high": high,
    }, Constant("channels", table, note)
