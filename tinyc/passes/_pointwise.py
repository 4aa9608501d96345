"""Find nodes that compute, all together, a function of one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Graph, Node, Value

_MOST = 64
"""Nodes of a region: no function of one number takes more."""


@dataclass(frozen=True)
class Region:
    """Each element of the output of ``nodes``, which stand in order, is the same function of the
    element of ``source`` at its place; nothing else that they compute is read outside of them."""

    source: Value
    nodes: tuple[Node, ...]

    @property
    def output(self) -> Value:
        return self.nodes[-1].output

    def evaluate(self, x: Array) -> Array:
        """The function of each element of x, which is of the source's dtype and has one axis."""
        known = {self.source: x}
        with np.errstate(all="ignore"):
            for node in self.nodes:
                inputs = tuple(_flat(v, len(x)) for v in node.inputs)
                flat = Node(node.op, inputs, (_flat(node.output, len(x)),), node.origin)
                given = zip(node.inputs, inputs, strict=True)
                arrays = (known[v] if f.data is None else f.data for v, f in given)
                (known[node.output],) = node.op.evaluate(flat, *arrays)
        return known[self.output]


def _flat(value: Value, count: int) -> Value:
    """``value`` with one axis; a constant, which has one element, as a scalar."""
    shape = (count,) if value.data is None else ()
    data = None if value.data is None else value.data.reshape(())
    return Value(value.name, replace(value.type, shape=shape), value.origin, data)


class Regions:
    """The regions of a graph."""

    def __init__(self, graph: Graph, shared: Callable[[Node], bool] = lambda node: False) -> None:
        """shared: which nodes may be computed once more outside of a region."""
        self.uses, self.producers = graph.uses(), graph.producers()
        self.results, self.shared = frozenset(graph.results), shared
        self.place = {node: i for i, node in enumerate(graph.nodes)}

    def largest(self, last: Node, starts: Callable[[Value], bool]) -> Region | None:
        """The largest region that ends in ``last`` and has a source of which ``starts`` is true;
        None if there is none."""
        if not pointwise(last):
            return None
        inside, found = {last}, None
        while len(inside) <= _MOST:
            border = {
                v for n in inside for v in n.variable_inputs if self.producers.get(v) not in inside
            }
            if len(border) == 1:
                (source,) = border
                if starts(source):
                    nodes = sorted(inside, key=self.place.__getitem__)
                    found = Region(source, tuple(nodes))
            more = [self.producers[v] for v in border if self._joins(v, inside)]
            if not more:
                break
            inside.add(max(more, key=self.place.__getitem__))
        return found

    def _joins(self, value: Value, inside: set[Node]) -> bool:
        node = self.producers.get(value)
        if node is None or not pointwise(node):
            return False
        alone = value not in self.results and inside.issuperset(self.uses[value])
        return alone or self.shared(node)


def pointwise(node: Node) -> bool:
    """Whether each output element is a function of the elements at its place of what varies."""
    return (
        node.op.elementwise
        and len(node.outputs) == 1
        and all(
            v.type.elements == (1 if v.constant else node.output.type.elements) for v in node.inputs
        )
        and bool(node.variable_inputs)
    )
