"""The order of the axes of images that the network takes and gives.

The model has them as [n, c, h, w], its layers here as [n, h, w, c]: the firmware takes and gives
them so, as cameras and displays do, and needs no transposition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..ir import Graph, Node, Order, Value, applies
from ..ops.transpose import Transpose

LAST: dict[int, Order] = {4: (0, 2, 3, 1), 3: (0, 2, 1)}
"""By the number of axes of an image: what brings the channels from the second place to the last."""
SECOND: dict[int, Order] = {4: (0, 3, 1, 2), 3: (0, 2, 1)}
"""The reverse."""


def images_last(graph: Graph) -> Graph:
    """``graph`` with the channels of its images last: of each input that gets into a layer of
    images through nothing to which the order of the axes matters, and of each output that comes so
    out of one. One channel has no order."""
    uses, producers = graph.uses(), graph.producers()
    before: list[Node] = []
    after: list[Node] = []
    input_orders, output_orders = [], []
    for value in graph.inputs:
        image = _has_order(value) and any(_is(n, LAST) for n in _after(value, uses))
        input_orders.append(LAST[len(value.type.shape)] if image else ())
    for value in graph.outputs:
        image = _has_order(value) and any(_is(n, SECOND) for n in _before(value, producers))
        output_orders.append(LAST[len(value.type.shape)] if image else ())
    inputs = tuple(map(_stored, graph.inputs, input_orders))
    outputs = tuple(map(_stored, graph.outputs, output_orders))
    for value, given in zip(graph.inputs, inputs, strict=True):
        if given is not value:
            op = Transpose(SECOND[len(value.type.shape)])
            before.append(Node(op, (given,), (value,), value.origin))
    for value, made, order in zip(graph.outputs, outputs, output_orders, strict=True):
        if made is not value:
            after.append(Node(Transpose(order), (value,), (made,), value.origin))
    return replace(
        graph,
        inputs=inputs,
        outputs=outputs,
        nodes=(*before, *graph.nodes, *after),
        input_orders=tuple(input_orders),
        output_orders=tuple(output_orders),
    )


def _stored(value: Value, order: Order) -> Value:
    """A new value with the axes of ``value`` in ``order``; itself if there is none."""
    if not order:
        return value
    shape = tuple(value.type.shape[a] for a in order)
    return replace(value, type=replace(value.type, shape=shape))


def _has_order(value: Value) -> bool:
    """Whether a value may be an image in which the order of the axes matters."""
    shape = value.type.shape
    return len(shape) in LAST and shape[1] > 1 and max(shape[2:]) > 1


def _is(node: Node, orders: Mapping[int, Order]) -> bool:
    """Whether a node brings the channels of an image to another place."""
    return applies(node, Transpose) and node.op.axes == orders.get(len(node.op.axes))


def _free(node: Node, value: Value) -> bool:
    """Whether a node can have the channels last as well."""
    order = SECOND.get(len(value.type.shape))
    return order is not None and node.op.transposed(node, order) is not None


def _after(value: Value, uses: Mapping[Value, list[Node]]) -> Iterator[Node]:
    """What reads ``value``, directly or through what is free."""
    seen, queue = {value}, [value]
    while queue:
        at = queue.pop()
        for node in uses.get(at, []):
            yield node
            if _free(node, at):
                queue += [v for v in node.outputs if v not in seen]
                seen.update(node.outputs)


def _before(value: Value, producers: Mapping[Value, Node]) -> Iterator[Node]:
    """What computes ``value``, directly or through what is free."""
    seen, queue = {value}, [value]
    while queue:
        at = queue.pop()
        node = producers.get(at)
        if node is None:
            continue
        yield node
        free = [v for v in node.variable_inputs if v not in seen and _free(node, v)]
        queue += free
        seen.update(free)
