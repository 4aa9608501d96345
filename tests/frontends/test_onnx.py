"""ONNX networks against onnxruntime: the same outputs in float32, on the host and on a core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.base import read_model
from tinyc.ir import Graph, interpret
from tinyc.ir.ports import input_ports, output_ports
from tinyc.ops.transpose import Transpose
from tinyc.run.data import given_samples

pytest.importorskip("onnx", reason="pip install 'tinyc[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
from onnx_models import Builder, run_onnx

TOLERANCE = 1e-5
"""Of float32: sums are added in another order."""


Made = tuple[Builder, str]


def resnet() -> Made:
    b = Builder(["batch", 3, 8, 8])
    x = b.add("Relu", b.norm(b.conv("x", 3, 8, (3, 3), pads=[1] * 4), 8))
    for channels, stride in ((8, 1), (12, 2), (16, 2)):
        depth = {8: 8, 12: 8, 16: 12}[channels]
        y = b.conv(x, depth, channels, (3, 3), pads=[1] * 4, strides=[stride] * 2)
        y = b.conv(b.add("Relu", y), channels, channels, (3, 3), pads=[1] * 4)
        if stride > 1:
            x = b.conv(x, depth, channels, (1, 1), strides=[stride] * 2)
        x = b.add("Relu", b.add("Add", y, x))
    x = b.add("Flatten", b.add("GlobalAveragePool", x))
    return b, b.add("Gemm", x, b.weights(10, 16), b.weights(10), transB=1)


def depthwise() -> Made:
    b = Builder([1, 2, 10, 6])
    x = b.add("Relu", b.conv("x", 2, 6, (3, 3), pads=[0, 1, 1, 0], strides=[2, 1]))
    x = b.add("Relu", b.conv(x, 6, 12, (3, 3), group=6, pads=[1] * 4))
    x = b.add("Relu", b.conv(b.conv(x, 12, 4, (1, 1)), 4, 8, (1, 1), group=2))
    x = b.add("AveragePool", x, kernel_shape=[2, 2], count_include_pad=1, pads=[1, 0, 0, 1])
    x = b.add("Relu", b.add("Flatten", x))
    return b, b.add("Gemm", x, b.weights(8 * 25, 5), b.weights(5))


def concatenating() -> Made:
    b = Builder(["batch", 3, 7, 7])
    x = b.add("Relu", b.conv("x", 3, 4, (3, 3)))
    y = b.add("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
    z = b.add("Concat", x, b.conv(y, 4, 3, (1, 1)), y, axis=1)
    z = b.add("Mul", z, b.weights(11, 1, 1))
    shape = b.constant(np.array([0, -1], np.int64))
    return b, b.add("MatMul", b.add("Reshape", z, shape), b.weights(11 * 25, 3))


def one_dimension() -> Made:
    b = Builder(["batch", 2, 30])
    x = b.add("Relu", b.conv("x", 2, 4, (5,), strides=[2], pads=[2, 2]))
    x = b.add("MaxPool", b.norm(x, 4), kernel_shape=[2], strides=[2])
    x = b.add("Relu", b.conv(x, 4, 6, (3,), dilations=[2], group=2))
    return b, b.add("Gemm", b.add("Flatten", x), b.weights(18, 2), b.weights(2))


def image_to_image() -> Made:
    b = Builder(["batch", 3, 6, 8])
    x = b.conv("x", 3, 4, (3, 3), pads=[1] * 4)
    weight = b.add("Sigmoid", b.conv(b.add("GlobalAveragePool", x), 4, 4, (1, 1)))
    return b, b.conv(b.add("Mul", x, weight), 4, 5, (1, 1))


NETWORKS = (resnet, depthwise, concatenating, one_dimension, image_to_image)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda f: f.__name__)
def test_a_network(network: Callable[[], Made], tmp_path: Path) -> None:
    """The same outputs, of images in another order, and no transposition."""
    b, x = network()
    shape = [d.dim_value or 1 for d in b.inputs[0].type.tensor_type.shape.dim]
    graph = agrees(b.save(tmp_path / "net.onnx", x), tuple(shape))
    assert not [n for n in graph.nodes if isinstance(n.op, Transpose)]
    assert graph.input_orders == ((0, 2, 1) if len(shape) == 3 else (0, 2, 3, 1),)


def small(path: Path) -> Path:
    b = Builder(["batch", 3, 9, 8])
    x = b.add("Relu", b.conv("x", 3, 6, (3, 3), pads=[1] * 4, strides=[2, 2]))
    x = b.add("MaxPool", b.conv(x, 6, 6, (3, 1), group=6), kernel_shape=[2, 2])
    x = b.add("Gemm", b.add("Flatten", x), b.weights(5, 36), b.weights(5), transB=1)
    return b.save(path / "small.onnx", x)


def agrees(path: Path, *shapes: tuple[int, ...]) -> Graph:
    """The graph that is read gives what onnxruntime does, on random inputs."""
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=s).astype(np.float32) for s in shapes]
    graph = read_model(str(path)).graph
    names = [port.name for port in input_ports(graph)]
    given = {name: x[None] for name, x in zip(names, inputs, strict=True)}
    found = interpret(graph, given_samples(given, graph, "test").at(0))
    for port, wanted in zip(output_ports(graph), run_onnx(path, *inputs), strict=True):
        array = wanted.transpose(port.order) if port.order else wanted
        np.testing.assert_allclose(found[port.value], array, TOLERANCE, TOLERANCE)
    return graph


def test_a_small_network(tmp_path: Path) -> None:
    agrees(small(tmp_path), (1, 3, 9, 8))


def test_each_unsupported_operator_is_told(tmp_path: Path) -> None:
    b = Builder([1, 4])
    x = b.add("Gemm", b.add("Acosh", "x"), b.weights(4, 4))
    y = b.add("Acosh", x)
    with pytest.raises(CompileErrors) as found:
        read_model(str(b.save(tmp_path / "net.onnx", y)))
    assert str(found.value) == (
        "E300 net.onnx: node 0 'v0_0' (Acosh): this operator is not supported (and 1 more like "
        "it)\nE353 net.onnx: 2 of its 3 operators are refused; use other layers there, or bring "
        "them in a plugin (docs/plugins.md)"
    )


@pytest.mark.parametrize("content", [b"", b"text", b"\x08"])
def test_what_is_no_onnx(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    with pytest.raises(CompileError, match=r"^E301 net\.onnx: "):
        read_model(str(file))
