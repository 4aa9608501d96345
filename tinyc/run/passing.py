"""Inputs that go on past the side head of a network that may be left early."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..ir import Array, DType, Graph, TensorType, interpret

TRIES = 64
"""Random inputs among which one is looked for."""


def passes(graph: Graph, inputs: Sequence[Array]) -> bool:
    """Whether an inference of ``inputs``, as `tinyc.ir.interpret` takes them, computes all of the
    network."""
    return graph.side is None or not interpret(graph, inputs)[graph.side.sure].all()


def passing(graph: Graph, draw: Callable[[], Sequence[Array]]) -> tuple[Array, ...]:
    """The first of `TRIES` inputs that passes, each [1, *shape], else the very first.

    draw: gives random ones, of whose size each try takes a smaller part: what is pale puts a
    network in doubt.
    """
    first = tuple(draw())
    found = first
    for left in range(TRIES, 0, -1):
        if passes(graph, [x[0] for x in found]):
            return found
        values = zip(draw(), graph.inputs, strict=True)
        found = tuple(_paler(v.type, x, left / TRIES) for x, v in values)
    return first


def _paler(type: TensorType, x: Array, part: float) -> Array:
    """``x`` with numbers of so much of their size, but for indices and the like."""
    if type.dtype is DType.F32:
        return x * np.float32(part)
    if type.quant is None:
        return x
    zero = type.zero_point
    return np.asarray(np.round((x.astype(np.float64) - zero) * part) + zero, x.dtype)
