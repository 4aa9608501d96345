"""The model that another one was made of, to be compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ..errors import CompileError
from ..ir import Array, Graph
from ..ir.ports import Port, input_ports, output_ports
from .base import Model, read_model

T = TypeVar("T")


def read_original(path: str, given: Graph, trust: bool = False) -> Model:
    """The model of ``path`` with inputs and outputs in the order of ``given``'s: by their names
    where both have the same, else by their places.

    Raises CompileError E257 (it takes or gives other shapes), and those of `read_model`.
    """
    graph, predict = read_model(path, trust)
    orders = []
    for what, ports in (("takes", input_ports), ("gives", output_ports)):
        own, theirs = ports(given), ports(graph)
        order = _order(own, theirs)
        if [_form(p) for p in own] != [_form(theirs[i]) for i in order]:
            raise CompileError(
                "E257", path, f"{what} {_listed(theirs)}, and '{given.name}' {_listed(own)}",
                "name the model that it was made of",
            )  # fmt: skip
        orders.append(order)
    takes, gives = orders
    inputs, outputs = (list(range(len(order))) for order in orders)
    if takes == inputs and gives == outputs:
        return Model(graph, predict)
    back = [takes.index(i) for i in inputs]
    sorted_graph = replace(
        graph, inputs=_picked(graph.inputs, takes), outputs=_picked(graph.outputs, gives),
        input_names=_picked(graph.input_names, takes),
        output_names=_picked(graph.output_names, gives),
        input_orders=_picked(graph.input_orders, takes),
        output_orders=_picked(graph.output_orders, gives),
    )  # fmt: skip
    if predict is None:
        return Model(sorted_graph)

    def computed(arrays: list[Array]) -> list[Array]:
        made = predict([arrays[i] for i in back])
        return [made[i] for i in gives]

    return Model(sorted_graph, computed)


def _order(own: Sequence[Port], theirs: Sequence[Port]) -> list[int]:
    """Which of theirs stands for each of one's own."""
    names = [port.name for port in theirs]
    by_name = len(own) > 1 and {port.name for port in own} == set(names)
    return [names.index(port.name) for port in own] if by_name else list(range(len(theirs)))


def _picked(items: Sequence[T], order: Sequence[int]) -> tuple[T, ...]:
    return tuple(items[i] for i in order) if items else ()


def _form(port: Port) -> object:
    return port.value.type.shape, port.order


def _listed(ports: Sequence[Port]) -> str:
    return " and ".join(f"[{', '.join(map(str, port.own_shape))}]" for port in ports)
