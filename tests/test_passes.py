"""Every pass leaves every bit of the outputs as it was, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, ROOT, write_binary, write_tiny

from tinyc.compile import is_binary
from tinyc.data import random_samples
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import DType, Graph, Node, Quant, TensorType, Value, interpret, verify
from tinyc.op import Op, all_ops
from tinyc.ops.concat import Concat
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.dequantize import Dequantize
from tinyc.ops.pad import Pad
from tinyc.ops.quantize import Quantize
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.ops.shape import Shape
from tinyc.ops.transpose import Transpose
from tinyc.passes import PIPELINE, optimize
from tinyc.passes.binarize import binarize
from tinyc.passes.drop_dead_channels import drop_dead_channels
from tinyc.passes.fold_constants import fold_constants
from tinyc.passes.fuse_activation import fuse_activation
from tinyc.passes.fuse_pad import fuse_pad
from tinyc.passes.remove_dead import remove_dead
from tinyc.passes.remove_identities import remove_identities

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
    assert after.nodes[0].inputs[1].type.shape[0] == 8
    assert after.nodes[1].inputs[1].type.shape[3] == 8
    assert after.nodes[2].inputs[1].type.shape[3] == 8
    assert_exact(before, after)
    # Channels that leave the network stay.
    kept = replace(before, outputs=(tail.output, middle.output))
    assert drop_dead_channels(kept).nodes == kept.nodes


def test_pipeline_ends_with_dead_channels_and_verifies() -> None:
    assert PIPELINE[-1] is drop_dead_channels
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


@pytest.mark.parametrize("seed", range(40))
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
        shape, kind = here.type.shape, int(rng.integers(8))
        channels = shape[3]
        if kind <= 2:
            depthwise = kind == 0 and channels > 1
            out = channels if depthwise else int(rng.integers(2, 7))
            size = int(rng.integers(1, min(shape[1], shape[2], 3) + 1))
            form = (1, size, size, out) if depthwise else (out, size, size, channels)
            weights, bias = rng.integers(-127, 128, form), rng.integers(-900, 900, out)
            dead = rng.random(out) < 0.4
            weights[(..., dead) if depthwise else dead] = 0
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
        else:
            data = rng.integers(-128, 128, (1, shape[1], shape[2], 2)).astype(np.int8)
            more = (constant(f"k{len(nodes)}", data, QUANT),) if rng.random() < 0.5 else ()
            wide = channels + sum(v.type.shape[3] for v in more)
            known.append(add(Concat(3), (here, *more), new((*shape[:3], wide))))
    others = [v for v in known[1:-1] if rng.random() < 0.15]
    return graph([x], nodes, [known[-1], *others])
