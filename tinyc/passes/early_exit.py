"""A network of two heads as one that is left at the first of them where that is sure.

Of the two outputs, both in which SOFTMAX ends, the side head is the one that takes fewer
multiply-accumulates (of as many, fewer nodes) from the inputs on. What it has in common with the
final head is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import CompileError
from ..ir import Array, DType, Graph, Node, SideHead, TensorType, Value
from ..ir.ports import output_ports
from ..ir.printer import described
from ..ops.confident import Confident
from ..ops.dequantize import Dequantize
from ..ops.qlinear_softmax import QLinearSoftmax
from ..ops.quantize import Quantize
from ..ops.softmax import Softmax

_HINT = "end the side head and the final head in a softmax over the same classes each"
_LEAVE_OUT = "leave out --early-exit"


def refused(graph: Graph, what: str, hint: str = _HINT) -> CompileError:
    """The error for a network that cannot be left early."""
    return CompileError("E356", graph.name, f"cannot be left early: {what}", hint)


def ancestors(graph: Graph, value: Value) -> list[Node]:
    """The nodes that ``value`` is made by, in their order."""
    needed, found = {value}, list[Node]()
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            found.append(node)
    return found[::-1]


def side_head(graph: Graph) -> int:
    """Which of the two outputs is the side head. Raises CompileError E356 where there are not two
    that can be one and the final head."""
    ports = output_ports(graph)
    if len(ports) != 2:
        count = f"{len(ports)} output{'s' * (len(ports) != 1)}"
        what = f"it has {count}, not those of a side head and of a final one"
        raise refused(graph, what, f"give the model both heads as its outputs, or {_LEAVE_OUT}")
    if graph.states:
        raise refused(graph, "it keeps states between runs", _LEAVE_OUT)
    producers = graph.producers()
    for port in ports:
        node = producers.get(port.value)
        while node is not None and (node.op.view or isinstance(node.op, (Quantize, Dequantize))):
            node = producers.get(node.inputs[0])
        if node is None or not isinstance(node.op, (Softmax, QLinearSoftmax)):
            kind = "an input" if node is None else type(node.op).__name__
            raise refused(graph, f"its output '{port.name}' ends in {kind}, not in a softmax")
        if not any(v in graph.inputs for n in ancestors(graph, port.value) for v in n.inputs):
            raise refused(graph, f"its output '{port.name}' depends on no input")
    one, other = (port.value.type for port in ports)
    if one != other or one.elements != one.shape[-1]:
        heads = " and ".join(f"'{p.name}' is {described(p.value.type)}" for p in ports)
        raise refused(graph, f"its outputs are not the same classes of one sample: {heads}")
    costs = []
    for port in ports:
        nodes = ancestors(graph, port.value)
        costs.append((sum(node.op.macs(node) for node in nodes), len(nodes)))
    if costs[0] == costs[1]:
        names = " and ".join(f"'{port.name}'" for port in ports)
        what = f"its outputs {names} take the same work, so that neither is the side head"
        raise refused(graph, what, "have the side head branch off before the last layers")
    return int(costs[1] < costs[0])


def early_exit(graph: Graph, threshold: float, side: int) -> Graph:
    """``graph`` with its final head as its one output, which is that of the side head, the output
    ``side``, where the greatest score of that stands for ``threshold`` (0..1) or more. Raises
    CompileError E356 (the heads are of different types)."""
    ports, final = output_ports(graph), 1 - side
    scores, output = ports[side].value, ports[final].value
    if scores.type != output.type:
        heads = " and ".join(f"'{p.name}' is {described(p.value.type)}" for p in ports)
        raise refused(graph, f"its outputs cannot share one place: {heads}")
    sure = Value(f"{ports[side].name}/sure", TensorType((1,), DType.BOOL), scores.origin)
    decided = Node(Confident(threshold), (_integers(graph, scores),), (sure,), scores.origin)
    return replace(
        graph,
        nodes=(*graph.nodes, decided),
        outputs=(output,),
        output_names=tuple(name for name in (ports[final].name,) if graph.output_names),
        output_orders=graph.output_orders[final : final + 1],
        side=SideHead(ports[side].name, scores, sure),
    )


def taken(outputs: Sequence[Array], threshold: float, side: int) -> list[Array]:
    """Of two outputs [n, *shape] of real numbers what `early_exit` leaves of them."""
    scores, final = outputs[side], outputs[1 - side]
    sure = scores.reshape(len(scores), -1).max(1).astype(np.float64) >= threshold
    return [np.where(sure.reshape(-1, *[1] * (final.ndim - 1)), scores, final)]


def _integers(graph: Graph, scores: Value) -> Value:
    """What float32 ``scores`` are the real numbers of, without any rounding, if there is that."""
    producers, value = graph.producers(), scores
    while value.type.dtype is DType.F32:
        node = producers.get(value)
        if node is None or not (node.op.view or isinstance(node.op, Dequantize)):
            return scores
        value = node.inputs[0]
    return value
