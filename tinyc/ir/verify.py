"""The check of a graph after every pass."""

from __future__ import annotations

from .graph import Graph
from .types import DType


def verify(graph: Graph) -> Graph:
    """Return ``graph`` if it is well-formed: each value is defined once, before it is read,
    and each node fulfils its operator's rule. Raises AssertionError (a bug in a pass) or
    the operator's CompileError."""
    known = set(graph.sources)
    assert len(known) == len(graph.sources), "an input or a state stands twice"
    for node in graph.nodes:
        for value in node.inputs:
            assert value.constant or value in known, f"{value.name} is read before it is defined"
        for value in node.outputs:
            assert value not in known and not value.constant, f"{value.name} is defined twice"
            known.add(value)
        node.op.check(node)
    for value in graph.results:
        assert value.constant or value in known, f"output {value.name} is not defined"
    if graph.side is not None:
        (output,) = graph.outputs
        assert graph.side.scores.type == output.type, "the heads differ in their type"
        assert (graph.side.sure.type.dtype, graph.side.sure.type.elements) == (DType.BOOL, 1)
        assert not any(v.constant for v in graph.results), "a head depends on no input"
        assert not graph.states, "a run that keeps states is left early"
    for state in graph.states:
        assert state.entry.type == state.exit.type, f"state {state.entry.name} changes its type"
        assert state.initial.shape == state.entry.type.shape
        assert state.initial.dtype == state.entry.type.dtype.numpy
    return graph
