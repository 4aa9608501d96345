"""What a layer's weights are like: bits, zeros, levels, which tell how small they could be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Array, DType, Value
from ..plan import Step


@dataclass(frozen=True)
class Weights:
    """shape, dtype: as the graph has them; bits: of signs 1, of integers the fewest, of 2, 4 and 8,
    in which they all fit, else those of their type; zeros: the part of them that is 0; levels: most
    different ones of a channel, None of floats."""

    shape: tuple[int, ...]
    dtype: str
    bits: int
    zeros: float
    levels: int | None


def weights(step: Step) -> Weights | None:
    """Of the largest constant that a layer reads; None of a layer that has none but biases and
    the like: of a single axis, or of int32."""
    if step.binary_macs:  # words of 32 signs
        return Weights(step.node.inputs[1].type.shape, "signs", 1, 0.0, 2)
    found = [
        v for v in step.node.inputs
        if v.data is not None and v.type.dtype is not DType.I32 and len(v.type.shape) > 1
    ]  # fmt: skip
    largest = max(found, key=lambda v: v.type.elements, default=None)
    if largest is None or not largest.type.elements:
        return None
    data, dtype = _numbers(largest), largest.type.dtype
    zeros = float(np.mean(data == 0))
    if dtype is DType.F32:
        return Weights(largest.type.shape, dtype.numpy.name, 32, zeros, None)
    return Weights(
        largest.type.shape, dtype.numpy.name, fewest_bits(data, 8 * dtype.size), zeros,
        max(len(np.unique(row)) for row in _channels(largest, data)),
    )  # fmt: skip


def _numbers(value: Value) -> Array:
    """Without the zero point."""
    assert value.data is not None
    quant = value.type.quant
    if quant is None or value.type.dtype is DType.F32:
        return value.data
    return np.asarray(value.data.astype(np.int64) - quant.zero_point[0])


def _channels(value: Value, data: Array) -> Array:
    quant = value.type.quant
    axis = quant.axis if quant is not None and quant.per_channel else 0
    return np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1)


def fewest_bits(data: Array, most: int) -> int:
    """The fewest that hold integers of ``most`` bits, of those that there are kernels for."""
    low, high = int(data.min()), int(data.max())
    if set(np.unique(data)) <= {-1, 1}:
        return 1
    ways = (bits for bits in (2, 4, 8) if bits < most)
    return next((b for b in ways if -(1 << b - 1) <= low and high < 1 << b - 1), most)
