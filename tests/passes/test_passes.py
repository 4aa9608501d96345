"""Every pass leaves every bit of the outputs as it was, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, ROOT, slow_but, write_binary, write_tiny
from tflite_writer import TensorSpec, write_model

from tinyc.compress.binarize import binarize
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import DType, Graph, Node, Op, Quant, TensorType, Value, interpret, verify
from tinyc.ops._bits import pack, random_words
from tinyc.ops.add import Add
from tinyc.ops.average_pool import AveragePool2d
from tinyc.ops.base import all_ops
from tinyc.ops.binary_depthwise_conv2d import BinaryDepthwiseConv2d
from tinyc.ops.concat import Concat
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.dequantize import Dequantize
from tinyc.ops.elementwise_math import Elu, Neg
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.ops.lce_bmaxpool2d import LceBMaxPool2d
from tinyc.ops.lce_quantize import LceQuantize
from tinyc.ops.leaky_relu import LeakyRelu
from tinyc.ops.max_pool import MaxPool2d
from tinyc.ops.mul import Mul
from tinyc.ops.pad import Pad
from tinyc.ops.quantize import Quantize
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.ops.shape import Shape
from tinyc.ops.space_to_batch import BatchToSpace, SpaceToBatch
from tinyc.ops.split import Split
from tinyc.ops.transpose import Transpose
from tinyc.passes import PIPELINE, optimize
from tinyc.passes.drop_dead_channels import drop_dead_channels
from tinyc.passes.fold_constants import fold_constants
from tinyc.passes.fold_tables import fold_tables
from tinyc.passes.fold_thresholds import fold_thresholds
from tinyc.passes.fuse_activation import fuse_activation
from tinyc.passes.fuse_dilation import fuse_dilation
from tinyc.passes.fuse_pad import fuse_pad
from tinyc.passes.remove_dead import remove_dead
from tinyc.passes.remove_identities import remove_identities
from tinyc.passes.side_head_first import side_head_first
from tinyc.pipeline import CompileOptions, compile_model, is_binary
from tinyc.run.data import random_samples
from tinyc.target.boards import load_board

QUANT = Quant((0.05,), (-11,))
NO_PADDING = ((0, 0), (0, 0))


def value(name: str, *shape: int, quant: Quant | None = QUANT, dtype: DType = DType.I8) -> Value:
    return Value(name, TensorType(shape, dtype, quant), "test")


def constant(name: str, data: np.ndarray, quant: Quant | None = None) -> Value:
    dtype = next(d for d in DType if d.numpy == data.dtype)
    return Value(name, TensorType(data.shape, dtype, quant), "test", data)


def convolution(
    x: Value, weights: np.ndarray, bias: np.ndarray, name: str, padding=NO_PADDING
) -> Node:
    """An int8 convolution, or a depthwise one if the weights' first axis is 1 and x has more
    channels than one."""
    depthwise = weights.shape[0] == 1 and weights.shape[3] == x.type.shape[3] > 1
    shape = x.type.shape
    channels = weights.shape[3] if depthwise else weights.shape[0]
    height = shape[1] + sum(padding[0]) - weights.shape[1] + 1
    width = shape[2] + sum(padding[1]) - weights.shape[2] + 1
    extra = {"multiplier": 1} if depthwise else {}
    op = (DepthwiseConv2d if depthwise else Conv2d)((1, 1), (1, 1), padding, "relu", **extra)
    inputs = (
        x,
        constant(f"{name}/w", weights.astype(np.int8), Quant((0.01,), (0,))),
        constant(f"{name}/b", bias.astype(np.int32)),
    )
    return Node(op, inputs, (value(name, shape[0], height, width, channels),), name)


def graph(inputs: list[Value], nodes: list[Node], outputs: list[Value]) -> Graph:
    return verify(Graph("test", tuple(inputs), tuple(outputs), tuple(nodes)))


def assert_exact(before: Graph, after: Graph) -> None:
    """The same outputs of random inputs, bit for bit."""
    verify(after)
    rng = np.random.default_rng(3)
    assert after.inputs == before.inputs
    for _ in range(3):
        arrays = [
            rng.integers(-128, 128, v.type.shape).astype(v.type.dtype.numpy) for v in before.inputs
        ]
        envs = interpret(before, arrays), interpret(after, arrays)
        for a, b in zip(before.outputs, after.outputs, strict=True):
            expected = envs[0][a] if a.data is None else a.data
            np.testing.assert_array_equal(expected, envs[1][b] if b.data is None else b.data)


def kinds(g: Graph) -> list[str]:
    return [type(n.op).__name__ for n in g.nodes]


def test_fold_constants() -> None:
    rng = np.random.default_rng(0)
    x = value("x", 2, 3)
    a = constant("a", rng.integers(-128, 128, (3, 2)).astype(np.int8), QUANT)
    t, y = value("t", 2, 3), value("y", 2, 6)
    shape = value("shape", 2, quant=None, dtype=DType.I32)
    nodes = [
        Node(Transpose((1, 0)), (a,), (t,), "t"),
        Node(Concat(1), (x, t), (y,), "y"),
        Node(Shape(), (y,), (shape,), "shape"),
    ]
    before = graph([x], nodes, [y, shape])
    after = fold_constants(before)
    assert kinds(after) == ["Concat"]
    assert_exact(before, after)


def test_remove_identities() -> None:
    x, a, b, c, d, y = (value(n, 1, 4, 3, 1) for n in "xabcdy")
    nodes = [
        Node(Reshape(), (x,), (a,), "a"),
        Node(Transpose((3, 1, 2, 0)), (a,), (b,), "b"),
        Node(Pad(((0, 0),) * 4, 5), (b,), (c,), "c"),
        Node(Concat(2), (c,), (d,), "d"),
        Node(Pad(((0, 0), (0, 0), (1, 0), (0, 0)), 5), (d,), (value("e", 1, 4, 4, 1),), "e"),
    ]
    before = graph([x], nodes, [nodes[-1].output])
    after = remove_identities(before)
    assert kinds(after) == ["Pad"]
    assert_exact(before, after)
    # Views that lead back to what there was go, however many.
    one, two, three = value("one", 12), value("two", 3, 4), value("three", 1, 4, 3, 1)
    views = [Node(Reshape(), (a,), (b,), b.name) for a, b in ((x, one), (one, two), (two, three))]
    last = Node(Relu("relu"), (three,), (value("z", 1, 4, 3, 1),), "z")
    before = graph([x], [*views, last], [last.output])
    after = remove_dead(remove_identities(before))
    assert kinds(after) == ["Relu"]
    assert_exact(before, after)
    # An output that is an input keeps its copy.
    straight = graph([x], [Node(Concat(0), (x,), (y,), "y")], [y])
    assert kinds(remove_identities(straight)) == ["Concat"]


@pytest.mark.parametrize("scale", [0.05, 0.06])
def test_quantize_identities(scale: float) -> None:
    """A round trip through float goes if it ends in the type that it started with."""
    x, a, f = value("x", 2, 9), value("a", 2, 9), value("f", 2, 9, quant=None, dtype=DType.F32)
    y, z = value("y", 2, 9, quant=Quant((scale,), (-11,))), value("z", 9, 2)
    nodes = [
        Node(Quantize(), (x,), (a,), "a"),
        Node(Dequantize(), (a,), (f,), "f"),
        Node(Quantize(), (f,), (y,), "y"),
        Node(Quantize(), (y,), (b := value("b", 2, 9),), "b"),
        Node(Transpose((1, 0)), (b,), (z,), "z"),
    ]
    before = graph([x], nodes, [z])
    after = remove_dead(remove_identities(before))
    rest = ["Transpose"] if scale == 0.05 else ["Dequantize", "Quantize", "Quantize", "Transpose"]
    assert kinds(after) == rest
    assert_exact(before, after)


@pytest.mark.parametrize("activation", ["relu", "relu6", "relu_n1_to_1"])
def test_fuse_activation(activation: str) -> None:
    rng = np.random.default_rng(8)
    x = value("x", 1, 5, 4, 3)
    conv = convolution(x, rng.integers(-127, 128, (4, 2, 2, 3)), rng.integers(-99, 99, 4), "c")
    conv = replace(conv, op=replace(conv.op, activation="none"))
    shape = conv.output.type.shape
    relu = Node(Relu(activation), (conv.output,), (value("y", *shape),), "y")
    before = graph([x], [conv, relu], [relu.output])
    after = fuse_activation(before)
    assert kinds(after) == ["Conv2d"] and after.nodes[0].op.activation == activation
    assert after.outputs == before.outputs
    assert_exact(before, after)
    shared = graph([x], [conv, relu], [relu.output, conv.output])
    assert kinds(fuse_activation(shared)) == ["Conv2d", "Relu"]
    other = replace(relu, outputs=(value("y", *shape, quant=Quant((0.04,), (-11,))),))
    assert kinds(fuse_activation(graph([x], [conv, other], [other.output]))) == ["Conv2d", "Relu"]


def test_transpose_that_moves_is_kept() -> None:
    x, y = value("x", 3, 3), value("y", 3, 3)
    before = graph([x], [Node(Transpose((1, 0)), (x,), (y,), "y")], [y])
    assert kinds(remove_identities(before)) == ["Transpose"]


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("pad_value", "fused"), [(-11, True), (0, False)])
def test_fuse_pad(depthwise: bool, pad_value: int, fused: bool) -> None:
    rng = np.random.default_rng(1)
    x, p = value("x", 1, 5, 4, 3), value("p", 1, 8, 7, 3)
    pad = Node(Pad(((0, 0), (2, 1), (0, 3), (0, 0)), pad_value), (x,), (p,), "p")
    weights = rng.integers(-127, 128, (1, 3, 3, 3) if depthwise else (5, 3, 3, 3))
    bias = rng.integers(-500, 500, 3 if depthwise else 5)
    conv = convolution(p, weights, bias, "y", ((1, 0), (0, 1)))
    before = graph([x], [pad, conv], [conv.output])
    after = fuse_pad(before)
    assert len(after.nodes) == (1 if fused else 2)
    if fused:
        assert after.nodes[0].op.padding == ((3, 1), (0, 4))
    assert_exact(before, after)
    shared = graph([x], [pad, conv], [conv.output, p])
    assert len(fuse_pad(shared).nodes) == 2


def _float(name: str) -> Value:
    return value(name, 2, 3, quant=None, dtype=DType.F32)


def test_fold_tables() -> None:
    """A chain from byte to byte, constants of one element with it; the longest there is."""
    x, y = value("x", 2, 3), value("y", 2, 3, dtype=DType.U8)
    a, b, c, d = map(_float, "abcd")
    half = constant("half", np.full((1, 1), 0.5, np.float32), None)
    nodes = [
        Node(LeakyRelu(0.25), (x,), (value("l", 2, 3),), "l"),
        Node(Dequantize(), (value("l", 2, 3),), (a,), "a"),
        Node(Neg(), (a,), (b,), "b"),
        Node(Mul("none"), (half, b), (c,), "c"),
        Node(Elu(), (c,), (d,), "d"),
        Node(Quantize(), (d,), (y,), "y"),
    ]
    nodes[1] = replace(nodes[1], inputs=nodes[0].outputs)
    before = graph([x], nodes, [y])
    after = fold_tables(before)
    assert kinds(after) == ["ByteTable"]
    assert after.nodes[0].op.of == tuple(kinds(before))
    assert_exact(before, after)
    # From the last byte on, if something else reads what is before it.
    shared = graph([x], nodes, [y, nodes[0].output])
    assert kinds(fold_tables(shared)) == ["LeakyRelu", "ByteTable"]
    assert_exact(shared, fold_tables(shared))


def test_branches_of_one_byte_are_one_table() -> None:
    x, y, z = value("x", 2, 3), value("y", 2, 3), value("z", 2, 3)
    a, b, c, d = map(_float, "abcd")
    nodes = [
        Node(Dequantize(), (x,), (a,), "a"),
        Node(Elu(), (a,), (b,), "b"),
        Node(Mul("none"), (a, b), (c,), "c"),
        Node(Quantize(), (c,), (y,), "y"),
        Node(Neg(), (a,), (d,), "d"),
        Node(Quantize(), (d,), (z,), "z"),
    ]
    before = graph([x], nodes, [y, z])
    after = fold_tables(before)
    assert kinds(after) == ["ByteTable", "ByteTable"]
    assert_exact(before, after)
    assert kinds(fold_tables(graph([x], nodes, [y, z, a]))) == ["Dequantize", *kinds(after)]


def test_a_table_that_changes_no_byte_is_none() -> None:
    x, y = value("x", 2, 3), value("y", 2, 3, quant=Quant((0.1,), (-11,)))
    a, b = map(_float, "ab")
    two = constant("two", np.full((1,), 2, np.float32), None)
    nodes = [
        Node(Dequantize(), (x,), (a,), "a"),
        Node(Mul("none"), (a, two), (b,), "b"),
        Node(Quantize(), (b,), (y,), "y"),
    ]
    before = graph([x], nodes, [y])
    assert kinds(fold_tables(before)) == ["Reinterpret"]
    assert_exact(before, fold_tables(before))


@pytest.mark.parametrize("why", ["read by another", "a result", "not a scalar", "one node"])
def test_what_is_no_table(why: str) -> None:
    x, y, z = value("x", 2, 3), value("y", 2, 3), _float("z")
    a, b = map(_float, "ab")
    row = constant("row", np.ones((3,) if why == "not a scalar" else (1,), np.float32), None)
    nodes = [
        Node(Dequantize(), (x,), (a,), "a"),
        Node(Mul("none"), (a, row), (b,), "b"),
        Node(Quantize(), (b,), (y,), "y"),
    ]
    results = [y]
    if why == "read by another":
        nodes.append(Node(Mul("none"), (b, a), (z,), "z"))
        results.append(z)
    elif why == "a result":
        results.append(b)
    elif why == "one node":
        nodes, results = [Node(LeakyRelu(0.5), (x,), (y,), "y")], [y]
    before = graph([x], nodes, results)
    assert kinds(fold_tables(before)) == kinds(before)


def test_remove_dead() -> None:
    x, a, y = value("x", 2, 3), value("a", 3, 2), value("y", 2, 3)
    nodes = [Node(Transpose((1, 0)), (x,), (a,), "a"), Node(Concat(0), (x,), (y,), "y")]
    before = graph([x], nodes, [y])
    after = remove_dead(before)
    assert kinds(after) == ["Concat"]
    assert_exact(before, after)


@pytest.mark.parametrize("padded", [False, True])
def test_drop_dead_channels(padded: bool) -> None:
    rng = np.random.default_rng(2)
    x = value("x", 1, 6, 6, 3)
    padding = ((1, 1), (1, 1)) if padded else NO_PADDING
    head_weights = rng.integers(-127, 128, (12, 3, 3, 3))
    head_bias = rng.integers(-900, 900, 12)
    dead = [1, 4, 5, 6, 10]
    head_weights[dead] = 0
    head_bias[dead] = [-5000, -400, -1, -70000, 900]  # after relu: zero points, and one that is not
    head = convolution(x, head_weights, head_bias, "head")
    middle = convolution(
        head.output, rng.integers(-127, 128, (1, 3, 3, 12)), np.zeros(12), "middle", padding
    )
    tail = convolution(
        middle.output, rng.integers(-127, 128, (5, 1, 1, 12)), rng.integers(-99, 99, 5), "tail"
    )
    before = graph([x], [head, middle, tail], [tail.output])
    after = drop_dead_channels(before)
    left = 8 if padded else 7  # the one that is no zero point shows beside padding
    assert after.nodes[0].inputs[1].type.shape[0] == left
    assert after.nodes[1].inputs[1].type.shape[3] == left
    assert after.nodes[2].inputs[1].type.shape[3] == left
    assert_exact(before, after)
    # Channels that leave the network stay.
    kept = replace(before, outputs=(tail.output, middle.output))
    assert drop_dead_channels(kept).nodes == kept.nodes


def test_drop_dead_channels_in_one_chain_after_the_other() -> None:
    """A layer that ends one chain and starts the next; one name for all, several outputs."""
    rng = np.random.default_rng(7)
    x = before = value("x", 1, 4, 4, 8)
    nodes: list[Node] = []
    for i in range(4):
        weights = rng.integers(-127, 128, (8, 1, 1, 8))
        weights[i : i + 4] = 0
        nodes.append(convolution(x, weights, rng.integers(-900, 900, 8), "one"))
        x = nodes[-1].output
    halves = value("one", 1, 4, 4, 4), value("one", 1, 4, 4, 4)
    nodes.append(Node(Split(3, (4, 4)), (x,), halves, "one"))
    before = graph([before], nodes, list(halves))
    after = drop_dead_channels(before)
    assert [n.inputs[1].type.shape for n in after.nodes[:4]] == [
        (4, 1, 1, 8), (4, 1, 1, 4), (4, 1, 1, 4), (8, 1, 1, 4)
    ]  # fmt: skip
    assert_exact(before, after)


def dense(x: Value, weights: np.ndarray, bias: np.ndarray, name: str) -> Node:
    inputs = (
        x,
        constant(f"{name}/w", weights.astype(np.int8), Quant((0.01,), (0,))),
        constant(f"{name}/b", bias.astype(np.int32)),
    )
    y = value(name, x.type.elements // weights.shape[1], len(weights))
    return Node(FullyConnected("relu"), inputs, (y,), name)


def test_drop_dead_channels_to_the_last() -> None:
    """Through a sum with a constant, a pool and flattening into a dense layer: channels without
    weights, whose sums never reach over the clamp, and that nobody reads."""
    rng = np.random.default_rng(5)
    x, flat = value("x", 1, 4, 4, 3), value("flat", 1, 4 * 7)
    weights, bias = rng.integers(-127, 128, (7, 1, 1, 3)), rng.integers(-900, 900, 7)
    weights[2], bias[2] = 0, 800
    bias[4] = -(1 << 20)
    conv = convolution(x, weights, bias, "conv")
    shift = constant("shift", rng.integers(-128, 128, (7,)).astype(np.int8), QUANT)
    moved, pooled = value("moved", 1, 4, 4, 7), value("pooled", 1, 2, 2, 7)
    columns = rng.integers(-127, 128, (5, 4, 7))
    columns[..., 6] = 0
    last = dense(flat, columns.reshape(5, 28), rng.integers(-99, 99, 5), "last")
    nodes = [
        conv,
        Node(Add("none"), (conv.output, shift), (moved,), "moved"),
        Node(AveragePool2d((2, 2), NO_PADDING, "none", (2, 2)), (moved,), (pooled,), "pooled"),
        Node(Reshape(), (pooled,), (flat,), "flat"),
        last,
    ]
    before = graph([x], nodes, [last.output])
    after = drop_dead_channels(before)
    assert [n.output.type.shape[-1] for n in after.nodes] == [4, 4, 4, 4 * 4, 5]
    assert_exact(before, after)
    # A channel stays where one position of it is read.
    columns[1, 3, 6] = 1
    more = dense(flat, columns.reshape(5, 28), rng.integers(-99, 99, 5), "last")
    before = graph([x], [*nodes[:-1], more], [more.output])
    after = drop_dead_channels(before)
    assert after.nodes[0].output.type.shape[-1] == 5
    assert_exact(before, after)


def test_drop_dead_channels_that_two_layers_add_to() -> None:
    rng = np.random.default_rng(6)
    x, total = value("x", 1, 4, 4, 6), value("total", 1, 4, 4, 6)
    weights = rng.integers(-127, 128, (2, 6, 1, 1, 6))
    weights[0, [0, 1, 5]] = 0
    weights[1, [0, 5]] = 0
    one, other = (convolution(x, w, np.full(6, 300), n) for w, n in zip(weights, "ab", strict=True))
    last = convolution(total, rng.integers(-127, 128, (3, 1, 1, 6)), np.zeros(3), "last")
    summed = Node(Add("none"), (one.output, other.output), (total,), "total")
    before = graph([x], [one, other, summed, last], [last.output])
    after = drop_dead_channels(before)
    assert [n.output.type.shape[-1] for n in after.nodes] == [4, 4, 4, 3]
    assert_exact(before, after)


def test_drop_dead_channels_leaves_one() -> None:
    """Of a network whose result does not depend on its input."""
    x = value("x", 1, 4, 4, 6)
    head = convolution(x, np.zeros((5, 1, 1, 6)), np.full(5, 300), "head")
    tail = convolution(head.output, np.ones((3, 1, 1, 5)), np.zeros(3), "tail")
    before = graph([x], [head, tail], [tail.output])
    after = drop_dead_channels(before)
    assert [n.output.type.shape[-1] for n in after.nodes] == [1, 3]
    assert_exact(before, after)


def test_pipeline_ends_with_dead_channels_and_verifies() -> None:
    assert PIPELINE[-3:] == (drop_dead_channels, fold_tables, side_head_first)
    x, a, p = value("x", 1, 4, 4, 2), value("a", 1, 4, 4, 2), value("p", 1, 6, 6, 2)
    rng = np.random.default_rng(4)
    weights = rng.integers(-127, 128, (3, 3, 3, 2))
    conv = convolution(p, weights, rng.integers(-99, 99, 3), "y")
    nodes = [
        Node(Reshape(), (x,), (a,), "a"),
        Node(Pad(((0, 0), (1, 1), (1, 1), (0, 0)), -11), (a,), (p,), "p"),
        conv,
        Node(Concat(0), (p,), (value("unused", 1, 6, 6, 2),), "unused"),
    ]
    before = graph([x], nodes, [conv.output])
    after = optimize(before)
    assert kinds(after) == ["Conv2d"]
    assert_exact(before, after)


# Dilation ---------------------------------------------------------------------------------


def dilated(block: tuple[int, ...], paddings, crops, size: int = 7, kernel: int = 3) -> Graph:
    """A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND."""
    rng = np.random.default_rng(4)
    height, *rest = ((size + sum(p)) // b for b, p in zip(block, paddings, strict=True))
    width = rest[0] if rest else size
    n = int(np.prod(block))
    columns = kernel if len(block) > 1 else 1
    x, y = value("x", 1, size, size, 2), value("parts", n, height, width, 2)
    weights = constant(
        "weights", rng.integers(-127, 128, (5, kernel, columns, 2)).astype(np.int8),
        Quant((0.01,), (0,)),
    )  # fmt: skip
    bias = constant("bias", rng.integers(-500, 500, 5).astype(np.int32))
    small = (height - kernel + 1, width - columns + 1)
    conv = value("conv", n, *small, 5)
    whole = [d * b - sum(c) for d, b, c in zip(small, block, crops, strict=False)]
    out = value("out", 1, *whole, *small[len(block) :], 5)
    nodes = (
        Node(SpaceToBatch(block, paddings), (x,), (y,), "test"),
        Node(Conv2d((1, 1), (1, 1), NO_PADDING, "relu"), (y, weights, bias), (conv,), "test"),
        Node(BatchToSpace(block, crops), (conv,), (out,), "test"),
    )
    return verify(Graph("g", (x,), (out,), nodes))


@pytest.mark.parametrize(
    ("block", "paddings", "crops"),
    [
        ((2, 2), ((0, 1), (1, 0)), ((0, 0), (1, 0))),
        ((2, 2), ((2, 3), (2, 3)), ((0, 1), (0, 1))),
        ((2, 2), ((2, 3), (2, 3)), ((1, 0), (2, 1))),
        ((2, 1), ((0, 1), (0, 0)), ((0, 1), (0, 0))),
        ((2,), ((2, 1),), ((0, 1),)),
    ],
)
def test_a_dilation_is_fused(block, paddings, crops) -> None:
    graph = dilated(block, paddings, crops)
    after = verify(fuse_dilation(graph))
    (node,) = after.nodes
    assert node.op.dilation == (*block, 1)[:2]
    x = np.random.default_rng(1).integers(-128, 128, (1, 7, 7, 2)).astype(np.int8)
    assert np.array_equal(
        interpret(after, [x])[after.outputs[0]], interpret(graph, [x])[graph.outputs[0]]
    )


def test_a_dilation_that_is_none_stays() -> None:
    graph = dilated((2, 2), ((0, 1), (0, 1)), ((1, 0), (0, 0)))  # crops what no padding made
    assert len(fuse_dilation(graph).nodes) == 3
    graph = dilated((2, 2), ((0, 1), (0, 1)), ((0, 0), (0, 0)))
    outputs = (*graph.outputs, graph.nodes[1].output)
    assert len(fuse_dilation(replace(graph, outputs=outputs)).nodes) == 3


def signs_of_sums(channels: int, depthwise: bool, pad_value: int, pool: bool, seed: int) -> Graph:
    """A 3x3 convolution of signs over 2x2 pixels of every input, each a batch of its own, then
    factors and terms of which some are 0 or out of reach, then signs."""
    rng = np.random.default_rng(seed)
    batches = 1 << 4 * channels
    outs, depth = (channels, 9) if depthwise else (8, 9 * channels)
    op = (BinaryDepthwiseConv2d if depthwise else LceBconv2d)(
        (1, 1), (1, 1), ((1, 1), (1, 1)), pad_value, channels
    )
    weights = random_words(rng, (1 if depthwise else outs, 3, 3, channels))
    multiplier = rng.choice([-1.3, -1e-6, 0, 0.7, 2.0], outs).astype(np.float32)
    term = (rng.integers(-depth - 2, depth + 3, outs) + rng.choice([0, 0.5, 0.3], outs)) * 0.7

    def const(name: str, data: np.ndarray) -> Value:
        dtype = DType.F32 if data.dtype == np.float32 else DType.I32
        return Value(name, TensorType(data.shape, dtype), name, data)

    x = value("x", batches, 2, 2, 1, quant=None, dtype=DType.I32)
    y, z, t = (value(n, batches, 2, 2, outs, quant=None, dtype=DType.F32) for n in "yzt")
    ones = const("ones", np.ones(outs, np.float32))
    bias = const("bias", rng.normal(0, 1, outs).astype(np.float32))
    nodes = [
        Node(op, (x, const("w", weights), ones, bias), (y,), "conv"),
        Node(Mul("none"), (y, const("m", multiplier)), (z,), "mul"),
        Node(Add("relu_n1_to_1"), (z, const("t", term.astype(np.float32))), (t,), "add"),
    ]
    size = 1 if pool else 2
    if pool:
        (t,) = (value("p", batches, 1, 1, outs, quant=None, dtype=DType.F32),)
        pooling = MaxPool2d((2, 2), NO_PADDING, "none", (2, 2))
        nodes.append(Node(pooling, nodes[-1].outputs, (t,), "pool"))
    s = value("s", batches, size, size, 1, quant=None, dtype=DType.I32)
    return graph([x], [*nodes, Node(LceQuantize(), (t,), (s,), "sign")], [s])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("pad_value", [0, 1])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_thresholds_hold_for_every_input_at_every_border(
    channels: int, depthwise: bool, pad_value: int, pool: bool, seed: int
) -> None:
    """Padding of zeros shifts the sums at a border by a half product for each channel outside."""
    before = signs_of_sums(channels, depthwise, pad_value, pool, seed)
    after = verify(remove_dead(fold_thresholds(before)))
    conv = BinaryDepthwiseConv2d if depthwise else LceBconv2d
    assert [type(n.op) for n in after.nodes] == [conv, *([LceBMaxPool2d] if pool else [])]
    count = 4 * channels
    every = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1
    x = pack(every.astype(bool).reshape(-1, 2, 2, channels))
    np.testing.assert_array_equal(
        interpret(after, [x])[after.outputs[0]], interpret(before, [x])[before.outputs[0]]
    )


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("", ""),
        ("weights", "the weights of 1 of its 33 output channels are not one number times signs"),
        ("way", "its signs come through a Transpose"),
    ],
)
def test_what_is_not_computed_with_bits_says_why(odd: str, words: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((33, 64)) < 0.5, -0.5, 0.5)
    weights[3] = 0  # of a channel that was pruned
    if odd == "weights":
        weights[5, 7] = 0.25
    tensors = [
        TensorSpec("x", (1, 64), "float32"),
        TensorSpec("signs", (1, 2), "int32"),
        TensorSpec("ones", (1, 64), "float32"),
        TensorSpec("w", (33, 64), "float32", data=weights),
        TensorSpec("b", (33,), "float32", data=rng.normal(0, 1, 33)),
        TensorSpec("y", (1, 33), "float32"),
        TensorSpec("axes", (2,), "int32", data=[1, 0]),
        TensorSpec("turned", (64, 1), "float32"),
    ]
    operators = [
        ("CUSTOM LceQuantize", {}, [0], [1]),
        ("CUSTOM LceDequantize", {}, [1], [2]),
        *([("TRANSPOSE", {}, [2, 6], [7])] if odd == "way" else []),
        ("FULLY_CONNECTED", {}, [7 if odd == "way" else 2, 3, 4], [5]),
    ]
    path = write_model(tmp_path / "m.tflite", operators, tensors, [0], [5])
    board = load_board("mps2_an386")
    compiled = compile_model(path, board, CompileOptions(float_glue=True))
    rejected = [r for step in compiled.plan.steps for r in step.rejected if r[0] == "bits"]
    assert rejected == ([("bits", words)] if odd else [])
    assert any(isinstance(s.node.op, LceBconv2d) for s in compiled.plan.steps) == (not odd)
    if odd:
        with pytest.raises(CompileErrors, match="E307 .*falls back from bits: " + words):
            compile_model(path, board, CompileOptions(float_glue=True, strict=True))


# Every pass against the graph before it ------------------------------------------------------


def assert_each_pass_exact(before: Graph, count: int = 2) -> None:
    """Bit for bit, NaN included, on random samples."""
    samples = random_samples(before, count, 0)

    def outputs(g: Graph) -> list[list[bytes]]:
        envs = [interpret(g, samples.at(i)) for i in range(count)]
        return [
            [(env[v] if v.data is None else v.data).tobytes() for v in g.outputs] for env in envs
        ]

    with np.errstate(all="ignore"):
        expected = outputs(before)
        for rewrite in PIPELINE:
            before = verify(rewrite(before))
            assert outputs(before) == expected, rewrite.__name__


FOLDERS = (DATA / "cases", DATA / "mlperf-tiny", ROOT / "recipes")


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in FOLDERS for path in folder.glob("*.tflite")),
    ids=lambda path: path.name,
)
@pytest.mark.slow
def test_each_pass_on_real_models(path: Path) -> None:
    try:
        before = read(path)
    except (CompileError, CompileErrors):
        pytest.skip("the file is refused")
    assert_each_pass_exact(before, 1)
    if is_binary(before):
        assert_each_pass_exact(verify(remove_dead(binarize(before))), 1)


@pytest.mark.parametrize("write", [write_tiny, write_binary])
def test_each_pass_on_written_models(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert_each_pass_exact(read(write(tmp_path / "m.tflite")))


@pytest.mark.parametrize("op", all_ops(), ids=lambda op: op.__name__)
def test_each_pass_on_each_operator(op: type[Op]) -> None:
    """Its awkward nodes, each as a network of its own; of many, some."""
    nodes = list(op.cases(np.random.default_rng(0)))
    for node in nodes[:: max(1, len(nodes) // 12)]:
        assert_each_pass_exact(verify(Graph("one", node.variable_inputs, node.outputs, (node,))), 1)


@pytest.mark.parametrize("seed", slow_but([str(seed) for seed in range(20)], range(40)))
def test_each_pass_on_random_graphs(seed: int) -> None:
    assert_each_pass_exact(random_graph(seed))


def random_graph(seed: int) -> Graph:
    """What the passes look for, in any order: convolutions with dead channels, padding by the
    zero point and by other numbers, activations, views, trips through float32, dead ends; values
    that are read twice or are outputs too."""
    rng = np.random.default_rng(seed)
    x = value("x", 1, 6, 5, int(rng.integers(2, 6)))
    nodes: list[Node] = []
    known = [x]

    def add(op: Op, inputs: tuple[Value, ...], output: Value) -> Value:
        nodes.append(Node(op, inputs, (output,), output.name))
        return output

    def new(shape: tuple[int, ...], quant: Quant | None = QUANT, dtype: DType = DType.I8) -> Value:
        return Value(f"v{len(nodes)}", TensorType(shape, dtype, quant), "test")

    for _ in range(int(rng.integers(4, 11))):
        here = known[-1] if rng.random() < 0.8 else known[int(rng.integers(len(known)))]
        shape, kind = here.type.shape, int(rng.integers(10))
        channels = shape[3]
        if kind <= 2:
            depthwise = kind == 0 and channels > 1
            out = channels if depthwise else int(rng.integers(2, 7))
            size = int(rng.integers(1, min(shape[1], shape[2], 3) + 1))
            form = (1, size, size, out) if depthwise else (out, size, size, channels)
            weights, bias = rng.integers(-127, 128, form), rng.integers(-900, 900, out)
            dead = rng.random(out) < 0.4
            weights[(..., dead) if depthwise else dead] = 0
            if not depthwise:
                weights[..., rng.random(channels) < 0.2] = 0
            bias[dead & (rng.random(out) < 0.7)] = -5000
            padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 2, (2, 2)))
            conv = convolution(here, weights, bias, f"v{len(nodes)}", padding)
            conv = replace(conv, op=replace(conv.op, activation=rng.choice(["none", "relu"])))
            nodes.append(conv)
            known.append(conv.output)
        elif kind == 3:
            pads = ((0, 0), *(tuple(map(int, p)) for p in rng.integers(0, 2, (2, 2))), (0, 0))
            grown = tuple(n + sum(p) for n, p in zip(shape, pads, strict=True))
            fill = int(rng.choice([-11, 0, 5]))
            known.append(add(Pad(pads, fill), (here,), new(grown)))
        elif kind == 4:
            known.append(add(Relu(str(rng.choice(["relu", "relu6"]))), (here,), new(shape)))
        elif kind == 5:
            flat = add(Reshape(), (here,), new((1, 1, shape[1] * shape[2], channels)))
            known.append(add(Reshape(), (flat,), new(shape)))
        elif kind == 6:
            real = add(Dequantize(), (here,), new(shape, None, DType.F32))
            other = QUANT if rng.random() < 0.5 else Quant((0.04,), (3,))
            back = add(Quantize(), (real,), new(shape, other))
            known.append(add(Quantize(), (back,), new(shape)))
        elif kind == 8:
            like = [v for v in known if v.type.shape == shape]
            numbers = rng.integers(-128, 128, int(rng.choice([1, channels]))).astype(np.int8)
            other = constant(f"k{len(nodes)}", numbers, QUANT) if rng.random() < 0.5 else like[0]
            known.append(add(Add("none"), (here, other), new(shape)))
        elif kind == 9:
            pool = rng.choice(np.array([AveragePool2d, MaxPool2d]))
            op = pool((1, 1), ((0, 1), (0, 1)), "none", (2, 2))
            known.append(add(op, (here,), new(shape)))
        else:
            data = rng.integers(-128, 128, (1, shape[1], shape[2], 2)).astype(np.int8)
            more = (constant(f"k{len(nodes)}", data, QUANT),) if rng.random() < 0.5 else ()
            wide = channels + sum(v.type.shape[3] for v in more)
            known.append(add(Concat(3), (here, *more), new((*shape[:3], wide))))
    others = [v for v in known[1:-1] if rng.random() < 0.15]
    end = known[-1]
    if rng.random() < 0.4:
        depth = end.type.elements
        flat = add(Reshape(), (end,), new((1, depth)))
        weights = rng.integers(-127, 128, (4, depth)) * (rng.random(depth) < 0.3)
        nodes.append(dense(flat, weights, rng.integers(-900, 900, 4), "dense"))
        end = nodes[-1].output
    return graph([x], nodes, [end, *others])
