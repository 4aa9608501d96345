"""What every layout of the arena must keep, on whatever buffers and networks there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from test_passes import value

from tinyc.frontends.tflite import read
from tinyc.ir import Graph, Node, State, Value, verify
from tinyc.ops._mixins import Windowed
from tinyc.ops.add import Add
from tinyc.ops.concat import Concat
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.passes import optimize
from tinyc.plan import ALIGN, Chain, Plan, Step, plan
from tinyc.plan.arena import _Buffer, _pack, aliases
from tinyc.plan.chain import bytes_of, counted_bytes

PIECES = st.builds(
    lambda size, first, life: _Buffer(size, first, first + life),
    st.integers(0, 300), st.integers(-1, 12), st.integers(0, 13),
)  # fmt: skip


def overlap(a, b) -> bool:
    """Whether two buffers of some bytes are in use in the same step and share a byte."""
    together = a.first <= b.last and b.first <= a.last
    return (
        together and a.offset < b.offset + b.bytes and b.offset < a.offset + a.bytes
        and min(a.bytes, b.bytes) > 0
    )  # fmt: skip


def check(buffers, size: int) -> None:
    """Assert that a layout lies in ``size`` bytes."""
    for buffer in buffers:
        assert buffer.offset % ALIGN == 0
        assert buffer.offset >= 0 and buffer.offset + buffer.bytes <= size


class Replay:
    """A run of a plan in a memory that knows of each byte which one of which tensor it holds.
    Layers read what their operators say, row by row where they go by rows, and must find it."""

    NOTHING, COUNTS = -1, -2

    def __init__(self, planned: Plan) -> None:
        self.plan = planned
        self.memory = np.full(planned.arena_bytes, self.NOTHING, np.int64)
        self.roots = aliases(planned.graph)
        self.base: dict[Value, int] = {}
        for source in planned.graph.sources:
            if planned.fed is None:
                self.write(source, 0, source.type.bytes)
        chains = {chain.first: chain for chain in planned.chains}
        counted = sum(counted_bytes(chain) for chain in planned.chains)
        counts = self.memory[planned.counted : planned.counted + counted]
        counts[:] = self.COUNTS
        for step in planned.steps:
            if step.index in chains:
                self.turns(chains[step.index])
            elif not step.part:
                self.step(step)
        carried = {exit for exit, _ in planned.carries}
        for result in {*planned.graph.lasting} - carried:
            if not result.constant:
                self.read(result, 0, result.type.bytes)
        assert (counts == self.COUNTS).all() and counted % 4 == 0

    def bytes(self, value: Value, start: int, end: int) -> np.ndarray:
        root = self.roots.get(value, value)
        first = self.base.setdefault(root, sum(v.type.bytes for v in self.base))
        return first + np.arange(start, end)

    def write(self, value: Value, start: int, end: int, at: int | None = None) -> None:
        at = self.plan.offsets[value] + start if at is None else at
        self.memory[at : at + end - start] = self.bytes(value, start, end)

    def read(self, value: Value, start: int, end: int, at: int | None = None) -> None:
        at = self.plan.offsets[value] + start if at is None else at
        found = self.memory[at : at + end - start]
        np.testing.assert_array_equal(found, self.bytes(value, start, end), err_msg=value.name)

    def work(self, step: Step) -> None:
        """Use working memory."""
        at = step.scratch_offset
        self.memory[at : at + step.binding.scratch] = self.NOTHING

    def step(self, step: Step) -> None:
        node = step.node
        if step.binding.ordered and node.inputs[0].type.shape[0] == 1:
            for (start, end), needed in parts(step):
                for _ in range(2):  # before the part is written, and while it is
                    self.work(step)
                    for place in needed:
                        self.read(node.inputs[0], *place)
                    self.write(node.output, start, end)
            return
        self.work(step)
        for x in node.variable_inputs:
            self.read(x, 0, x.type.bytes)
        for y in node.outputs:
            self.write(y, 0, y.type.bytes)
        self.work(step)
        side = self.plan.graph.side
        if side is not None and side.sure in node.outputs:  # where the run may end
            self.read(side.scores, 0, side.scores.type.bytes)

    def read_rows(self, value: Value, first: int, end: int, at: int | None = None) -> None:
        size = value.type.bytes // value.type.shape[1]
        self.read(value, first * size, end * size, at)

    def turns(self, chain: Chain) -> None:
        """What `tinyc_rows.h` does, from the rows that each row of an output sees."""
        stages = [stage.step for stage in chain.stages]
        stages = [self.plan.steps[step.index] for step in stages]
        made = [step.node.output for step in stages]
        height = {
            v: v.type.shape[1] for s in stages for v in (*s.node.variable_inputs, *s.node.outputs)
        }
        first = dict.fromkeys(height, 0)
        end = {v: 0 if v in made or v is chain.fed else rows for v, rows in height.items()}
        taken = dict.fromkeys(made, 0)
        reaches = {stage.output: stage.reach for stage in chain.stages}

        def needed(image: Value) -> int:
            """The first row that a layer still asks for."""
            found = []
            for stage in chain.readers[image]:
                y, reach = stage.output, stage.reach
                first = taken[y] if stage.part == "sum" else end[y] * reach.stride - reach.top
                found.append(min(max(first, 0), end[image]))
            return min(found)

        waiting = set(made).intersection(self.plan.parked)

        def come() -> None:
            """Rows are fed until the first layer can make what it makes at a time."""
            (x,) = stages[0].node.variable_inputs
            size = x.type.bytes // height[x]
            while end[x] < height[x]:
                y, reach = made[0], reaches[made[0]]
                until, rows = taken[y] + chain.most, height[x]
                if chain.stages[0].part != "sum":
                    last = end[y] + chain.most - 1
                    until, rows = last * reach.stride - reach.top + reach.rows, height[y] - last
                if end[x] >= until and rows > 0:
                    return
                at = self.plan.offsets[x] + (end[x] - first[x]) * size
                self.write(x, end[x] * size, (end[x] + 1) * size, at)
                end[x] += 1
                assert end[x] - first[x] <= chain.rings[x].rows

        def fetch(*images: Value) -> None:
            """Rows that wait come to where they are worked with."""
            for x in waiting.intersection(images):
                self.move(x, self.plan.parked[x], self.plan.offsets[x], first[x], end[x])
                waiting.remove(x)

        while any(end[v] < height[v] for v in made):
            if chain.fed is not None:
                come()
            for step in stages:
                y = step.node.output
                size = y.type.bytes // height[y]
                if step.part == "sum":
                    (x,) = step.node.variable_inputs
                    if taken[y] < end[x]:
                        fetch(y, x)
                        self.row(x, taken[y], end[x], first)
                        self.work(step)
                        taken[y] = end[x]
                    if taken[y] == height[x]:
                        self.write(y, 0, y.type.bytes)
                        end[y] = 1
                else:
                    for _ in range(chain.most):
                        if end[y] == height[y]:
                            break
                        reach = reaches[y]
                        until = end[y] * reach.stride - reach.top + reach.rows
                        xs = step.node.variable_inputs
                        if any(until > end[x] < height[x] for x in xs):
                            break
                        fetch(y, *xs)
                        for x in xs:
                            for row in seen(step.node, end[y]):
                                self.row(x, row, row + 1, first)
                        self.work(step)
                        at = self.plan.offsets[y] + (end[y] - first[y]) * size
                        self.write(y, end[y] * size, (end[y] + 1) * size, at)
                        end[y] += 1
                    if y in chain.rings:
                        assert end[y] - first[y] <= chain.rings[y].rows
                for x in step.node.variable_inputs:
                    if x in waiting:
                        continue
                    if x in chain.rings and chain.readers[x][-1].step.index == step.index:
                        keep = needed(x)
                        at, size = self.plan.offsets[x], x.type.bytes // height[x]
                        self.move(
                            x, at + (keep - first[x]) * size, self.plan.parked.get(x, at), keep,
                            end[x],
                        )  # fmt: skip
                        first[x] = keep
                        if x in self.plan.parked:
                            assert end[x] - keep <= chain.rings[x].stay
                            waiting.add(x)

    def move(self, value: Value, at: int, to: int, first: int, end: int) -> None:
        """Rows from one place to another."""
        size = (end - first) * value.type.bytes // value.type.shape[1]
        self.memory[to : to + size] = self.memory[at : at + size].copy()

    def row(self, value: Value, start: int, end: int, first) -> None:
        size = value.type.bytes // value.type.shape[1]
        at = self.plan.offsets[value] + (start - first[value]) * size
        self.read_rows(value, start, end, at)


def parts(step: Step) -> Iterator[tuple[tuple[int, int], list[tuple[int, int]]]]:
    """The bytes of the output that an ordered layer makes one after the other, and those of the
    input that each needs: as many rows, or pixels of a pointwise layer, as are made at a time."""
    node = step.node
    x, y = node.inputs[0].type, node.output.type
    pointwise = isinstance(node.op, Conv2d) and node.op.window(node) == (1, 1)
    if pointwise and node.op.stride == (1, 1) and x.shape[:3] == y.shape[:3]:
        pixels, tile = x.shape[1] * x.shape[2], step.binding.tile
        read, made = x.bytes // pixels, y.bytes // pixels
        for first in range(0, pixels, tile):
            end = min(first + tile, pixels)
            yield (first * made, end * made), [(first * read, end * read)]
        return
    read, made = x.bytes // x.shape[1], y.bytes // y.shape[1]
    for first in range(0, y.shape[1], step.binding.rows):
        end = min(first + step.binding.rows, y.shape[1])
        needed = [(r * read, (r + 1) * read) for i in range(first, end) for r in seen(node, i)]
        yield (first * made, end * made), needed


def seen(node: Node, y: int) -> list[int]:
    """The rows of the input that row ``y`` of an output sees, by the definition of a window."""
    x = node.inputs[0]
    if not isinstance(node.op, Windowed):
        return [y]
    (stride, _), (dilation, _), ((top, _), _) = node.op.stride, node.op.dilation, node.op.padding
    taps = y * stride - top + np.arange(node.op.window(node)[0]) * dilation
    return [row for row in taps.tolist() if 0 <= row < x.type.shape[1]]


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=24))
def test_buffers_that_are_alive_together_lie_apart(buffers: list[_Buffer]) -> None:
    size = _pack(buffers)
    assert not any(overlap(a, b) for i, a in enumerate(buffers) for b in buffers[:i])
    check(buffers, size)
    most = max(
        (sum(b.bytes for b in buffers if b.first <= s <= b.last) for s in range(-1, 30)), default=0
    )
    assert most <= size <= sum(b.bytes + ALIGN for b in buffers)


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """Sums, activations in place, renamings and concatenations of earlier values; some values
    are outputs, and one may be a state."""
    rows = draw(st.integers(1, 5))
    x, old = value("x", 1, rows, 7), value("old", 1, rows, 7)
    values, nodes = [x, old], []
    for i in range(draw(st.integers(1, 14))):
        a, b = (draw(st.sampled_from(values)) for _ in range(2))
        y = value(f"v{i}", 1, rows, 7)
        kind = draw(st.sampled_from(("add", "relu", "reshape", "concat")))
        if kind == "add":
            nodes.append(Node(Add("none"), (a, b), (y,), f"{i}"))
        elif kind == "relu":
            nodes.append(Node(Relu("relu"), (a,), (y,), f"{i}"))
        elif kind == "reshape":
            flat = value(f"flat{i}", rows, 7)
            nodes += [
                Node(Reshape(), (a,), (flat,), f"{i}"),
                Node(Relu("relu"), (flat,), (mid := value(f"mid{i}", rows, 7),), f"{i}r"),
                Node(Reshape(), (mid,), (y,), f"{i}b"),
            ]
        else:
            both = value(f"both{i}", 2, rows, 7)
            nodes += [
                Node(Concat(0), (a, b), (both,), f"{i}"),
                Node(Relu("relu"), (both,), (value(f"wide{i}", 2, rows, 7),), f"{i}r"),
                Node(Add("none"), (a, b), (y,), f"{i}a"),
            ]
        values.append(y)
    outputs = draw(st.lists(st.sampled_from(values[2:]), min_size=1, max_size=3, unique=True))
    state = State(old, draw(st.sampled_from(values[2:])), np.zeros((1, rows, 7), np.int8))
    return verify(Graph("net", (x,), tuple(outputs), tuple(nodes), states=(state,)))


def sound(planned: Plan) -> None:
    Replay(planned)
    check(planned.buffers, planned.arena_bytes)
    assert planned.peak[1] <= planned.arena_bytes
    assert f"most at once: {planned.peak[1]:,} bytes in layer {planned.peak[0]}" in str(planned)
    at = {value: buffer for buffer in planned.buffers for value in buffer.values}
    assert at.keys() == planned.offsets.keys()
    assert all(at[value].offset == offset for value, offset in planned.offsets.items())
    for step in planned.steps:
        touched = [*step.node.variable_inputs, *step.node.outputs]
        assert all(at[v].first <= step.index <= at[v].last for v in touched)
        assert all(at[v].bytes >= bytes_of(v, planned.chains) for v in touched)
    for kept in planned.graph.lasting:
        assert kept.constant or at[kept].last == len(planned.steps)


@settings(max_examples=40, deadline=None)
@given(networks())
def test_networks_lie_apart(net: Graph) -> None:
    sound(plan(net, "Cortex-M4", frozenset({"dsp"})))


@pytest.mark.parametrize("name", ["digits-int8", "cifar10-bnn"])
def test_recipes_lie_apart(name: str) -> None:
    network = optimize(read(ROOT / "recipes" / f"{name}.tflite"))
    sound(plan(network, "Cortex-M4", frozenset({"dsp", "fpu"})))
