"""A network as a stream gives, frame by frame, what it gives for the window that ends with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but

from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, build
from tinyc.ir import (
    DType,
    Graph,
    Node,
    Op,
    Quant,
    State,
    TensorType,
    Value,
    interpret,
    kept,
    verify,
)
from tinyc.ops.add import Add
from tinyc.ops.average_pool import AveragePool2d
from tinyc.ops.concat import Concat
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.max_pool import MaxPool2d
from tinyc.ops.pad import Pad
from tinyc.ops.reduce import Mean
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.ops.slice import Slice
from tinyc.ops.slide import Slide
from tinyc.ops.softmax import OUTPUT, Softmax
from tinyc.ops.transpose import Transpose
from tinyc.passes import optimize
from tinyc.passes.stream import Stream, stream
from tinyc.plan import plan
from tinyc.run import emulators, run
from tinyc.run.host import run_host
from tinyc.target.boards import load_board

QUANT = Quant((0.05,), (-11,))
NO_PADDING = ((0, 0), (0, 0))
Pair = tuple[int, int]


class Net:
    """Layers of int8 with random weights, along the time at axis 1 of [1, t, 1, c]."""

    def __init__(self, *inputs: Sequence[int]) -> None:
        self.rng = np.random.default_rng(5)
        self.nodes: list[Node] = []
        self.inputs = tuple(self.value(f"x{i}", shape) for i, shape in enumerate(inputs))

    def value(self, name: str, shape: Sequence[int], quant: Quant | None = QUANT) -> Value:
        return Value(name, TensorType(tuple(shape), DType.I8, quant), "test")

    def constant(self, *shape: int) -> Value:
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        return Value("w", TensorType(shape, DType.I8, Quant((0.01,), (0,))), "test", data)

    def bias(self, count: int) -> Value:
        data = self.rng.integers(-900, 900, count).astype(np.int32)
        return Value("b", TensorType((count,), DType.I32), "test", data)

    def add(
        self, op: Op, inputs: Sequence[Value], shape: Sequence[int], quant: Quant = QUANT
    ) -> Value:
        name = f"layer{len(self.nodes)}"
        made = self.value(name, shape, quant)
        self.nodes.append(Node(op, tuple(inputs), (made,), name))
        return made

    def conv(
        self, x: Value, channels: int, k: int, s: int = 1, d: int = 1, pad: Pair = (0, 0)
    ) -> Value:
        _, t, _, depth = x.type.shape
        op = Conv2d((s, 1), (d, 1), (pad, (0, 0)), "relu")
        out = (t + sum(pad) - (k - 1) * d - 1) // s + 1
        operands = (x, self.constant(channels, k, 1, depth), self.bias(channels))
        return self.add(op, operands, (1, out, 1, channels))

    def depthwise(self, x: Value, k: int, s: int = 1, d: int = 1) -> Value:
        _, t, _, c = x.type.shape
        op = DepthwiseConv2d((s, 1), (d, 1), NO_PADDING, "none", multiplier=1)
        out = (t - (k - 1) * d - 1) // s + 1
        return self.add(op, (x, self.constant(1, k, 1, c), self.bias(c)), (1, out, 1, c))

    def pool(self, kind: type[AveragePool2d | MaxPool2d], x: Value, k: int, s: int) -> Value:
        _, t, _, c = x.type.shape
        op = kind((s, 1), NO_PADDING, "none", (k, 1))
        return self.add(op, (x,), (1, (t - k) // s + 1, 1, c))

    def crop(self, x: Value, before: int, after: int) -> Value:
        _, t, _, c = x.type.shape
        sizes = (1, t - before - after, 1, c)
        return self.add(Slice((0, before, 0, 0), (1, 1, 1, 1), sizes), (x,), sizes)

    def join(self, a: Value, b: Value) -> Value:
        return self.add(Add("none"), (a, b), a.type.shape)

    def dense(self, x: Value, units: int) -> Value:
        depth = x.type.elements
        flat = self.add(Reshape(), (x,), (1, depth))
        op = FullyConnected("none")
        return self.add(op, (flat, self.constant(units, depth), self.bias(units)), (1, units))

    def graph(self, *outputs: Value) -> Graph:
        return verify(Graph("net", self.inputs, outputs, tuple(self.nodes)))


def plain() -> Graph:
    """Ends in a mean over what is left of the time."""
    net = Net((1, 20, 1, 3))
    y = net.depthwise(net.conv(net.inputs[0], 4, k=3), k=4)
    y = net.add(Mean((1, 2), False), (net.conv(y, 5, k=1),), (1, 5))
    return net.graph(net.dense(y, 2))


def strides() -> Graph:
    """By 3 and by 2, of a window that is no multiple of 6, whose last steps nothing reads."""
    net = Net((1, 29, 1, 2))
    y = net.conv(net.conv(net.inputs[0], 4, k=4, s=3), 3, k=3, s=2)
    return net.graph(net.dense(y, 2))


def dilated() -> Graph:
    """Until the last kernel is as large as its input, and its stride nothing."""
    net = Net((1, 21, 1, 2))
    y = net.depthwise(net.conv(net.inputs[0], 4, k=3, d=2), k=2, d=5)
    return net.graph(net.conv(y, 3, k=y.type.shape[1], s=2))


def residual() -> Graph:
    """Branches of different delays: cropped at both ends, and at the front alone."""
    net = Net((1, 17, 1, 4))
    (x,) = net.inputs
    y = net.join(net.conv(x, 4, k=3), net.crop(x, 1, 1))
    z = net.join(net.depthwise(y, k=2, d=3), net.crop(y, 3, 0))
    z = net.join(net.crop(y, 0, 3), z)
    return net.graph(net.dense(z, 3))


def two_inputs() -> Graph:
    """Two inputs and two outputs, one of which goes along the time."""
    net = Net((1, 12, 1, 2), (1, 12, 1, 3))
    a, b = (net.conv(x, 3, k=3) for x in net.inputs)
    both = net.add(Concat(3), (a, b), (1, 10, 1, 6))
    steps = net.add(Reshape(), (net.conv(both, 4, k=2),), (1, 9, 4))
    scores = net.add(Softmax(1.0), (steps,), (1, 9, 4), OUTPUT)
    return net.graph(scores, net.dense(both, 2))


def pools() -> Graph:
    """Poolings over pieces of the time, then over all that is left."""
    net = Net((1, 23, 1, 3))
    y = net.pool(AveragePool2d, net.pool(MaxPool2d, net.conv(net.inputs[0], 3, 2), 3, 2), 2, 1)
    return net.graph(net.pool(AveragePool2d, y, y.type.shape[1], y.type.shape[1]))


def channels_first() -> Graph:
    """[1, c, t], and the newest and the oldest step of what is computed."""
    net = Net((1, 3, 11))
    x = net.add(Transpose((0, 2, 1)), net.inputs, (1, 11, 3))
    y = net.conv(net.add(Reshape(), (x,), (1, 11, 1, 3)), 4, k=3)
    last = net.add(Slice((0, 8, 0, 0), (1,) * 4, (1, 1, 1, 4)), (y,), (1, 4))
    first = net.add(Slice((0, 0, 0, 0), (1,) * 4, (1, 1, 1, 4)), (y,), (1, 1, 1, 4))
    return net.graph(net.dense(last, 2), first)


def paces() -> Graph:
    """Branches that move by one and by two steps, which join in the window alone."""
    net = Net((1, 9, 1, 3))
    (x,) = net.inputs
    slow, fast = net.conv(x, 3, k=3, s=2), net.conv(x, 3, k=6)
    y = net.conv(net.join(slow, fast), 2, k=3)
    return net.graph(net.dense(y, 2))


def renamed() -> Graph:
    """Rows that are read under several names, of different ranks."""
    net = Net((1, 14, 1, 3))
    y = net.conv(net.inputs[0], 4, k=3)
    flat = net.add(Reshape(), (y,), (1, 12, 4))
    cut = net.add(Slice((0, 2, 0), (1, 1, 1), (1, 8, 4)), (flat,), (1, 8, 4))
    deep = net.add(Reshape(), (net.conv(y, 4, k=3, d=2),), (1, 8, 4))
    z = net.join(cut, net.join(deep, net.add(Reshape(), (net.crop(y, 4, 0),), (1, 8, 4))))
    return net.graph(net.add(Mean((1,), False), (z,), (1, 4)))


NETS = {
    make.__name__: make
    for make in (
        plain,
        strides,
        dilated,
        residual,
        renamed,
        two_inputs,
        pools,
        channels_first,
        paces,
    )
}


def made(name: str) -> Stream:
    graph = NETS[name]()
    return stream(graph, 2 if len(graph.inputs[0].type.shape) == 3 else 1)


def frames_of(found: Stream, count: int = 14) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames, and with which of them a sequence begins."""
    rng = np.random.default_rng(7)
    shapes = [v.type.shape for v in found.graph.inputs]
    starts = np.zeros(count, bool)
    starts[[0, count - 3]] = True
    return [rng.integers(-128, 128, (count, *s)).astype(np.int8) for s in shapes], starts


def expected(found: Stream, frames: list[np.ndarray], starts: np.ndarray) -> list[np.ndarray]:
    """What the network of the window gives."""
    zeros = [v.type.zero_point for v in found.graph.inputs]
    windows = found.windows(frames, starts, zeros)
    ran = [interpret(found.window, [w[i] for w in windows]) for i in range(len(starts))]
    outputs = [np.stack([values[v] for values in ran]) for v in found.window.outputs]
    return found.newest(outputs)


def bytes_of(outputs: list[np.ndarray]) -> bytes:
    return b"".join(array[i].tobytes() for i in range(len(outputs[0])) for array in outputs)


def drawn(seed: int) -> Graph:
    """Layers, each of one of the last three, whose windows, strides and crops are drawn."""
    rng = np.random.default_rng(seed)
    net = Net((1, int(rng.integers(8, 40)), 1, 3))
    values = [*net.inputs]
    while len(values) < 7:
        x = values[int(rng.integers(max(0, len(values) - 3), len(values)))]
        _, t, _, c = x.type.shape
        k, s, d = int(rng.integers(1, 5)), int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 2]))
        alike = [v for v in values if v.type.shape[1] == t]
        other = alike[int(rng.integers(len(alike)))]
        kind = int(rng.integers(5)) if (k - 1) * d < t else 4
        if kind == 0:
            y = net.conv(x, int(rng.integers(1, 6)), k, s, d)
        elif kind == 1:
            y = net.depthwise(x, k, s, d)
        elif kind == 2:
            y = net.pool((MaxPool2d, AveragePool2d)[seed % 2], x, k, s)
        elif kind == 3:
            y = net.crop(x, *((1, 1) if t > 3 else (0, t - 1)))
        elif other.type.shape == x.type.shape:
            y = net.join(x, other)
        else:
            y = net.add(Concat(3), (x, other), (1, t, 1, c + other.type.shape[3]))
        values.append(y)
    return net.graph(values[-2], net.dense(values[-1], 2))


@pytest.mark.slow
def test_any_network_is_exact_or_refused() -> None:
    refused, hops = 0, set()
    for seed in range(30):
        try:
            found = stream(drawn(seed), 1)
        except CompileError as error:
            assert error.id == "E354"  # nothing is gained
            refused += 1
            continue
        hops.add(found.frames.steps)
        assert_exact(found)
    assert refused < 10 and {1, 2, 3} < hops


@pytest.mark.parametrize("name", NETS)
def test_a_stream_is_its_sliding_window(name: str) -> None:
    found = made(name)
    assert found.frames.steps == {"strides": 6, "pools": 2, "paces": 2}.get(name, 1)
    assert_exact(found)


def assert_exact(found: Stream) -> None:
    """Each run gives what the network of the window gives, before and after the passes."""
    frames, starts = frames_of(found)
    want = expected(found, frames, starts)
    for graph in (verify(found.graph), optimize(found.graph)):
        states = None
        for i, start in enumerate(starts):
            values = interpret(graph, [x[i] for x in frames], None if start else states)
            states = kept(graph, values)
            for v, y in zip(graph.outputs, want, strict=True):
                np.testing.assert_array_equal(values[v], y[i])


def test_windows_end_with_what_is_new() -> None:
    found = made("strides")
    x = np.arange(6 * 6 * 2).reshape(6, 1, 6, 1, 2).astype(np.int8)
    starts = np.array([True, False, False, False, False, True])
    (windows,) = found.windows([x], starts, [-11])
    recording = x[:5].reshape(1, 30, 1, 2)
    np.testing.assert_array_equal(windows[4], recording[:, 1:])
    np.testing.assert_array_equal(windows[1, :, -12:], recording[:, :12])
    assert (windows[1, :, :-12] == -11).all() and (windows[5, :, :-6] == -11).all()


def test_what_is_kept_is_what_is_read() -> None:
    """No more rows than layers read, one place for what several read, and no MAC twice."""
    kept_rows = {name: [s.entry.type.shape[1] for s in made(name).graph.states] for name in NETS}
    assert kept_rows["plain"] == [3, 4, 15]
    assert kept_rows["strides"] == [8, 3, 4]
    assert kept_rows["dilated"] == [5, 6, 12]
    assert kept_rows["residual"] == [3, 4, 12]
    assert kept_rows["renamed"] == [3, 5, 8]
    found = made("dilated")
    macs = [sum(n.op.macs(n) for n in g.nodes) for g in (found.window, found.graph)]
    assert macs == [17 * 24 + 12 * 8 + 144, 24 + 8 + 144]
    assert found.frames.whole is None and made("plain").frames.whole == "layer3"


def test_a_window_moves_where_it_lies() -> None:
    """The states are renewed in place, so that nothing is copied after a run."""
    found = made("plain")
    lowered = plan(optimize(found.graph), "host", frozenset())
    assert not lowered.carries
    held = sum(s.entry.type.bytes for s in found.graph.states)
    assert lowered.arena_bytes < held + 80


@pytest.mark.parametrize("name", slow_but(["residual"], NETS))
def test_the_host_streams(name: str) -> None:
    found = made(name)
    frames, starts = frames_of(found)
    lowered = plan(optimize(found.graph), "host", frozenset())
    ran = run_host(emit(lowered), rows(frames, starts), sanitize=True)
    assert ran.tobytes() == bytes_of(expected(found, frames, starts))


@pytest.mark.parametrize("board", ["mps2_an386", "nucleo_g0b1re"])
@pytest.mark.parametrize("name", slow_but(["strides"], NETS))
def test_the_emulated_core_streams(name: str, board: str, tmp_path: Path) -> None:
    found, target = made(name), load_board(board)
    frames, starts = frames_of(found)
    lowered = plan(optimize(found.graph), target.core.name, target.core.features)
    options = BuildOptions(emulators()["unicorn"].main)
    image = build(emit(lowered), target, None, tmp_path / "out", options)
    ran = run(image, rows(frames, starts), emulator="unicorn")
    assert ran.outputs.tobytes() == bytes_of(expected(found, frames, starts))


def rows(frames: list[np.ndarray], starts: np.ndarray) -> np.ndarray:
    """Each run's flag and inputs, as firmware reads them."""
    flat = [
        starts.astype(np.uint8)[:, None],
        *(x.reshape(len(x), -1).view(np.uint8) for x in frames),
    ]
    return np.concatenate(flat, 1)


def test_padding_along_the_time_is_refused() -> None:
    net = Net((1, 9, 1, 2))
    net.conv(net.conv(net.inputs[0], 3, k=3), 3, k=3, pad=(1, 1))
    with pytest.raises(CompileError, match=r"E354 layer1: pads the time \(1 before and 1 behind"):
        stream(net.graph(net.nodes[-1].output), 1)
    # Along the other axis it may.
    net.nodes[1] = replace(net.nodes[1], op=Conv2d((1, 1), (1, 1), ((0, 0), (1, 1)), "none"))
    y = net.nodes[1] = replace(net.nodes[1], outputs=(net.value("y", (1, 5, 3, 3)),))
    assert stream(net.graph(y.output), 1).frames.steps == 1


def test_causal_padding_is_refused() -> None:
    net = Net((1, 9, 1, 2))
    padding = ((0, 0), (2, 0), (0, 0), (0, 0))
    y = net.conv(net.add(Pad(padding, -11), net.inputs, (1, 11, 1, 2)), 3, k=3)
    with pytest.raises(CompileError, match=r"E354 layer0: pads the time \(2 before its 9 steps\)"):
        stream(net.graph(y), 1)


def test_a_network_that_gains_nothing_is_refused() -> None:
    net = Net((1, 9, 1, 2))
    with pytest.raises(CompileError, match="E354 layer1: needs all 9 steps at once, so that"):
        stream(net.graph(net.dense(net.inputs[0], 3)), 1)


def test_a_network_with_states_is_refused() -> None:
    x, old, new = (TensorType((1, n, 2), DType.I8, QUANT) for n in (1, 4, 4))
    values = [Value(n, t, "test") for n, t in zip("xon", (x, old, new), strict=True)]
    node = Node(Slide(1), (values[0], values[1]), (values[2],), "slide")
    state = State(values[1], values[2], np.zeros(old.shape, np.int8))
    graph = Graph("net", (values[0],), (values[2],), (node,), states=(state,))
    with pytest.raises(CompileError, match="E354 test: keeps a state of its own"):
        stream(graph, 1)


@pytest.mark.parametrize("axis", [0, 2, 4])
def test_an_axis_without_length_is_refused(axis: int) -> None:
    with pytest.raises(CompileError, match=f"E209 --stream: {axis} is no axis longer than 1"):
        stream(plain(), axis)


def test_inputs_of_different_lengths_are_refused() -> None:
    net = Net((1, 9, 1, 2), (1, 8, 1, 2))
    a, b = net.inputs
    y = net.add(Relu("relu"), (a,), a.type.shape)
    with pytest.raises(CompileError, match="E209 --stream: 1 is an axis of several lengths"):
        stream(net.graph(y, net.add(Relu("relu"), (b,), b.type.shape)), 1)
