"""What every layout of the arena must keep, on whatever buffers and networks there are."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from test_passes import value

from tinyc.frontends.tflite import read
from tinyc.ir import Graph, Node, State, verify
from tinyc.ops.add import Add
from tinyc.ops.concat import Concat
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.passes import optimize
from tinyc.plan import ALIGN, Plan, Step, plan
from tinyc.plan.arena import _Buffer, _pack
from tinyc.plan.chain import bytes_of

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


def check(buffers, size: int, steps: tuple[Step, ...] = ()) -> int:
    """Assert that a layout in ``size`` bytes is sound; returns the most bytes that are in use at
    once."""
    for i, buffer in enumerate(buffers):
        assert buffer.offset % ALIGN == 0
        assert buffer.offset >= 0 and buffer.offset + buffer.bytes <= size
        for other in buffers[:i]:
            if overlap(buffer, other):
                assert grows(*sorted((buffer, other), key=lambda b: b.first), steps)
    most = 0
    for step in {b.first for b in buffers}:
        used = np.zeros(size, bool)
        for b in buffers:
            if b.first <= step <= b.last:
                used[b.offset : b.offset + b.bytes] = True
        most = max(most, int(used.sum()))
    return most


def grows(read, made, steps: tuple[Step, ...]) -> bool:
    """Whether a layer writes each row of one buffer where it has read what another held: row after
    row, by the definition of a window."""
    assert read.last == made.first
    node = steps[made.first].node
    x, y = node.inputs[0].type, node.output.type
    assert node.variable_inputs == node.inputs[:1] and x.shape[0] == 1
    assert node.inputs[0] in read.values and node.output in made.values
    (stride, _), (dilation, _), ((top, _), _) = node.op.stride, node.op.dilation, node.op.padding
    taps = np.arange(node.op.window(node)[0]) * dilation
    seen = [[r for r in i * stride - top + taps if 0 <= r < x.shape[1]] for i in range(y.shape[1])]
    for i in range(y.shape[1]):
        end = made.offset + (i + 1) * y.bytes // y.shape[1]
        needed = [row for rows in seen[i:] for row in rows]
        if needed and end > read.offset + min(needed) * x.bytes // x.shape[1]:
            return False
    return True


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=24))
def test_buffers_that_are_alive_together_lie_apart(buffers: list[_Buffer]) -> None:
    size = _pack(buffers)
    assert check(buffers, size) <= size <= sum(b.bytes + ALIGN for b in buffers)


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
    most = check(planned.buffers, planned.arena_bytes, planned.steps)
    # The bound is of whole places, which are multiples of the alignment.
    assert most <= planned.peak[1] <= planned.arena_bytes
    assert f"most at once: {planned.peak[1]:,} bytes in layer {planned.peak[0]}" in str(planned)
    at = {value: buffer for buffer in planned.buffers for value in buffer.values}
    assert at.keys() == planned.offsets.keys()
    assert all(at[value].offset == offset for value, offset in planned.offsets.items())
    for step in planned.steps:
        touched = [*step.node.variable_inputs, *step.node.outputs]
        assert all(at[v].first <= step.index <= at[v].last for v in touched)
        assert all(at[v].bytes >= bytes_of(v, planned.chains) for v in touched)
    for kept in planned.graph.results:
        assert kept.constant or at[kept].last == len(planned.steps)


@settings(max_examples=40, deadline=None)
@given(networks())
def test_networks_lie_apart(net: Graph) -> None:
    sound(plan(net, "Cortex-M4", frozenset({"dsp"})))


@pytest.mark.parametrize("name", ["digits-int8", "cifar10-bnn"])
def test_recipes_lie_apart(name: str) -> None:
    network = optimize(read(ROOT / "recipes" / f"{name}.tflite"))
    sound(plan(network, "Cortex-M4", frozenset({"dsp", "fpu"})))
