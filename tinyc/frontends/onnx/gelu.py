"""GELU as it is written in operator sets before 20: 0.5 x (1 + erf(x / sqrt(2))), as one node."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ...ir import Graph, Node, Value, applies
from ...ops.add import Add
from ...ops.div import Div
from ...ops.elementwise_math import Erf, Gelu
from ...ops.mul import Mul


def join_gelu(graph: Graph) -> Graph:
    """Whatever the order of its factors. What was computed for it alone is dead behind that."""
    uses, producers, results = graph.uses(), graph.producers(), frozenset(graph.results)
    changed: dict[Node, Node] = {}
    for erf in graph.nodes:
        if not applies(erf, Erf) or (scaled := _scaled(erf.inputs[0], producers)) is None:
            continue
        x, factor = scaled
        last, rest, whole = erf.output, 1.0, False
        if not _near(factor, math.sqrt(0.5)):
            continue
        node = _reader(last, uses, results)
        if not applies(node, Add) or not _near(_number(_other(node, last)) or 0, 1.0):
            continue
        last = node.output
        while not whole or not _near(rest, 0.5):
            node = _reader(last, uses, results)
            if not applies(node, Mul) or node.op.activation != "none":
                break
            other, last = _other(node, last), node.output
            found = _number(other)
            if found is None:
                product = (x, 1.0) if other is x else _scaled(other, producers)
                if whole or product is None or product[0] is not x:
                    break
                whole, found = True, product[1]
            rest *= found
        else:
            assert node is not None
            changed[node] = Node(Gelu(False), (x,), node.outputs, node.origin)
    return replace(graph, nodes=tuple(changed.get(n, n) for n in graph.nodes))


def _reader(
    value: Value, uses: Mapping[Value, list[Node]], results: frozenset[Value]
) -> Node | None:
    """The only node that reads ``value``; None if something else does."""
    readers = uses.get(value, [])
    return readers[0] if len(readers) == 1 and value not in results else None


def _other(node: Node, value: Value) -> Value:
    """The operand beside ``value``."""
    first, second = node.inputs
    return second if first is value else first


def _number(value: Value) -> float | None:
    """The only number of a constant."""
    return float(value.array.ravel()[0]) if value.constant and value.type.elements == 1 else None


def _scaled(value: Value, producers: Mapping[Value, Node]) -> tuple[Value, float] | None:
    """(x, factor) of what is x times or by a number."""
    node = producers.get(value)
    if applies(node, Mul) and node.op.activation == "none":
        first, second = node.inputs
        x, number = (second, _number(first)) if first.constant else (first, _number(second))
        return None if number is None else (x, number)
    if applies(node, Div) and node.op.activation == "none":
        number = _number(node.inputs[1])
        return None if not number else (node.inputs[0], 1 / number)
    return None


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-4)
