"""Curves of int16 numbers: 513 samples of them, between which is interpolated.

LUTPopulate and LUTLookup of tensorflow/lite/kernels/internal/common.h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Array

Reals = tuple[float, float]


def samples16(
    curve: Callable[[Array], Array], x: Reals, y: Reals, real: type[np.floating[Any]] = np.float64
) -> Array:
    """int16 [513]: ``curve`` from x[0] to x[1], where -32768 and 32767 of its numbers lie, each
    moved by half of what interpolating would miss in the middle after it. y: what -32768 and
    32767 of the samples stand for; real: what all steps are computed in, by which ``curve``
    takes and gives arrays."""
    half, two = real(0.5), real(2)

    def rounded(v: Array) -> Array:
        whole: Array = np.copysign(np.floor(np.abs(v) + half), v)
        return whole

    low, high = real(x[0]), real(x[1])
    step = (high - low) / real(512)
    inverse = real(65536) / (real(y[1]) - real(y[0]))
    start = low + np.arange(512, dtype=real) * step
    following = low + np.arange(1, 513, dtype=real) * step
    here = rounded(curve(start) * inverse)
    middle = rounded(curve(start + step / two) * inverse)
    between = rounded((curve(following) * inverse + here) / two)
    last = rounded(curve(np.array([high], real)) * inverse)
    samples = np.concatenate([here - rounded((between - middle) / two), last])
    found: Array = np.clip(samples, -32768, 32767).astype(np.int16)
    return found


def interpolate16(samples: Array, x: Array) -> Array:
    """The curve of 513 ``samples`` at -32768 .. 32767."""
    index, rest = 256 + (x >> 7), x & 0x7F
    base = samples[index].astype(np.int64)
    return np.asarray(base + (((samples[index + 1] - base) * rest + 64) >> 7))
