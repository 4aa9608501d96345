"""The numpy reference of a whole graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .graph import Graph
from .node import Value
from .types import Array


def interpret(
    graph: Graph, inputs: Sequence[Array], states: Sequence[Array] | None = None
) -> dict[Value, Array]:
    """Run the numpy reference of every node; returns every value that is not a constant, and for
    the output of a network that may be left early (`SideHead`) what a run leaves there.

    states: what the last run left of each of the graph's, see `kept`; the initial ones if None.
    """
    kept_before = [state.initial for state in graph.states] if states is None else states
    env: dict[Value, Array] = {}
    for value, array in zip(graph.sources, (*inputs, *kept_before), strict=True):
        assert array.shape == value.type.shape and array.dtype == value.type.dtype.numpy
        env[value] = array
    for node in graph.nodes:
        arrays = [v.data if v.data is not None else env[v] for v in node.inputs]
        with np.errstate(all="ignore"):  # floats overflow as silently as in C
            results = node.op.evaluate(node, *arrays)
        for value, array in zip(node.outputs, results, strict=True):
            assert array.shape == value.type.shape, (node.origin, array.shape, value.type)
            assert array.dtype == value.type.dtype.numpy, (node.origin, array.dtype, value.type)
            env[value] = array
    if graph.side is not None and env[graph.side.sure].all():
        (output,) = graph.outputs
        env[output] = env[graph.side.scores]
    return env


def kept(graph: Graph, values: Mapping[Value, Array]) -> list[Array]:
    """What the next run starts with, out of the ``values`` of a run (`interpret`)."""
    return [s.exit.data if s.exit.data is not None else values[s.exit] for s in graph.states]
