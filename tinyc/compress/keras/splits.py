"""Weights as products of smaller ones, by their singular values: what `low_rank` splits by.

kind: ``output`` of a convolution k x k becomes k x k and 1 x 1 (Zhang et al., arXiv:1505.06798),
``input`` 1 x 1 and k x k, ``spatial`` k x 1 and 1 x k (Jaderberg et al., arXiv:1405.3866),
``tucker`` 1 x 1, k x k and 1 x 1 (Kim et al., arXiv:1511.06530). A matrix has ``output`` alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MULTIPLE = 4
"""Ranks are multiples of this: kernels take so many channels at once."""

Weights = NDArray[np.float32]
"""[..., in, out], behind as many directions as a convolution has."""


def kinds(weights: Weights) -> tuple[str, ...]:
    """Those that weights can be split by."""
    size = weights.shape[:-2]
    if max(size, default=1) == 1:
        return ("output",)
    square = len(size) == 2 and min(size) > 1
    return ("output", "input", "tucker", *(("spatial",) if square else ()))


def split(weights: Weights, kind: str, told: float) -> tuple[float, list[Weights]]:
    """(the part of the squares of all weights that is left, the smaller weights, one behind the
    other). told: below 1 the part that has to be left, else the rank, which is rounded up to a
    multiple of `MULTIPLE`; `tucker` has two, which each cost half of what may be lost."""
    *size, inputs, outputs = weights.shape
    ones = [1] * len(size)
    if kind == "tucker":
        each = 1 - (1 - told) / 2 if told < 1 else told
        first, _, _ = _factors(np.moveaxis(weights, -2, 0).reshape(inputs, -1), each)
        last, _, _ = _factors(np.moveaxis(weights, -1, 0).reshape(outputs, -1), each)
        first, last = (np.linalg.qr(factor)[0] for factor in (first, last))
        core = np.einsum("...io,ia,ob->...ab", weights, first, last)
        left = float(np.square(core).sum() / np.square(weights).sum())
        return left, [first.reshape(*ones, inputs, -1), core, last.T.reshape(*ones, -1, outputs)]
    if kind == "spatial":
        high, wide = size
        matrix = weights.transpose(0, 2, 1, 3).reshape(high * inputs, wide * outputs)
        before, behind, left = _factors(matrix, told)
        behind = behind.reshape(-1, wide, outputs).transpose(1, 0, 2)[np.newaxis]
        return left, [before.reshape(high, 1, inputs, -1), behind]
    if kind == "output":
        before, behind, left = _factors(weights.reshape(-1, outputs), told)
        return left, [before.reshape(*size, inputs, -1), behind.reshape(*ones, -1, outputs)]
    before, behind, left = _factors(np.moveaxis(weights, -2, 0).reshape(inputs, -1), told)
    behind = np.moveaxis(behind.reshape(-1, *size, outputs), 0, -2)
    return left, [before.reshape(*ones, inputs, -1), behind]


def _factors(matrix: Any, told: float) -> tuple[Weights, Weights, float]:
    """Two factors as large as each other, [m, rank] and [rank, n], and the part that they keep."""
    u, s, v = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    kept = np.cumsum(np.square(s)) / max(float(np.square(s).sum()), 1e-30)
    wanted = int(np.searchsorted(kept, told)) + 1 if told < 1 else int(told)
    rank = min(len(s), -(-wanted // MULTIPLE) * MULTIPLE)
    root = np.sqrt(s[:rank])
    before, behind = u[:, :rank] * root, root[:, np.newaxis] * v[:rank]
    return before.astype(np.float32), behind.astype(np.float32), float(kept[rank - 1])
