"""What layers with int16 activations and int8 weights share: how far their sums reach, and the
last steps of each.

LiteRT sums in 64 bits where the bias has as many, and in 32 that wrap around otherwise. Its
convolutions then multiply by 16 bits of the multiplier or, after 32-bit sums, by all of it; its
dense layers by a float64. The kernels sum in 32 bits wherever the weights show that it is enough.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array, DType, Node
from ._conv import real_multipliers
from ._mixins import Weighted
from .base import fail

SMALLER = "quantize the model again, or make the layer smaller"
LARGEST_SUM, LARGEST_DENSE_SUM = 1 << 46, 1 << 35
"""Sums stay under these, so that none of their products with a multiplier leaves 64 bits."""


def greatest_sums(node: Node, rows: Array) -> Array:
    """The greatest magnitude of each channel's sum, its bias included. rows: the weights as
    [channels, depth]."""
    bias = node.inputs[2].array
    reach = np.abs(rows.astype(np.int64)).sum(1) << 15
    bound = np.abs(bias.ravel().astype(np.float64)).clip(max=2.0**62)
    return np.asarray(reach + bound.astype(np.int64))


def check_sums(node: Node[Weighted], rows: Array, dense: bool = False) -> None:
    """What the kernels rely on beyond `check_operands`; no concern of other types than int16."""
    if node.inputs[0].type.dtype is not DType.I16:
        return
    sums = greatest_sums(node, rows)
    if sums.max() >= (LARGEST_DENSE_SUM if dense else LARGEST_SUM):
        what = f"its sums reach {sums.max():.3g}, weights and bias taken together"
        raise fail(node, what, SMALLER, "E340")
    reals = np.array(real_multipliers(node))
    if reals.max() >= 1 << 14:
        what = f"its input's scale times a weight's is {reals.max():.3g} times its output's"
        raise fail(node, what, SMALLER, "E341")
    if dense and np.any((reals < 2.0**-34) & (sums * reals >= 0.25)):
        what = f"its input's scale times a weight's is {reals.min():.3g} times its output's"
        raise fail(node, what, SMALLER, "E341")
