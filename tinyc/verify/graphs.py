"""The first value in which two graphs part that are to compute the same."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import Array, Graph, Node, Value
from ..plan.heads import value_rules
from .values import Difference, Layer, difference, far, name_of, operands, relative_error

Values = Mapping[Value, Array]
"""What each value of a graph that is no constant is, in one inference."""


def first_changed(before: Graph, was: Values, after: Graph, now: Values) -> Layer | None:
    """The first layer of ``after`` that a rewrite made, and that does not give what ``before``
    does: values that both graphs have are compared, the others by their names, where they are
    alike. None where no such value differs."""
    rule, old = value_rules(after), set(before.nodes)
    named = {v.name: v for v in was}
    makers = after.producers()
    ended = dict(zip(after.results, before.results, strict=False))
    for node in after.nodes:
        for value in node.outputs:
            other = value if value in was else ended.get(value) or named.get(value.name)
            if other is None or other not in was or not _alike(value, other):
                continue
            known = difference(now[value], was[other], rule(value))
            if known is not None:
                made = _made(node, old, makers)
                what = "was rewritten, and computes something else"
                return _layer(made, value, what, known, now, was[other])
    return None


def _layer(
    node: Node, value: Value, what: str, known: Difference | None, now: Values, expected: Array
) -> Layer:
    kept = operands(node, now) | {"expected": expected, "found": now[value]}
    return Layer(
        name_of(node), type(node.op).__name__, node.origin, value.name, what, difference=known,
        operands=kept,
    )  # fmt: skip


def first_unlike(tensors: Mapping[str, Array], graph: Graph, now: Values) -> Layer | None:
    """The first layer of ``graph`` that does not give what the file's own runtime does. tensors:
    by the names of the values."""
    rule = value_rules(graph)
    for node in graph.nodes:
        for value in node.outputs:
            other = tensors.get(value.name)
            if other is None or (other.dtype, other.size) != (now[value].dtype, now[value].size):
                continue
            expected = other.reshape(now[value].shape)
            if known := difference(now[value], expected, rule(value)):
                what = "computes something else than the runtime of its format"
                return _layer(node, value, what, known, now, expected)
    return None


def _alike(a: Value, b: Value) -> bool:
    return a.type.shape == b.type.shape and a.type.dtype is b.type.dtype


def _made(node: Node, old: set[Node], makers: Mapping[Value, Node]) -> Node:
    """The nearest node, from ``node`` back, that a rewrite has made; ``node`` if there is none."""
    queue, seen = [node], {node}
    while queue:
        one = queue.pop(0)
        if one not in old:
            return one
        for value in one.inputs:
            maker = makers.get(value)
            if maker is not None and maker not in seen:
                seen.add(maker)
                queue.append(maker)
    return node


def first_far(before: Graph, was: Values, after: Graph, now: Values, most: float) -> Layer | None:
    """The first layer of ``after`` whose numbers are not those of the layer of its name in
    ``before``, or of the one in its place where both have the same operators in the same order:
    by `tinyc.plan.heads.value_rules` where the types are the same, else by their relative L2 error.
    """
    rule = value_rules(after)
    for node, other in paired(before, after):
        for value, theirs in zip(node.outputs, other.outputs, strict=False):
            if value.type.elements != theirs.type.elements:
                continue
            found, expected = now[value], was[theirs].reshape(now[value].shape)
            if value.type == theirs.type:
                known = difference(found, expected, rule(value))
            else:
                known = far(found, value.type, expected, theirs.type, most)
            if known is not None:
                what = f"gives other values than '{name_of(other)}'"
                return _layer(node, value, what, known, now, expected)
    return None


def furthest(before: Graph, was: Values, after: Graph, now: Values) -> Layer | None:
    """Of two networks that mean to be near to each other, the layer of ``after`` at which the
    relative L2 error grows most from what it reads to what it makes."""
    errors: dict[Value, float] = {}
    worst: tuple[float, tuple[Node, Node] | None] = (0.0, None)
    for node, other in paired(before, after):
        value, theirs = node.outputs[0], other.outputs[0]
        if value.type.elements == theirs.type.elements:
            error = relative_error(now[value], value.type, was[theirs], theirs.type)
            errors[value] = error
            grown = error - max((errors.get(v, 0.0) for v in node.inputs), default=0.0)
            if grown > worst[0]:
                worst = grown, (node, other)
    if worst[1] is None:
        return None
    node, other = worst[1]
    value, theirs = node.outputs[0], other.outputs[0]
    expected = was[theirs].reshape(now[value].shape)
    known = far(now[value], value.type, expected, theirs.type, 0.0)
    return _layer(node, value, "is where the numbers part most", known, now, expected)


def paired(before: Graph, after: Graph) -> list[tuple[Node, Node]]:
    """Nodes of ``after``, each with the one of ``before`` that it is compared with."""
    kinds = [[type(node.op) for node in graph.nodes] for graph in (after, before)]
    if kinds[0] == kinds[1]:
        return list(zip(after.nodes, before.nodes, strict=True))
    named = {node.outputs[0].name: node for node in before.nodes}
    return [(n, named[n.outputs[0].name]) for n in after.nodes if n.outputs[0].name in named]
