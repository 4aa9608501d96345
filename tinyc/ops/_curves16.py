"""Logistic and tanh of int16, which TFLite interpolates between 256 values of the logistic
function (reference_integer_ops/{logistic,tanh}.h; SigmoidPrepare and TanhPrepare of
activations.cc)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..ir import Array, DType, Node, OpT, TensorType, Value
from ._conv import random_type
from ._unary import FRACTION
from .base import REQUANTIZE, fail

# Where TFLite's table (sigmoid_table_uint16 of common.h) is one more than what is nearest.
_ABOVE = (
    4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41,
    43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
)  # fmt: skip
TABLE = np.floor(65536 / (1 + np.exp(-np.arange(256) / 24)) + 0.5)
TABLE[list(_ABOVE)] += 1


def input_multiplier(source: TensorType, most: int) -> tuple[int, int]:
    """(multiplier, right shift) from an input to 1/12288ths. Scales of 2**-12 up to
    2**(most - 12) are exact; the multiplier of others has 15 bits, and lacks what is past them."""
    log = math.log2(source.scale)
    if abs(log - round(log)) < 1e-3 and 0 <= 12 + round(log) <= most:
        return 3 << (12 + round(log)), 0
    multiplier, shift = source.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier *= 2.0
        shift += 1
    return int(multiplier), shift


def check_curve16(node: Node) -> None:
    """An int16 input scaled to 1/12288ths fits 32 bits."""
    x = node.inputs[0].type
    if x.dtype is DType.I16 and x.scale >= 5:
        raise fail(node, f"its input has the scale {x.scale:.6g}", REQUANTIZE, "E341")


def _interpolated(x: Array, source: TensorType, most: int, bits: int) -> tuple[Array, Array]:
    """(scaled x, logistic of its magnitude in 1/2**(16 + bits)); None in place of a table value
    stands for what ends the table."""
    multiplier, shift = input_multiplier(source, most)
    half = 1 << shift - 1 if shift else 0
    scaled = (x.astype(np.int64) * multiplier + half) >> shift
    size = np.abs(scaled)
    index, rest = size >> bits, size & ((1 << bits) - 1)
    low = np.minimum(index, 254)
    first = TABLE[low].astype(np.int64)
    second = TABLE[low + 1].astype(np.int64)
    return scaled, np.where(index < 255, (first << bits) + rest * (second - first), -1)


def logistic16(x: Array, source: TensorType) -> Array:
    """1 / (1 + exp(-x)) in 1/32768ths."""
    scaled, y = _interpolated(x, source, 0, 9)
    y = np.where(y < 0, 0x7FFF << 10, y)
    return (np.where(scaled >= 0, y + (1 << 9), (1 << 25) - y + (1 << 9) - 1) >> 10).astype(
        np.int16
    )


def tanh16(x: Array, source: TensorType) -> Array:
    """tanh(x) in 1/32768ths: 2 * logistic(2 x) - 1."""
    scaled, y = _interpolated(x, source, 1, 8)
    y = np.where(y < 0, 0xFFFF << 8, y) - (1 << 23)
    return (np.where(scaled >= 0, y + (1 << 7), -y + (1 << 7) - 1) >> 8).astype(np.int16)


def curve16_cases(op: OpT) -> Iterator[Node[OpT]]:
    """Scales that are exact, that saturate, and that leave almost nothing."""
    rng = np.random.default_rng(0)
    for scale in (2.0**-12, 2.0**-11, 0.0004, 1e-9, 4.9):
        x = Value("x", random_type(rng, DType.I16, (200,), scale), "case")
        yield Node(op, (x,), (Value("y", TensorType((200,), DType.I16, FRACTION), "case"),), "case")
