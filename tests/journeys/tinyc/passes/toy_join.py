"""Join one TOY_RAISE with the one that alone reads it."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, applies
from ..ops.toy_raise import ToyRaise


def toy_join(graph: Graph) -> Graph:
    """Exact: what the first stopped at, the second would have."""
    uses, made, gone = graph.uses(), dict[Node, Node](), set[Node]()
    for node in graph.nodes:
        readers = uses.get(node.output, ())
        if applies(node, ToyRaise) and len(readers) == 1 and node not in made:
            (reader,) = readers
            if applies(reader, ToyRaise) and node.output not in graph.results:
                joined = ToyRaise(node.op.by + reader.op.by)
                made[reader] = replace(reader, op=joined, inputs=node.inputs)
                gone.add(node)
    return replace(graph, nodes=tuple(made.get(n, n) for n in graph.nodes if n not in gone))
