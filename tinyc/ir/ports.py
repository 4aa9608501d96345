"""The inputs and outputs of a graph by name: what the header, reports, data and tests call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import Graph, Order, Value
from .names import identifier


@dataclass(frozen=True)
class Port:
    """name: the model's own, unique among the inputs or among the outputs; identifier: the same
    as a part of C identifiers, unique too; order: see `Graph.input_orders`."""

    index: int
    name: str
    identifier: str
    value: Value
    order: Order = ()

    @property
    def ordered(self) -> str:
        """What to say of its axes, nothing where they are as in the model."""
        if not self.order:
            return ""
        axes, shape = (", ".join(map(str, items)) for items in (self.order, self.own_shape))
        return f"axes {axes} of the model's [{shape}]"

    @property
    def own_shape(self) -> tuple[int, ...]:
        """The shape that it has in the model."""
        shape = self.value.type.shape
        return tuple(shape[self.order.index(a)] for a in range(len(shape))) if self.order else shape


def input_ports(graph: Graph) -> tuple[Port, ...]:
    return _ports(graph.inputs, graph.input_names, graph.input_orders)


def output_ports(graph: Graph) -> tuple[Port, ...]:
    return _ports(graph.outputs, graph.output_names, graph.output_orders)


def _ports(
    values: Sequence[Value], names: Sequence[str], orders: Sequence[Order]
) -> tuple[Port, ...]:
    if len(names) != len(values):  # a graph made in memory
        names = [value.name for value in values]
    names = _unique(names)
    identifiers = _unique([identifier(name) for name in names])
    orders = orders or [()] * len(values)
    return tuple(map(Port, range(len(values)), names, identifiers, values, orders))


def _unique(names: Sequence[str]) -> list[str]:
    """``names`` with ``_1``, ``_2``, ... behind those that stand there before."""
    found: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in found or (unique != name and unique in names):
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found
