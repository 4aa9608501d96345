"""The inputs and outputs of a graph by name: what the header, reports, data and tests call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import Graph, Value
from .names import identifier


@dataclass(frozen=True)
class Port:
    """name: the model's own, unique among the inputs or among the outputs; identifier: the same
    as a part of C identifiers, unique too."""

    index: int
    name: str
    identifier: str
    value: Value


def input_ports(graph: Graph) -> tuple[Port, ...]:
    return _ports(graph.inputs, graph.input_names)


def output_ports(graph: Graph) -> tuple[Port, ...]:
    return _ports(graph.outputs, graph.output_names)


def _ports(values: Sequence[Value], names: Sequence[str]) -> tuple[Port, ...]:
    if len(names) != len(values):  # a graph made in memory
        names = [value.name for value in values]
    names = _unique(names)
    identifiers = _unique([identifier(name) for name in names])
    return tuple(map(Port, range(len(values)), names, identifiers, values))


def _unique(names: Sequence[str]) -> list[str]:
    """``names`` with ``_1``, ``_2``, ... behind those that stand there before."""
    found: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in found or (unique != name and unique in names):
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found
