"""Let transpositions sink towards the outputs until they meet their inverse.

Models of PyTorch have their images as [n, c, h, w], kernels as [n, h, w, c]: in the file, or as it
is read, each layer of an image stands between two transpositions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, DType, Graph, Node, Order, TensorType, Value, applies
from ..ops._move import stored
from ..ops.reshape import Reshape
from ..ops.transpose import Transpose
from ._dense_order import maps_each, order_rows

MOST_TRIALS = 200
"""Of putting back what could not be removed: far more than networks need."""


def sink_transposes(graph: Graph, exact: bool = True) -> Graph:
    """What moves no axis longer than 1 becomes a reshape. A transposition that cannot be removed
    stays where it was. exact: leave those in front of a dense layer of float32, whose sums would be
    added in another order; all else is exact."""
    cost = sum(v.type.bytes for n in graph.nodes if applies(n, Transpose) for v in n.outputs)
    if not cost:
        return graph
    graph = order_rows(graph)
    best = _Sinking(graph, exact, frozenset())
    trials = 0
    while (step := _improved(best, MOST_TRIALS - trials)) is not None:
        best, count = step
        trials += count
    return best.result() if best.moved < cost else graph


def _improved(best: _Sinking, trials: int) -> tuple[_Sinking, int] | None:
    """``best`` with one more node before which transpositions stop, if that moves no more bytes;
    and how many were tried."""
    for count, node in enumerate(best.settled_behind[:trials], 1):
        tried = _Sinking(best.graph, best.exact, best.barriers | {node})
        if tried.moved <= best.moved:
            return tried, count
    return None


@dataclass(frozen=True)
class _Stored:
    """What a value of the graph is stored as: another value, and the order of its axes there.

    shape: where that is none of axes alone, of what comes out when the axes are brought into that
    order and the result is reshaped.
    """

    value: Value
    order: Order = ()
    shape: tuple[int, ...] = ()

    @property
    def plain(self) -> bool:
        return not self.order

    def places(self) -> Array:
        """Where each element stands, see `Op.absorbing`."""
        shape = self.value.type.shape
        return np.arange(math.prod(shape)).reshape(shape).transpose(self.order).ravel()


def _moves_nothing(shape: Sequence[int], order: Order) -> bool:
    """Whether what is stored with ``shape`` has its axes longer than 1 in ``order`` already."""
    long = [a for a in order if shape[a] != 1]
    return long == sorted(long)


class _Sinking:
    """One attempt. moved: bytes that the transpositions left in it move; settled_behind: the nodes
    of the graph behind which they stand, since something reads the result as it was."""

    def __init__(self, graph: Graph, exact: bool, barriers: frozenset[Node]) -> None:
        self.graph, self.exact, self.barriers = graph, exact, barriers
        self.moved = 0
        self.settled_behind: list[Node] = []
        self._nodes: list[Node] = []
        self._known: dict[Value, _Stored] = {}
        self._settled: dict[Value, Value] = {}
        self._constants: dict[tuple[Value, Order], Value] = {}
        self._uses, self._producers = graph.uses(), graph.producers()
        self._results = frozenset(graph.results)
        for node in graph.nodes:
            if applies(node, Transpose):
                self._transpose(node)
            elif node in barriers or not self._sink(node):
                self._keep(node)
        for value in graph.results:
            self._settle(value)

    def result(self) -> Graph:
        graph = replace(self.graph, nodes=tuple(self._nodes))
        return graph.with_results(lambda v: v if v.constant else self._settle(v))

    # Values -------------------------------------------------------------------------------

    def _stored(self, value: Value) -> _Stored:
        return self._known.get(value) or _Stored(value)

    def _know(self, value: Value, stored: Value, order: Order) -> None:
        """``value`` is ``stored``, its axes in ``order``."""
        if not _moves_nothing(stored.type.shape, order):
            self._known[value] = _Stored(stored, order)
        elif stored.type == value.type and value not in self._results:
            self._known[value] = _Stored(stored)
        else:
            self._nodes.append(Node(Reshape(), (stored,), (value,), value.origin))

    def _settle(self, value: Value) -> Value:
        """``value`` as the graph has it, transposed here if it is stored otherwise."""
        known = self._stored(value)
        if known.plain:
            return known.value
        if value not in self._settled:
            shape = known.shape or value.type.shape
            assert shape == value.type.shape and not known.shape
            node = Node(Transpose(known.order), (known.value,), (value,), value.origin)
            self._nodes.append(node)
            self._settled[value] = value
            self.moved += value.type.bytes
            before = self._producers[value]
            if not applies(before, Transpose):
                self.settled_behind.append(before)
        return value

    def _view(self, value: Value, shape: tuple[int, ...]) -> Value:
        """``value`` under another shape."""
        if value.type.shape == shape:
            return value
        view = replace(value, type=replace(value.type, shape=shape))
        self._nodes.append(Node(Reshape(), (value,), (view,), value.origin))
        return view

    # Nodes --------------------------------------------------------------------------------

    def _keep(self, node: Node) -> None:
        inputs = tuple(v if v.constant else self._settle(v) for v in node.inputs)
        self._nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))

    def _transpose(self, node: Node[Transpose]) -> None:
        known = self._stored(node.inputs[0])
        if known.shape:
            known = _Stored(self._settle(node.inputs[0]))
        axes = node.op.axes
        order = axes if known.plain else tuple(known.order[a] for a in axes)
        self._know(node.output, known.value, order)

    def _sink(self, node: Node) -> bool:
        """Whether ``node`` could be made to compute on what its operands are stored as."""
        known = {v: self._stored(v) for v in node.variable_inputs}
        if all(k.plain for k in known.values()):
            return False
        if any(k.shape for k in known.values()):
            self._rearranged(node, known)
            return True
        rank = len(node.output.type.shape) if node.op.elementwise else None
        order = _leading(node, known, rank)
        moved = node.op.transposed(node, order) if order else None
        if any(_per_channel(v.type) for v in node.outputs):
            return False
        if moved is None and not self._absorb(node):
            order = self._turn(node)
            moved = node.op.transposed(node, order) if order else None
            if moved is None:
                return False
        elif moved is None:
            return True
        assert order is not None
        if not all(self._fits(v, order) for v in node.inputs):
            return False
        op, out_order = moved
        inputs = tuple(self._operand(v, order, node) for v in node.inputs)
        self._known.update({v: k for v, k in known.items() if not k.plain})  # as others know them
        outputs = [
            replace(v, type=replace(v.type, shape=stored(v.type.shape, out_order)))
            for v in node.outputs
        ]
        self._nodes.append(Node(op, inputs, tuple(outputs), node.origin))
        for value, out in zip(node.outputs, outputs, strict=True):
            self._know(value, out, out_order)
        return True

    def _fits(self, value: Value, order: Order) -> bool:
        """Whether ``value`` can be had in ``order`` without moving it at run time."""
        if value.constant:
            return not _per_channel(value.type)
        shape, had = self._widened(value, len(order))
        if had == order:
            return True
        # From where each axis is stored to where it has to be.
        turned = stored(had, order)
        return len(shape) == len(order) and _moves_nothing(stored(shape, had), turned)

    def _widened(self, value: Value, rank: int) -> tuple[tuple[int, ...], Order]:
        """(shape, order) of ``value`` with axes of size 1 in front of it, up to ``rank``."""
        known, shape = self._stored(value), value.type.shape
        more = rank - len(shape)
        order = known.order or tuple(range(len(shape)))
        return (1,) * more + shape, (*range(more), *(more + a for a in order))

    def _operand(self, value: Value, order: Order, node: Node) -> Value:
        """``value``, which `_fits`, in ``order``."""
        shape, _ = self._widened(value, len(order))
        if not value.constant:
            return self._view(self._stored(value).value, stored(shape, order))
        if value.type.elements == 1 and node.op.elementwise:
            return value
        if (value, order) not in self._constants:
            data = value.array.reshape(shape).transpose(np.argsort(order))
            while node.op.elementwise and data.ndim > 1 and data.shape[0] == 1:
                data = data[0]
            kind = replace(value.type, shape=data.shape)
            made = replace(value, type=kind, data=np.ascontiguousarray(data))
            self._constants[value, order] = made
        return self._constants[value, order]

    def _turn(self, node: Node) -> Order | None:
        """Bring the operand of ``node`` into an order that suits it, if one does; returns that."""
        known = self._stored(node.inputs[0])
        if known.plain or len(node.inputs) != 1:
            return None
        order = node.op.suited(node, known.order)
        if order is None or order == tuple(range(len(order))):
            return None
        value, axes = node.inputs[0], stored(known.order, order)
        turned = replace(value, type=replace(value.type, shape=stored(value.type.shape, order)))
        if _moves_nothing(known.value.type.shape, axes):
            turned = self._view(known.value, turned.type.shape)
        else:
            self._nodes.append(Node(Transpose(axes), (known.value,), (turned,), value.origin))
            self.moved += value.type.bytes
        self._known[value] = _Stored(turned, order)
        return order

    # In front of weights ------------------------------------------------------------------

    def _absorb(self, node: Node) -> bool:
        """Whether ``node`` is a reshape, or what weighs its operand, so that the order can become
        one of weights."""
        known = self._stored(node.inputs[0])
        if known.plain:
            return False
        if isinstance(node.op, Reshape):
            if not self._all_absorb(node.output, known.places()):
                return False
            shape = node.output.type.shape
            self._known[node.output] = _Stored(known.value, known.order, shape)
            return True
        if not self._absorbs(node, node.inputs[0], known.places()):
            return False
        self._rearranged(node, {node.inputs[0]: known})
        return True

    def _absorbs(self, node: Node, value: Value, places: Array) -> bool:
        if self.exact and value.type.dtype is DType.F32:
            return False
        once = node.inputs[0] is value and node.inputs.count(value) == 1
        return node not in self.barriers and once and node.op.absorbing(node, places) is not None

    def _all_absorb(self, value: Value, places: Array) -> bool:
        """Whether all that reads ``value``, stored at ``places``, leaves its order to weights."""
        readers = self._uses.get(value, [])
        return value not in self._results and all(
            self._all_absorb(node.output, places)
            if maps_each(node) and node not in self.barriers
            else self._absorbs(node, value, places)
            for node in readers
        )

    def _rearranged(self, node: Node, known: dict[Value, _Stored]) -> None:
        """Let ``node`` read what `_all_absorb` has found to be right for it."""
        ((value, was),) = known.items()
        if isinstance(node.op, Reshape):
            shape = node.output.type.shape
            self._known[node.output] = replace(was, shape=shape)
        elif maps_each(node):
            kind = replace(node.output.type, shape=was.value.type.shape)
            out = replace(node.output, type=kind)
            inputs = tuple(was.value if v is value else v for v in node.inputs)
            self._nodes.append(replace(node, inputs=inputs, outputs=(out,)))
            self._known[node.output] = replace(was, value=out, shape=node.output.type.shape)
        else:
            operands = node.op.absorbing(node, was.places())
            assert operands is not None
            inputs = (self._view(was.value, value.type.shape), *operands[1:])
            self._nodes.append(replace(node, inputs=inputs))


def _per_channel(type: TensorType) -> bool:
    return type.quant is not None and type.quant.per_channel


def _leading(node: Node, known: dict[Value, _Stored], rank: int | None) -> Order | None:
    """The order of the greatest operand that is stored in another than its own, with axes in front
    of it up to ``rank``."""
    others = [(v, k) for v, k in known.items() if not k.plain]
    value, found = max(others, key=lambda pair: pair[0].type.elements)
    more = 0 if rank is None else rank - len(value.type.shape)
    return (*range(more), *(more + a for a in found.order))
