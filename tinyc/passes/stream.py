"""A network over a window of time as one over what is new of it.

The window slides over an endless input, by a frame of steps at a time. Where a layer goes along the
time with a window of its own, and no padding, all but the last rows of what it makes were there
before, a little further on: the network keeps as many of the last rows of the layer's input as its
next rows depend on, and computes no others. What needs all of the time there is, as a dense layer
or a mean, is given it from what is kept, and from there on a window is computed as a whole. So each
run gives, to the bit, what the network of the window gives for it. The first window is one of zero
points, of which what is kept is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CompileError
from ..ir import Along, Array, Frames, Graph, Node, State, Value, interpret
from ..ir.ports import input_ports
from ..ops.slice import Slice
from ..ops.slide import Slide


@dataclass(frozen=True, eq=False)
class Stream:
    """window: the network that was given; graph: that of what is new, with ``frames``, and with
    what it keeps as states; inputs: which axis of each input is the time, None of one that has
    none; outputs: of each output, None where it is made of the window as a whole."""

    window: Graph
    graph: Graph
    frames: Frames
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]

    @property
    def fills(self) -> int:
        """How many runs it takes until nothing of the first window is left."""
        return -(-self.frames.window // self.frames.steps)

    def windows(
        self, frames: Sequence[Array], starts: Array, zeros: Sequence[float]
    ) -> list[Array]:
        """The inputs of ``window`` for each run: [n, *shape].

        frames: the inputs of ``graph``, [n, *shape]; starts: bool [n], where the states were reset
        before the run; zeros: of each input, what stands in a window before anything came.
        """
        sequences = np.split(np.arange(len(starts)), np.flatnonzero(starts[1:]) + 1)
        found = []
        for array, axis, zero, value in zip(
            frames, self.inputs, zeros, self.window.inputs, strict=True
        ):
            if axis is None:
                found.append(array)
                continue
            made = np.empty((len(array), *value.type.shape), array.dtype)
            for sequence in sequences:
                window = np.full(value.type.shape, zero, array.dtype)
                for i in sequence:
                    window = np.concatenate([window, array[i]], axis)
                    window = np.split(window, [array.shape[1 + axis]], axis)[1]
                    made[i] = window
            found.append(made)
        return found

    def newest(self, outputs: Sequence[Array]) -> list[Array]:
        """Of the outputs of ``window`` [n, *shape] what a run of ``graph`` gives."""
        made = zip(outputs, self.outputs, self.graph.outputs, strict=True)
        return [
            y if axis is None else _last(y, axis + 1, value.type.shape[axis])
            for y, axis, value in made
        ]


def stream(graph: Graph, axis: int) -> Stream:
    """The network of one frame, whose outputs are those of ``graph`` for the window that ends
    with it.

    axis: which one of the model's inputs is the time. Raises CompileError E209 (an input has no
    such axis), E354 (a layer pads the time, the network keeps states of its own already, or nothing
    would be gained).
    """
    if graph.states:
        origin = graph.states[0].entry.origin
        what = "keeps a state of its own between runs, which a stream has no windows for"
        raise CompileError(
            "E354", origin, what, "leave --stream out: each run takes a step as it is"
        )
    inputs = _axes(graph, axis)
    lanes = _Lanes(
        graph, {v: a for v, a in zip(graph.inputs, inputs, strict=True) if a is not None}
    )
    made = _Rewrite(graph, lanes).made()
    if (macs := _macs(graph)) and _macs(made) >= macs:
        raise CompileError(
            "E354", lanes.whole or graph.name,
            f"{lanes.why or 'needs all of it'}, so that nothing is computed less often as a stream",
            "leave --stream out, or begin the network with convolutions without padding along the "
            "time",
        )  # fmt: skip
    outputs = tuple(lanes.of[v].axis if v in lanes.of else None for v in graph.outputs)
    window = next(lane.length for lane in lanes.of.values())
    frames = Frames(axis, lanes.hop, window, lanes.whole)
    return Stream(graph, replace(made, frames=frames), frames, inputs, outputs)


def _macs(graph: Graph) -> int:
    return sum(node.op.macs(node) for node in graph.nodes)


def _axes(graph: Graph, axis: int) -> tuple[int | None, ...]:
    """Which axis of each input, as it is stored, is ``axis`` of the model's own."""
    found: list[int | None] = []
    for port in input_ports(graph):
        shape = port.own_shape
        if axis < len(shape) and shape[axis] > 1:
            found.append(port.order.index(axis) if port.order else axis)
        else:
            found.append(None)
    extents = {v.type.shape[a] for v, a in zip(graph.inputs, found, strict=True) if a is not None}
    if len(extents) != 1:
        shapes = ", ".join(f"'{p.name}' {list(p.own_shape)}" for p in input_ports(graph))
        what = "is an axis of several lengths" if extents else "is no axis longer than 1"
        raise CompileError(
            "E209", "--stream", f"{axis} {what} of the inputs: {shapes}",
            "name the axis along which the time goes, counted from 0",
        )  # fmt: skip
    return tuple(found)


@dataclass(frozen=True)
class _Lane:
    """A value along the time: its axis; length: in the window; stride: steps of the inputs from
    one of its rows to the next."""

    axis: int
    length: int
    stride: int


@dataclass(frozen=True)
class _Reading:
    """Which rows of an operand, in the window, make the newest rows of an output: from ``first``
    to before ``end``."""

    first: int
    end: int


class _Lanes:
    """How the values of a window go along the time.

    of: those that do; ways: of each node that goes along it how it does so, for each operand, None
    for one that is the same at all times; whole: the origin of the first layer that is given all of
    the time, of a view the one behind it, and why; hop: steps of the inputs after which each lane
    has moved by whole rows.
    """

    def __init__(self, graph: Graph, inputs: dict[Value, int]) -> None:
        self.of = {v: _Lane(axis, v.type.shape[axis], 1) for v, axis in inputs.items()}
        self.ways: dict[Node, list[Along | None]] = {}
        self.whole: str | None = None
        self.why = ""
        self.uses = graph.uses()
        self.varying = set(graph.inputs)
        """What differs from run to run."""
        for node in graph.nodes:
            if self.varying.isdisjoint(node.inputs):
                continue
            self.varying.update(node.outputs)
            if not self.of.keys().isdisjoint(node.inputs):
                self._go(node)
        self.hop = math.lcm(*(lane.stride for lane in self.of.values()))

    def _go(self, node: Node) -> None:
        ways: list[Along | None] = []
        for i, value in enumerate(node.inputs):
            lane = self.of.get(value)
            way = None if lane is None else node.op.along(node, i, lane.axis)
            if lane is not None and way is None:
                return self._all_of(node, f"needs all {lane.length} steps at once")
            ways.append(way)
        if any(v in self.varying and v not in self.of for v in node.inputs):
            return self._all_of(node, "has an operand that is new as a whole each time")
        strides = {self.of[v].stride * w.stride for v, w in _pairs(node, ways)}
        axes = {w.axis for _, w in _pairs(node, ways)}
        lengths = {rows(node, w) for _, w in _pairs(node, ways)}
        if len(axes) != 1 or len(lengths) != 1:
            return self._all_of(node, "joins operands along different axes")
        for value, way in _pairs(node, ways):
            self._expect_no_padding(node, way, self.of[value].length)
        (axis,), (length,) = axes, lengths
        if axis is not None and length > 1:
            if len(strides) != 1:
                return self._all_of(node, "joins operands that move at different paces")
            self.of.update(dict.fromkeys(node.outputs, _Lane(axis, length, strides.pop())))
        self.ways[node] = ways
        return None

    def _all_of(self, node: Node, why: str) -> None:
        while node.op.view and node.output in self.uses:
            node = self.uses[node.output][0]
        if self.whole is None:
            self.whole, self.why = node.origin, why

    def _expect_no_padding(self, node: Node, way: Along, length: int) -> None:
        """Raise CompileError E354 for a layer that sees beyond the ends of the time."""
        before = -way.first
        after = way.first + (rows(node, way) - 1) * way.stride + way.span - length
        if before <= 0 and after <= 0:
            return
        ends = [f"{n} before" for n in (before,) if n > 0] + [
            f"{n} behind" for n in (after,) if n > 0
        ]
        raise CompileError(
            "E354", node.origin,
            f"pads the time ({' and '.join(ends)} its {length} steps): what it makes near an end "
            f"of a window is not what it makes of these steps in the next one",
            "train it without padding along the time (padding='valid'), and crop what is added to "
            "its output likewise",
        )  # fmt: skip


def rows(node: Node, way: Along) -> int:
    """How many rows the outputs of a node have along the time."""
    return 1 if way.axis is None else node.outputs[0].type.shape[way.axis]


def _pairs(node: Node, ways: Sequence[Along | None]) -> Iterator[tuple[Value, Along]]:
    for value, way in zip(node.inputs, ways, strict=True):
        if way is not None:
            yield value, way


class _Rewrite:
    """new: the newest rows of each value along the time, or all of another; kept: the last rows of
    one of which more than the newest are read."""

    def __init__(self, graph: Graph, lanes: _Lanes) -> None:
        self.graph, self.lanes = graph, lanes
        self.new: dict[Value, Value] = {}
        self.kept: dict[Value, Value] = {}
        self.cuts: dict[tuple[Value, int, int], Value] = {}
        self.nodes: list[Node] = []
        self.states: list[State] = []
        self.most = self._most_read()
        zeros = [np.full(v.type.shape, v.type.zero_point, v.type.dtype.numpy) for v in graph.inputs]
        self.before = interpret(graph, zeros)

    def made(self) -> Graph:
        for value in self.graph.inputs:
            self._add(value)
        inputs = tuple(self.new[v] for v in self.graph.inputs)
        for node in self.graph.nodes:
            self._take(node)
        outputs = tuple(self.new.get(v, v) for v in self.graph.outputs)
        return replace(
            self.graph, inputs=inputs, outputs=outputs, nodes=tuple(self.nodes),
            states=tuple(self.states),
        )  # fmt: skip

    def _newest(self, value: Value) -> int:
        """How many rows of a lane are new in each run."""
        lane = self.lanes.of[value]
        return min(self.lanes.hop // lane.stride, lane.length)

    def _readings(self, node: Node) -> Iterator[tuple[Value, _Reading]]:
        """What a node reads of each operand along the time."""
        ways = self.lanes.ways.get(node)
        for i, value in enumerate(node.inputs):
            lane = self.lanes.of.get(value)
            if lane is None:
                continue
            first, end = 0, lane.length
            if ways is not None and (way := ways[i]) is not None:
                count = rows(node, way)
                first = way.first + (count - self._made(node)) * way.stride
                # Fewer rows than a stride make no further one, and need not be cut off.
                end = min(way.first + count * way.stride + way.span - 1, lane.length)
            yield value, _Reading(first, end)

    def _made(self, node: Node) -> int:
        """How many rows a node makes that goes along the time."""
        lane = node.outputs[0]
        return self._newest(lane) if lane in self.lanes.of else 1

    def _most_read(self) -> dict[Value, int]:
        """How many of the last rows of each lane are read in all, also by another name."""
        most = {value: self._newest(value) for value in self.lanes.of}
        for node in reversed(self.graph.nodes):
            for value, reading in self._readings(node):
                read = self.lanes.of[value].length - reading.first
                if self._renames(node):
                    read = max(read, most[node.output])
                most[value] = max(most[value], read)
        return most

    def _renames(self, node: Node) -> bool:
        """Whether its output has the rows of its operand, which is what is kept then."""
        return node.op.view and node in self.lanes.ways and node.output in self.lanes.of

    def _add(self, value: Value) -> None:
        """The newest rows of a value, and what is kept of it, from now on."""
        lane = self.lanes.of.get(value)
        if lane is None:
            self.new[value] = value
            return
        new = self.new[value] = self._long(value, self._newest(value), value.name)
        if self.most[value] == self._newest(value) or value in self.kept:
            return
        entry = self._long(value, self.most[value], f"{value.name}/before")
        window = self.kept[value] = replace(entry, name=f"{value.name}/window")
        self.nodes.append(Node(Slide(lane.axis), (new, entry), (window,), value.origin))
        initial = np.ascontiguousarray(_last(self.before[value], lane.axis, self.most[value]))
        self.states.append(State(entry, window, initial))

    def _take(self, node: Node) -> None:
        """A node of what is new."""
        readings = dict(self._readings(node))
        inputs = tuple(
            self._read(v, readings[v]) if v in readings else self.new.get(v, v) for v in node.inputs
        )
        op = node.op
        if node in self.lanes.ways:
            op = op.shortened(self.lanes.of[next(iter(readings))].axis, self._made(node))
        if self._renames(node):
            self._rename(node)
        at = len(self.nodes)
        for value in node.outputs:
            self._add(value)
        outputs = tuple(self.new[v] for v in node.outputs)
        self.nodes.insert(at, replace(node, op=op, inputs=inputs, outputs=outputs))

    def _rename(self, node: Node) -> None:
        """What is kept of the output of a view: rows of what is kept of its operand."""
        value, most = node.output, self.most[node.output]
        if most > self._newest(value):
            length = self.lanes.of[value].length
            source = self._read(node.inputs[0], _Reading(length - most, length))
            window = self.kept[value] = self._long(value, most, f"{value.name}/window")
            self.nodes.append(Node(node.op, (source,), (window,), node.origin))

    def _read(self, value: Value, reading: _Reading) -> Value:
        """Rows of a value along the time."""
        lane, source = self.lanes.of[value], self.new[value]
        if lane.length - reading.first > self._newest(value):
            source = self.kept[value]
        held = source.type.shape[lane.axis]
        first, count = reading.first - (lane.length - held), reading.end - reading.first
        if count == held:
            return source
        key = source, first, count
        if key not in self.cuts:
            begin, sizes = [0] * len(source.type.shape), list(source.type.shape)
            begin[lane.axis], sizes[lane.axis] = first, count
            cut = self._long(value, count, f"{value.name}/{first}..{first + count}")
            op = Slice(tuple(begin), (1,) * len(begin), tuple(sizes))
            self.nodes.append(Node(op, (source,), (cut,), value.origin))
            self.cuts[key] = cut
        return self.cuts[key]

    def _long(self, value: Value, count: int, name: str) -> Value:
        """A value with ``count`` rows along the time."""
        axis, shape = self.lanes.of[value].axis, value.type.shape
        type = replace(value.type, shape=(*shape[:axis], count, *shape[axis + 1 :]))
        return Value(name, type, value.origin)


def _last(array: Array, axis: int, count: int) -> Array:
    return np.split(array, [array.shape[axis] - count], axis)[1]
