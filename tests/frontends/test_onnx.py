"""ONNX networks against onnxruntime: the same outputs in float32, on the host and on a core."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tinyc
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends import packages
from tinyc.frontends.base import read_model
from tinyc.ir import Graph, interpret
from tinyc.ir.ports import input_ports, output_ports
from tinyc.ops.transpose import Transpose
from tinyc.run.data import given_samples

onnx = pytest.importorskip("onnx", reason="pip install 'tinyc[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
from onnx_models import Builder, run_onnx  # noqa: E402

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
    assert "%0 = input, axes=[0, 2, " in str(graph)
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


@pytest.mark.slow
@pytest.mark.parametrize("network, board", [(resnet, "stm32"), (one_dimension, "pico")])
def test_on_a_board(network: Callable[[], Made], board: str, tmp_path: Path) -> None:
    """int8 by calibration, from data in the model's order: near onnxruntime's float32, and the
    board exact."""
    b, name = network()
    path = b.save(tmp_path / "net.onnx", name)
    shape = [d.dim_value for d in b.inputs[0].type.tensor_type.shape.dim][1:]
    x = np.random.default_rng(0).normal(size=(20, *shape)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    firmware = tinyc.compile(path, board=board, calibrate=tmp_path / "x.npz")
    wanted = np.concatenate([run_onnx(path, row[None])[0] for row in x])
    assert abs(firmware.scores(x) - wanted).max() < 0.03 * abs(wanted).max()
    assert firmware.test({"x": x[:5]})["mismatches"] == 0
    order = firmware.plan.graph.input_orders[0]
    np.testing.assert_array_equal(
        firmware.run(x),
        firmware.run(x.transpose(0, *order[1:])),  # as the firmware has them
    )
    header = firmware.sources["include/net.h"]
    assert (
        f"axes {', '.join(map(str, order))} of the model's [1, {', '.join(map(str, shape))}]"
        in header
    )


def test_the_model_is_meant_where_both_orders_fit(tmp_path: Path) -> None:
    b = Builder([1, 4, 4, 4])
    graph = read_model(str(b.save(tmp_path / "net.onnx", b.conv("x", 4, 2, (3, 3))))).graph
    x = np.arange(128, dtype=np.float32).reshape(2, 4, 4, 4)
    (given,) = given_samples({"x": x}, graph, "test").inputs
    np.testing.assert_array_equal(given[:, 0], x.transpose(0, 2, 3, 1))
    with pytest.raises(CompileError, match=r"takes \[n, 4, 4, 4\], the firmware \[n, 4, 4, 4\]"):
        given_samples({"x": x[:, :3]}, graph, "test")


def test_one_channel_has_no_order(tmp_path: Path) -> None:
    b = Builder([1, 1, 6, 5])
    graph = agrees(b.save(tmp_path / "net.onnx", b.conv("x", 1, 1, (3, 3))), (1, 1, 6, 5))
    assert graph.input_orders == graph.output_orders == ((),)
    assert not [n for n in graph.nodes if isinstance(n.op, Transpose)]


def test_constants_that_are_inputs_and_lie_elsewhere(tmp_path: Path) -> None:
    """As files before version 4 have them, and those of more than 2 GB."""
    b = Builder([1, 3, 5, 5])
    model = b.model(b.conv("x", 3, 4, (3, 3)))
    for tensor in model.graph.initializer:
        info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(info)
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
    assert len(agrees(path, (1, 3, 5, 5)).inputs) == 1
    (tmp_path / "net.bin").unlink()
    with pytest.raises(CompileError, match=r"^E202 .*another file"):
        read_model(str(path))


def test_a_branch_that_is_known_is_taken(tmp_path: Path) -> None:
    b = Builder([1, 4])
    graphs = {}
    for name, op in (("then_branch", "Relu"), ("else_branch", "Tanh")):
        info = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4])
        node = onnx.helper.make_node(op, ["x"], ["y"])
        graphs[name] = onnx.helper.make_graph([node], name, [], [info])
    y = b.add("If", b.constant(np.array(True)), **graphs)
    graph = agrees(b.save(tmp_path / "net.onnx", y), (1, 4))
    assert [type(n.op).__name__ for n in graph.nodes] == ["Relu"]


def test_gelu_written_out_is_one(tmp_path: Path) -> None:
    for i in range(3):
        b = Builder([2, 4])
        half, one, root = (b.constant(np.float32(v)) for v in (0.5, 1, 2**0.5))
        wide = b.add("Add", b.add("Erf", b.add("Div", "x", root)), one)
        if i == 0:
            y = b.add("Mul", b.add("Mul", "x", wide), half)
        elif i == 1:
            y = b.add("Mul", b.add("Mul", "x", half), wide)
        else:
            y = b.add("Mul", "x", b.add("Mul", half, wide))
        graph = agrees(b.save(tmp_path / "net.onnx", y), (2, 4))
        assert [type(n.op).__name__ for n in graph.nodes] == ["Gelu"]
    other = b.add("Mul", b.add("Mul", "x", wide), one)
    graph = agrees(b.save(tmp_path / "net.onnx", other), (2, 4))
    assert "Gelu" not in [type(n.op).__name__ for n in graph.nodes]


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("bhid,bhjd->bhij", ((1, 2, 3, 4), (1, 2, 5, 4))),
        ("ij,jk->ki", ((3, 4), (4, 5))),
        ("bi,bj->bij", ((2, 3), (2, 4))),
        ("abc,cd->a", ((2, 3, 4), (4, 2))),
    ],
)
def test_einsum(equation: str, shapes: tuple[tuple[int, ...], ...], tmp_path: Path) -> None:
    b = Builder(shapes[0])
    b.inputs.append(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shapes[1]))
    agrees(b.save(tmp_path / "net.onnx", b.add("Einsum", "x", "y", equation=equation)), *shapes)


# What is wrong with a file -----------------------------------------------------------------


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


def refusal(path: Path) -> str:
    with pytest.raises((CompileError, CompileErrors)) as found:
        read_model(str(path))
    text = str(found.value)
    assert "\n" not in text
    return text


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"

    def save(b: Builder, *outputs: str, opset: int = 17) -> Path:
        model = b.model(*outputs, opset=opset)
        path.write_bytes(model.SerializeToString())
        return path

    b = Builder([1, 3, "h", "w"])
    assert refusal(save(b, b.conv("x", 3, 2, (3, 3)))).startswith(
        "E305 net.onnx: input 'x': has the dynamic shape [1, 3, h, w]; fix every size"
    )
    b = Builder([1, 4])
    text = refusal(save(b, b.add("Add", "x", b.constant(np.float32([np.nan, 1, 1, 1])))))
    assert text.startswith("E324 net.onnx: node 0 'v0_0' (Add): its operand 1 holds NaN")
    b = Builder([1, 4])
    b.add("Add", "x", "v1_0")
    assert refusal(save(b, b.add("Relu", "v0_0"))).startswith("E301 net.onnx: breaks the format")
    b = Builder([1, 4])
    assert refusal(save(b, b.add("Relu", "x"), opset=999)).startswith("E352 net.onnx: is of op")
    b = Builder([1, 1 << 20, 1 << 20])
    assert refusal(save(b, b.add("Relu", "x"))).startswith(
        "E301 net.onnx: input 'x': has the shape"
    )
    b = Builder([1, 4])
    huge = b.add("ConstantOfShape", b.constant(np.array([1 << 20, 1 << 20])))
    assert refusal(save(b, b.add("Add", "x", huge))).startswith(
        "E302 net.onnx: node 0 'v0_0' (ConstantOfShape): gives a constant of the shape"
    )
    b = Builder([1, 4])
    loose = b.add("Reshape", "x", b.add("Cast", b.add("ReduceSum", "x"), to=7))
    assert refusal(save(b, loose)).startswith("E305 net.onnx: node 2 'v2_0' (Reshape): operand")
    b = Builder([1, 4])
    assert refusal(save(b, b.add("NonZero", "x"))).endswith("end the model before it")
    b = Builder([1, 4])
    content = save(b, b.add("Gemm", "x", b.weights(4, 4))).read_bytes()
    path.write_bytes(content[:-7])
    assert refusal(path).startswith("E301 net.onnx: is no ONNX file, or is cut off")


def test_broken_bytes_are_refused_or_read(tmp_path: Path) -> None:
    """Each as a problem that is told, or as a network."""
    content, path = small(tmp_path).read_bytes(), tmp_path / "broken.onnx"
    rng = np.random.default_rng(5)
    for _ in range(60):
        broken = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            broken[int(rng.integers(len(broken)))] = int(rng.integers(256))
        path.write_bytes(bytes(broken[: int(rng.integers(1, len(broken) + 1))]))
        with contextlib.suppress(CompileError, CompileErrors):
            read_model(str(path))


def test_older_sets_are_converted(tmp_path: Path) -> None:
    b = Builder([1, 4])
    path = b.save(
        tmp_path / "net.onnx", b.add("Unsqueeze", b.add("Softmax", "x"), axes=[0]), opset=11
    )
    agrees(path, (1, 4))


def test_the_package_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CompileError) as found:
        read_model(str(small(tmp_path)))
    assert (found.value.id, found.value.hint) == ("E705", "pip install 'tinyc[onnx]'")
