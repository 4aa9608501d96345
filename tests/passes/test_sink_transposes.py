"""Transpositions sink: the same bits come out, and never more bytes are moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_passes import NO_PADDING, QUANT, assert_exact, constant, graph, kinds

from tinyc.ir import Array, DType, Graph, Node, Op, Quant, TensorType, Value, interpret, verify
from tinyc.ops.add import Add
from tinyc.ops.arg_max import ArgMax
from tinyc.ops.batch_matmul import BatchMatMul
from tinyc.ops.concat import Concat
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.leaky_relu import LeakyRelu
from tinyc.ops.mul import Mul
from tinyc.ops.pad import Pad
from tinyc.ops.reduce import Mean, ReduceMax
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.ops.slice import Slice
from tinyc.ops.softmax import OUTPUT, Softmax
from tinyc.ops.split import Split
from tinyc.ops.transpose import Transpose
from tinyc.passes.sink_transposes import sink_transposes

LAST, SECOND = (0, 2, 3, 1), (0, 3, 1, 2)


class Net:
    """Nodes of one element type after each other."""

    def __init__(self, dtype: DType, seed: int = 0) -> None:
        self.dtype, self.rng = dtype, np.random.default_rng(seed)
        self.nodes: list[Node] = []

    def type(self, *shape: int) -> TensorType:
        return TensorType(shape, self.dtype, QUANT if self.dtype is DType.I8 else None)

    def value(self, *shape: int) -> Value:
        return Value(f"v{len(self.nodes)}", self.type(*shape), f"v{len(self.nodes)}")

    def constant(self, *shape: int) -> Value:
        data = self.rng.integers(-128, 128, shape).astype(self.dtype.numpy)
        return replace(self.value(*shape), name="c", data=data)

    def add(self, op: Op, *inputs: Value, shape: tuple[int, ...] | None = None) -> Value:
        out = self.value(*(inputs[0].type.shape if shape is None else shape))
        if isinstance(op, Softmax) and self.dtype is DType.I8:
            out = replace(out, type=replace(out.type, quant=OUTPUT))
        self.nodes.append(Node(op, inputs, (out,), out.origin))
        return out

    def turn(self, x: Value, *axes: int) -> Value:
        return self.add(Transpose(axes), x, shape=tuple(x.type.shape[a] for a in axes))

    def dense(self, x: Value, outs: int) -> Value:
        depth = x.type.shape[-1]
        if self.dtype is DType.I8:
            weights = self.rng.integers(-128, 128, (outs, depth)).astype(np.int8)
            scales = Quant(tuple(self.rng.uniform(0.01, 0.02, outs)), (0,) * outs)
            bias = self.rng.integers(-99, 99, outs).astype(np.int32)
            operands = constant("w", weights, scales), constant("b", bias)
        else:
            operands = self.constant(outs, depth), self.constant(outs)
        op = FullyConnected("none", keep_num_dims=True)
        return self.add(op, x, *operands, shape=(*x.type.shape[:-1], outs))

    def graph(self, inputs: list[Value], *outputs: Value) -> Graph:
        return graph(inputs, self.nodes, list(outputs))


def moved(g: Graph) -> int:
    return sum(n.output.type.bytes for n in g.nodes if isinstance(n.op, Transpose))


def random_graph(seed: int, dtype: DType) -> Graph:
    """Some twenty nodes that read any of the values before them."""
    net = Net(dtype, seed)
    rng = net.rng
    x = net.value(*map(int, rng.permutation([1, 2, 3, 4])))
    values = [x]
    while len(net.nodes) < 20:
        v = values[int(rng.integers(max(0, len(values) - 4), len(values)))]
        shape = v.type.shape
        rank = len(shape)
        axis = int(rng.integers(rank)) if rank else 0
        choice = int(rng.integers(14))
        if choice < 5:
            values.append(net.turn(v, *map(int, rng.permutation(rank))))
        elif choice == 5:
            values.append(net.add(LeakyRelu(0.5), v))
        elif choice == 6:
            narrow = tuple(1 if rng.random() < 0.5 else d for d in shape)
            values.append(net.add(Add("none"), v, net.constant(*narrow[int(rng.integers(2)) :])))
        elif choice == 7:
            others = [w for w in values if w.type == v.type]
            values.append(net.add(Mul("relu"), v, others[int(rng.integers(len(others)))]))
        elif choice == 8 and v.type.elements < 300 and rank:
            out = (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :])
            values.append(net.add(Concat(axis), v, v, shape=out))
        elif choice == 9 and v.type.elements < 300:
            paddings = tuple((int(a), int(b)) for a, b in rng.integers(0, 2, (rank, 2)))
            out = tuple(d + sum(p) for d, p in zip(shape, paddings, strict=True))
            values.append(net.add(Pad(paddings, 3), v, shape=out))
        elif choice == 10 and rank:
            sizes = tuple(max(1, d - int(rng.integers(2))) for d in shape)
            begin = tuple(d - s for d, s in zip(shape, sizes, strict=True))
            values.append(net.add(Slice(begin, (1,) * rank, sizes), v, shape=sizes))
        elif choice == 11 and rank > 1:
            keep = bool(rng.integers(2))
            axes = tuple(sorted({axis, int(rng.integers(rank))}))
            out = tuple(1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes)
            op = (Mean, ReduceMax)[int(rng.integers(2))](axes, keep)
            values.append(net.add(op, v, shape=out))
        elif choice == 12:
            factors = [d for d in shape if d > 1]
            cut = int(rng.integers(len(factors) + 1))
            left = int(np.prod(factors[:cut], dtype=int))
            out = (left, v.type.elements // left, 1)[: 2 + cut % 2]
            values.append(net.add(Reshape(), v, shape=out))
        elif choice == 13 and rank:
            values.append(net.dense(v, 3))
    return net.graph([x], *values[-3:])


def inputs_of(g: Graph, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-99, 99, v.type.shape).astype(v.type.dtype.numpy) for v in g.inputs]


@pytest.mark.parametrize("dtype", [DType.I8, DType.F32])
def test_random_graphs(dtype: DType) -> None:
    less = 0
    for seed in range(30):
        before = random_graph(seed, dtype)
        after = sink_transposes(before)
        assert_exact(before, after)
        assert moved(after) <= moved(before)
        less += moved(after) < moved(before)
        # Without regard to the order of float sums, the same numbers come out of it.
        verify(free := sink_transposes(before, exact=False))
        assert moved(free) <= moved(after)
        arrays = inputs_of(before, seed)
        ours, reference = interpret(free, arrays), interpret(before, arrays)
        for a, b in zip(before.outputs, free.outputs, strict=True):
            np.testing.assert_allclose(ours[b], reference[a], 1e-4)
    assert less > 10


def convolved(net: Net, x: Value, channels: int) -> Value:
    """A 1x1 convolution of an int8 image [n, h, w, c]."""
    weights = net.rng.integers(-9, 9, (channels, 1, 1, x.type.shape[3])).astype(np.int8)
    operands = (
        constant("w", weights, Quant((0.01,), (0,))),
        constant("b", np.zeros(channels, np.int32)),
    )
    op = Conv2d((1, 1), (1, 1), NO_PADDING, "none")
    return net.add(op, x, *operands, shape=(*x.type.shape[:3], channels))


def test_images_between_layers() -> None:
    """What is left of [n, c, h, w] from one layer of images to a dense one is nothing."""
    net = Net(DType.I8)
    x = net.value(1, 3, 4, 5)
    y = net.turn(convolved(net, x, 4), *SECOND)
    for _ in range(2):
        z = net.add(Relu("relu"), net.add(Add("none"), y, net.constant(4, 1, 1)))
        z = net.turn(convolved(net, net.turn(z, *LAST), 4), *SECOND)
        y = net.add(Add("none"), z, y)
    z = net.add(Softmax(1.0), net.turn(y, *LAST))
    parts = net.add(Concat(1), y, y, shape=(1, 8, 3, 4))
    flat = net.add(Relu("relu"), net.add(Reshape(), parts, shape=(1, 96)))
    before = net.graph([x], net.dense(flat, 3), z)
    after = sink_transposes(before)
    assert moved(before) and "Transpose" not in kinds(after)
    assert_exact(before, after)


def test_shuffled_channels_take_one() -> None:
    net = Net(DType.I8)
    x = net.value(1, 3, 5, 6)
    y = net.turn(convolved(net, x, 6), *SECOND)
    y = net.add(Reshape(), y, shape=(1, 2, 3, 3, 5))
    y = net.add(Reshape(), net.turn(y, 0, 2, 1, 3, 4), shape=(1, 6, 3, 5))
    before = net.graph([x], convolved(net, net.turn(y, *LAST), 2))
    after = sink_transposes(before)
    assert (kinds(before).count("Transpose"), kinds(after).count("Transpose")) == (3, 1)
    assert_exact(before, after)


def test_one_that_stays_is_where_it_was() -> None:
    """Neither behind what makes it larger, nor twice behind what reads it, nor anywhere else."""
    net = Net(DType.I8)
    x = net.value(2, 3)
    y = net.turn(x, 1, 0)
    wide = net.add(Add("none"), y, net.constant(8, 3, 2), shape=(8, 3, 2))
    before = net.graph([x], net.add(Relu("relu"), y), net.add(LeakyRelu(0.5), y), wide)
    assert sink_transposes(before) is before


def test_one_that_moves_nothing_is_a_view() -> None:
    net = Net(DType.I8)
    x = net.value(1, 5, 1, 1)
    before = net.graph([x], net.dense(net.add(Relu("relu"), net.turn(x, *LAST)), 2))
    after = sink_transposes(before)
    assert kinds(after) == ["Reshape", "Relu", "FullyConnected"]
    assert_exact(before, after)


def test_an_inverse_between_input_and_output() -> None:
    net = Net(DType.I8)
    x = net.value(2, 3)
    before = net.graph([x], net.turn(net.turn(x, 1, 0), 1, 0))
    assert_exact(before, after := sink_transposes(before))
    assert moved(after) == 0


@pytest.mark.parametrize("dtype", [DType.I8, DType.F32])
def test_weights_take_the_order(dtype: DType) -> None:
    """Of integers; float32 only if sums may be added in another order."""
    net = Net(dtype)
    x = net.value(2, 4, 5, 3)
    y = net.add(Reshape(), net.turn(x, *SECOND), shape=(2, 60))
    z = net.add(BatchMatMul(False, False), y, net.constant(60, 4), shape=(2, 4))
    before = net.graph([x], net.dense(y, 3), z)
    after = sink_transposes(before, exact=dtype is DType.F32)
    if dtype is DType.F32:
        assert after is before
        after = sink_transposes(before, exact=False)
        arrays = inputs_of(before, 0)
        ours, wanted = interpret(after, arrays), interpret(before, arrays)
        for a, b in zip(before.outputs, after.outputs, strict=True):
            np.testing.assert_allclose(ours[b], wanted[a], 1e-4)
    else:
        assert_exact(before, after)
    assert "Transpose" not in kinds(after)


@pytest.mark.parametrize("dtype", [DType.I8, DType.F32])
def test_a_dense_layer_makes_an_image(dtype: DType) -> None:
    """Its rows are computed in the order that the next layer wants, but not what others read."""
    net = Net(dtype)
    x = net.value(2, 5)
    y = net.add(LeakyRelu(0.5), net.add(Reshape(), net.dense(x, 24), shape=(2, 3, 4, 2)))
    before = net.graph([x], net.turn(y, *LAST))
    after = sink_transposes(before)
    assert kinds(after) == ["FullyConnected", "Reshape", "LeakyRelu", "Reshape"]
    assert_exact(before, after)
    shared = net.graph([x], net.nodes[-1].output, y)
    assert sink_transposes(shared) is shared
    net.nodes.pop()
    torn = net.graph([x], net.turn(y, 1, 0, 2, 3))
    assert sink_transposes(torn) is torn


def test_rows_that_are_torn_apart_stay() -> None:
    net = Net(DType.I8)
    x = net.value(4, 6)
    before = net.graph([x], net.dense(net.add(Reshape(), net.turn(x, 1, 0), shape=(2, 12)), 3))
    assert sink_transposes(before) is before


def test_axes_that_go_and_outputs_in_parts() -> None:
    net = Net(DType.F32)
    x = net.value(2, 3, 4)
    y = net.turn(x, 2, 0, 1)
    parts = Split(2, (1, 2))
    outs = tuple(replace(net.value(4, 2, size), name=f"part{size}") for size in (1, 2))
    net.nodes.append(Node(parts, (y,), outs, "split"))
    best = Value("best", TensorType((2, 2), DType.I32), "best")
    net.nodes.append(Node(ArgMax(0, False), (outs[1],), (best,), "best"))
    total = net.add(ReduceMax((0,), False), outs[0], shape=(2, 1))
    before = net.graph([x], total, best)
    after = sink_transposes(before)
    assert "Transpose" not in kinds(after)
    assert_exact(before, after)
