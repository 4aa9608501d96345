"""Graphs: nodes in a valid order over values, compared by identity.

A `Value` with data is a constant. A pass builds new values and nodes where it changes something
and shares the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .node import Node, Op, Order, Value
from .printer import Names, described, few, line, node_line, numbers
from .types import Array


@dataclass(frozen=True)
class Missed:
    """Why a pass could not bring a node into a better ``form``: that with this origin and an
    operator of this type. Origins last through the passes, names of values do not."""

    origin: str
    op: type[Op]
    form: str
    reason: str


@dataclass(frozen=True, eq=False)
class State:
    """What a network keeps between its runs.

    entry: its value when a run starts; exit: when it has ended, which the next run starts with
    (of the same shape, element type and quantization); initial: what the first one starts with,
    an array of that type.
    """

    entry: Value
    exit: Value
    initial: Array


@dataclass(frozen=True)
class Frames:
    """What each run of a stream takes of the time, which is ``axis`` of the model's inputs: the
    next ``steps`` of it, whose results are those for the last ``window`` steps. whole: the first
    layer that is computed of all that is left of the window, if there is one."""

    axis: int
    steps: int
    window: int
    whole: str | None = None

    def __str__(self) -> str:
        steps = f"{self.steps} step{'s' * (self.steps > 1)}"
        return f"a run takes {steps} of a window of {self.window} along axis {self.axis}"


@dataclass(frozen=True, eq=False)
class SideHead:
    """Where a run may end before its last layer: where ``sure``, BOOL of one element, is true, the
    graph's one output is ``scores``, of the same type, and what neither is made of need not be
    computed. name: what the model calls that output."""

    name: str
    scores: Value
    sure: Value


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: ``nodes`` in an order in which each reads only what stands before it.

    notes: what was taken for granted in reading it, one sentence each, for the user to hear;
    missed: of the passes that it went through; input_names, output_names: what the model calls
    them, see `tinyc.ir.ports`; input_orders, output_orders: for each of them which axis of the
    model's own stands where, () where each is in its place; frames: of a stream;
    side: of a network that may be left early.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    sha256: str = ""
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missed: tuple[Missed, ...] = ()
    states: tuple[State, ...] = ()
    input_orders: tuple[Order, ...] = ()
    output_orders: tuple[Order, ...] = ()
    frames: Frames | None = None
    side: SideHead | None = None

    @property
    def sources(self) -> tuple[Value, ...]:
        """What a run starts from: the inputs, then the states as the last run left them."""
        return (*self.inputs, *(state.entry for state in self.states))

    @property
    def results(self) -> tuple[Value, ...]:
        """What a run must make: the outputs, the states for the next one, and where it may end
        early what that is decided by."""
        return self.lasting if self.side is None else (*self.lasting, self.side.scores)

    @property
    def lasting(self) -> tuple[Value, ...]:
        """Those of the `results` that are there when all of a run has ended."""
        decided = () if self.side is None else (self.side.sure,)
        return (*self.outputs, *(state.exit for state in self.states), *decided)

    def with_results(self, final: Callable[[Value], Value]) -> Graph:
        """The graph with each of its `results` replaced."""
        states = tuple(replace(state, exit=final(state.exit)) for state in self.states)
        side = self.side
        if side is not None:
            side = replace(side, scores=final(side.scores), sure=final(side.sure))
        return replace(self, outputs=tuple(map(final, self.outputs)), states=states, side=side)

    def uses(self) -> dict[Value, list[Node]]:
        """Value -> the nodes that read it, in order (a node once for each reading)."""
        uses: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                uses.setdefault(value, []).append(node)
        return uses

    def producers(self) -> dict[Value, Node]:
        return {value: node for node in self.nodes for value in node.outputs}

    def substitute(self, mapping: Mapping[Value, Value], drop: Sequence[Node] = ()) -> Graph:
        """The graph with values replaced in every place that reads them, without ``drop``."""

        def final(value: Value) -> Value:
            while value in mapping:
                value = mapping[value]
            return value

        dropped = set(drop)
        nodes = []
        for node in self.nodes:
            if node in dropped:
                continue
            inputs = tuple(final(v) for v in node.inputs)
            nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
        return replace(self, nodes=tuple(nodes)).with_results(final)

    def names(self) -> Names:
        """What its values are called in its text."""
        made = [*self.sources, *(v for node in self.nodes for v in node.outputs)]
        return Names(made, [*(v for node in self.nodes for v in node.inputs), *self.results])

    def __repr__(self) -> str:
        return f"<graph {self.name} of {len(self.nodes)} nodes>"

    def __str__(self) -> str:
        """All of it, in lines of `tinyc.ir.printer.WIDTH` columns at most, where only long lists
        of attributes go on in a second one."""
        names = self.names()
        lines = [f"graph {self.name}{'' if self.frames is None else f': {self.frames}'}"]
        orders = dict(zip(self.inputs, self.input_orders, strict=False))
        for value in self.inputs:
            text = f"{names[value]} = input{_axes(orders.get(value, ()))}"
            lines.append(line(f"{text}: {described(value.type)}", value.name))
        for state in self.states:
            entry = f"{names[state.entry]} = state {numbers(state.initial)}"
            lines.append(line(f"{entry}: {described(state.entry.type)}", state.entry.name))
        lines += [node_line(node, names) for node in self.nodes]
        lines += [f"  keep {names[state.exit]} as {names[state.entry]}" for state in self.states]
        if self.side is not None:
            lines.append(f"  return {names[self.side.scores]} if {names[self.side.sure]}, else")
        orders = dict(zip(self.outputs, self.output_orders, strict=False))
        ends = [names[v] + _axes(orders.get(v, ())) for v in self.outputs]
        lines.append(line(f"return {few(ends)}"))
        for value, name in names.constants.items():
            assert value.data is not None
            text = f"{name} = {numbers(value.data)}: {described(value.type)}"
            lines.append(line(text, value.name))
        return "\n".join(lines)


def _axes(order: Order) -> str:
    """Of an input or output whose axes do not stand as in the model."""
    return f", axes={list(order)}" if order else ""
