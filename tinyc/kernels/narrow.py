"""Weights of 4 or 2 bits, several a byte: int8 weights whose values are few enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ..ir import Array, Node, OpT
from ..ops._mixins import Weighted
from .base import AIMS, Binding, Kernel

BITS = (2, 4)
"""Of a weight, other than 8."""
SLOWER = frozenset(AIMS) - {"speed"}
"""What is optimized by kernels that take some more cycles for such weights."""


def reject_bits(rows: Array | None, bits: int) -> str | None:
    """Why int8 weights are not of so many bits, from -2**(bits - 1) on."""
    if rows is None:
        return "weights are computed at run time"
    most = 1 << (bits - 1)
    if rows.size and (rows.min() < -most or rows.max() >= most):
        return f"weights of more than {bits} bits"
    return None


def pack_bits(values: Array, bits: int) -> Array:
    """int8: the lowest ``bits`` of each of the values, in C order, the first in the lowest bits of
    a byte. There are as many as whole bytes hold."""
    each = 8 // bits
    places = bits * np.arange(each)
    found = (values.reshape(-1, each).astype(np.int64) & ((1 << bits) - 1)) << places
    return np.asarray(found.sum(1), np.uint8).view(np.int8)


def is_narrow(node: Node) -> bool:
    """Whether a layer has int8 weights of no more than the most of `BITS`."""
    if not isinstance(node.op, Weighted) or len(node.inputs) < 2:
        return False
    rows = node.inputs[1].data
    return rows is not None and rows.dtype == np.int8 and reject_bits(rows, BITS[-1]) is None


def narrowed(
    kernel: Kernel[OpT], bind: Callable[..., Binding], aims: frozenset[str] = SLOWER
) -> tuple[Kernel[OpT], ...]:
    """A kernel ``..._s8_...`` for weights, a node's second operand, of each of `BITS`: its bind is
    told of ``bits``."""

    def reject(node: Node[OpT], bits: int) -> str | None:
        return reject_bits(node.inputs[1].data, bits) or kernel.reject(node)

    return tuple(
        replace(
            kernel,
            name=kernel.name.replace("_s8_", f"_s{bits}_"),
            reject=partial(reject, bits=bits),
            bind=partial(bind, bits=bits),
            aims=aims,
            special=True,
        )
        for bits in BITS
    )
