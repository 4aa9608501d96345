"""Quantized ONNX networks to the bit as ONNX Runtime computes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.base import read_model
from tinyc.ir import Array, DType, Graph, interpret
from tinyc.passes import optimize

pytest.importorskip("onnx", reason="pip install 'tinyc[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
import onnx
from onnx_models import Builder

Made = tuple[Builder, str]


def residual() -> Made:
    b = Builder([1, 3, 8, 8])
    x = b.add("Relu", b.conv("x", 3, 8, (3, 3), pads=[1] * 4))
    y = b.conv(b.add("Relu", b.conv(x, 8, 8, (3, 3), pads=[1] * 4)), 8, 8, (3, 3), pads=[1] * 4)
    x = b.add("Relu", b.add("Add", x, y))
    y, z = (
        b.conv(x, 8, 12, (3, 3), pads=[1] * 4, strides=[2, 2]),
        b.conv(x, 8, 12, (1, 1), strides=[2, 2]),
    )
    x = b.add("Flatten", b.add("GlobalAveragePool", b.add("Relu", b.add("Add", y, z))))
    return b, b.add("Softmax", b.add("Gemm", x, b.weights(10, 12), b.weights(10), transB=1))


def depthwise() -> Made:
    b = Builder([1, 3, 12, 12])
    x = b.add("Relu", b.conv("x", 3, 8, (3, 3), pads=[1] * 4, strides=[2, 2]))
    x = b.add("Relu", b.conv(x, 8, 8, (3, 3), pads=[1] * 4, group=8))
    x = b.add("MaxPool", b.conv(x, 8, 12, (1, 1)), kernel_shape=[2, 2], strides=[2, 2])
    x = b.add("AveragePool", x, kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1)
    x = b.add("Reshape", x, b.constant(np.array([1, -1], np.int64)))
    return b, b.add("Gemm", x, b.weights(5, 12 * 9), b.weights(5), transB=1)


def inception() -> Made:
    b = Builder([1, 4, 9, 9])
    x = b.add("Relu", b.conv("x", 4, 8, (3, 3), auto_pad="SAME_UPPER", strides=[2, 2]))
    y = b.add("Relu", b.conv(x, 8, 4, (1, 1)))
    z = b.conv(x, 8, 6, (3, 3), pads=[1] * 4, group=2)
    pooled = b.add("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
    x = b.add("Concat", y, z, pooled, axis=1)
    x = b.add("Pad", x, b.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1])))
    gate = b.add("Sigmoid", b.conv(b.add("GlobalAveragePool", x), 18, 18, (1, 1)))
    return b, b.conv(b.add("Mul", x, gate), 18, 3, (1, 1))


def attention() -> Made:
    b = Builder([1, 6, 8])
    q, k, v = (b.add("MatMul", "x", b.weights(8, 8)) for _ in range(3))
    scores = b.add("MatMul", q, b.add("Transpose", k, perm=[0, 2, 1]))
    x = b.add("MatMul", b.add("Softmax", scores, axis=-1), v)
    return b, b.add("Add", "x", b.add("Add", b.add("MatMul", x, b.weights(8, 8)), b.weights(8)))


NETWORKS = [residual, depthwise, inception, attention]
WAYS = [
    ("QDQ", "QInt8", "QInt8", True, False),
    ("QDQ", "QUInt8", "QUInt8", False, False),
    ("QDQ", "QInt8", "QInt8", False, True),
    ("QOperator", "QUInt8", "QInt8", True, False),
    ("QOperator", "QInt8", "QInt8", False, True),
]
"""(format, type of activations, of weights, whether these are quantized per channel, whether the
zero points of activations are 0)."""


def quantized(make: Callable[[], Made], way: tuple[Any, ...], path: Path) -> Path:
    """A network as onnxruntime.quantization.quantize_static leaves it."""
    from onnxruntime import quantization

    b, out = make()
    plain = b.save(path / "float.onnx", out)
    shape = [d.dim_value for d in b.inputs[0].type.tensor_type.shape.dim]
    rng = np.random.default_rng(5)

    class Samples(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter([{"x": normal(rng, shape)} for _ in range(6)])

        def get_next(self) -> Any:
            return next(self.left, None)

    format_, activations, weights, per_channel, symmetric = way
    quantization.quantize_static(
        plain, path / "net.onnx", Samples(),
        quant_format=quantization.QuantFormat[format_],
        activation_type=quantization.QuantType[activations],
        weight_type=quantization.QuantType[weights],
        per_channel=per_channel,
        extra_options={"ActivationSymmetric": symmetric},
    )  # fmt: skip
    return path / "net.onnx"


def normal(rng: np.random.Generator, shape: Any) -> Array:
    return rng.normal(size=shape).astype(np.float32)


def runtime(path: Path, samples: list[Array]) -> list[Array]:
    """The first output of onnxruntime, which computes int8 as int8 where it is told to."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = onnxruntime.InferenceSession(str(path), options)
    (given,) = session.get_inputs()
    return [np.asarray(session.run(None, {given.name: x})[0]) for x in samples]


def reads_as(graph: Graph, samples: list[Array], wanted: list[Array]) -> None:
    """The graph, as it is read and as it is optimized, gives ``wanted``."""
    (order,), (last,) = graph.input_orders or [()], graph.output_orders or [()]
    for x, y in zip(samples, wanted, strict=True):
        x, y = x.transpose(order) if order else x, y.transpose(last) if last else y
        for form in (graph, optimize(graph)):
            found = interpret(form, [np.ascontiguousarray(x)])[form.outputs[0]]
            np.testing.assert_array_equal(found, y)


def agrees(path: Path, kind: Any = np.float32, count: int = 8) -> Graph:
    graph = read_model(str(path)).graph
    rng = np.random.default_rng(6)
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape
    size = [d.dim_value for d in shape.dim]
    if kind is np.float32:
        samples = [normal(rng, size) for _ in range(count)]
    else:
        samples = [rng.integers(*_limits(kind), size, kind, endpoint=True) for _ in range(count)]
    reads_as(graph, samples, runtime(path, samples))
    return graph


def _limits(kind: Any) -> tuple[int, int]:
    return np.iinfo(kind).min, np.iinfo(kind).max


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", NETWORKS)
def test_as_onnxruntime(make: Callable[[], Made], way: tuple[Any, ...], tmp_path: Path) -> None:
    """Sums of products, residual sums, pooling, tables, softmax."""
    graph = agrees(quantized(make, way, tmp_path))
    names = {type(n.op).__name__ for n in optimize(graph).nodes}
    floats = {"Quantize", "Dequantize", "Reshape", "Transpose", "Relu", "Mean"}
    for node in optimize(graph).nodes:
        real = any(v.type.dtype is DType.F32 for v in (*node.inputs, *node.outputs))
        assert not real or type(node.op).__name__ in floats, names


# What other tools write -------------------------------------------------------------------


class Quantizer(Builder):
    """A builder of QuantizeLinear and DequantizeLinear."""

    def q(self, x: str, scale: Any, zero: Any, **more: Any) -> str:
        return str(self.add("QuantizeLinear", x, *self._words(scale, zero), **more))

    def dq(self, x: str, scale: Any, zero: Any, **more: Any) -> str:
        return str(self.add("DequantizeLinear", x, *self._words(scale, zero), **more))

    def qdq(self, x: str, scale: float, zero: Any) -> str:
        return self.dq(self.q(x, scale, zero), scale, zero)

    def _words(self, scale: Any, zero: Any) -> list[str]:
        return [self.constant(np.asarray(scale, np.float32)), self.constant(zero)]

    def filters(self, shape: tuple[int, ...], low: int = -127, high: int = 127) -> Array:
        return self.rng.integers(low, high, shape, endpoint=True).astype(np.int8)


def of_pytorch() -> Made:
    """Biases of float32, weights per channel, a Relu that is kept since its zero point is 0."""
    b = Quantizer([1, 3, 7, 7])
    zero = np.zeros(6, np.int8)
    scale = b.rng.uniform(0.001, 0.02, 6)
    w = b.dq(b.constant(b.filters((6, 3, 3, 3))), scale, zero, axis=0)
    x = b.qdq("x", 0.03, np.uint8(121))
    x = b.add("Conv", x, w, b.weights(6), pads=[1] * 4)
    x = b.qdq(b.add("Relu", x), 0.11, np.uint8(0))
    x = b.qdq(b.add("Flatten", b.add("MaxPool", x, kernel_shape=[2, 2])), 0.11, np.uint8(0))
    w = b.dq(b.constant(b.filters((6 * 36, 4))), 0.004, np.int8(0))
    x = b.add("Add", b.add("MatMul", x, w), b.weights(4))
    return b, b.qdq(x, 0.2, np.uint8(100))


def of_brevitas() -> Made:
    """Weights of float32 that are quantized to 4 bits in the file: QuantizeLinear, Clip,
    DequantizeLinear, which activations go through as well."""
    b = Quantizer([1, 12])

    def narrow(x: str, scale: float, zero: Any, low: int, high: int) -> str:
        limits = [b.constant(np.array(v, zero.dtype)) for v in (low, high)]
        return b.dq(b.add("Clip", b.q(x, scale, zero), *limits), scale, zero)

    x = narrow("x", 0.25, np.uint8(8), 0, 15)
    x = b.add("Gemm", x, narrow(b.weights(9, 12), 0.1, np.int8(0), -7, 7), b.weights(9), transB=1)
    x = narrow(b.add("Relu", x), 0.3, np.uint8(0), 0, 7)
    x = b.add("Gemm", x, narrow(b.weights(5, 9), 0.15, np.int8(0), -2, 1), transB=1)
    return b, b.qdq(x, 0.05, np.uint8(131))


def asymmetric() -> Made:
    """uint8 weights with a zero point, as a whole."""
    b = Quantizer([1, 2, 6, 6])
    w = b.constant(b.rng.integers(0, 255, (4, 2, 3, 3), np.uint8, endpoint=True))
    x = b.add("Conv", b.qdq("x", 0.02, np.uint8(140)), b.dq(w, 0.01, np.uint8(97)))
    x = b.qdq(x, 0.1, np.uint8(131))
    y = b.add("Transpose", x, perm=[0, 2, 3, 1])
    return b, b.qdq(b.add("Tanh", y), 1 / 128, np.uint8(128))


def taken_otherwise() -> Made:
    """Bytes that a layer, and DequantizeLinear, take for other numbers than they were made as;
    zero points that are left out."""
    b = Quantizer([1, 9])
    scale = b.constant(np.float32(0.03))
    x = b.add("QuantizeLinear", "x", scale)
    w = b.constant(b.filters((9, 6)))
    x = b.add("Gemm", b.dq(x, 0.05, np.uint8(3)), b.add("DequantizeLinear", w, scale))
    x = b.add("DequantizeLinear", b.q(x, 0.2, np.uint8(90)), scale)
    return b, b.qdq(b.add("Add", x, x), 0.07, np.uint8(0))


@pytest.mark.parametrize("make", [of_pytorch, of_brevitas, asymmetric, taken_otherwise])
def test_by_hand(make: Callable[[], Made], tmp_path: Path) -> None:
    b, out = make()
    graph = agrees(b.save(tmp_path / "net.onnx", out, opset=17), count=20)
    weighted = [n for n in graph.nodes if hasattr(n.op, "float_scaled")]
    assert weighted and all(getattr(n.op, "float_scaled", False) for n in weighted)


def test_a_kept_relu(tmp_path: Path) -> None:
    """Behind a layer whose zero point is 0 it clamps there, by the layer's own bounds; ONNX Runtime
    computes such a layer in float32, whose sums come to another side of a half at times."""
    b = Quantizer([1, 16])
    w = b.dq(b.constant(b.filters((16, 8))), 0.01, np.int8(0))
    x = b.add("Relu", b.add("MatMul", b.qdq("x", 0.03, np.int8(0)), w))
    path = b.save(tmp_path / "net.onnx", b.qdq(x, 0.05, np.int8(0)), opset=17)
    graph = optimize(read_model(str(path)).graph)
    assert [type(n.op).__name__ for n in graph.nodes] == [
        "Quantize",
        "FullyConnected",
        "Dequantize",
    ]
    rng = np.random.default_rng(1)
    samples = [normal(rng, (1, 16)) for _ in range(50)]
    found = np.array([interpret(graph, [x])[graph.outputs[0]] for x in samples])
    wanted = np.array(runtime(path, samples))
    assert np.abs(found - wanted).max() <= 0.05 * 1.01 and (found == wanted).mean() > 0.99


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_integers_at_both_ends(kind: Any, tmp_path: Path) -> None:
    """Inputs and outputs of int8 and uint8 are the file's."""
    import onnx
    from onnx import helper

    b = Quantizer([1, 10])
    number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    b.inputs = [helper.make_tensor_value_info("x", number, [1, 10])]
    zero = kind(100)
    w = b.dq(b.constant(b.filters((10, 4))), 0.01, np.int8(0))
    y = b.q(b.add("Gemm", b.dq("x", 0.03, zero), w), 0.05, zero)
    path = tmp_path / "net.onnx"
    onnx.save(b.model(y, opset=17, kind=number), path)
    graph = agrees(path, kind)
    wanted = DType.I8 if kind is np.int8 else DType.U8
    assert [v.type.dtype for v in (*graph.inputs, *graph.outputs)] == [wanted, wanted]


def test_what_is_quantized_as_it_runs_is_refused(tmp_path: Path) -> None:
    from onnxruntime import quantization

    b = Builder([1, 8])
    plain = b.save(tmp_path / "float.onnx", b.add("MatMul", "x", b.weights(8, 4)))
    quantization.quantize_dynamic(plain, tmp_path / "net.onnx")
    with pytest.raises((CompileError, CompileErrors), match="not by the range of each run"):
        read_model(str(tmp_path / "net.onnx"))


def test_unsigned_numbers_in_arithmetic_are_refused(tmp_path: Path) -> None:
    b = Quantizer([1, 8])
    x = b.q("x", 0.1, np.uint8(3))
    y = b.add("Cast", x, to=1)
    with pytest.raises(CompileError, match=r"^E303 net\.onnx: node 'v1_0' \(Cast\)"):
        read_model(str(b.save(tmp_path / "net.onnx", b.add("Add", y, b.dq(x, 0.1, np.uint8(3))))))


# On cores ---------------------------------------------------------------------------------


def on_boards() -> Iterator[Any]:
    for board, (make, way) in itertools.product(
        ["mps2_an386", "nucleo_g0b1re"], [(residual, WAYS[0]), (depthwise, WAYS[3])]
    ):
        yield pytest.param(board, make, way, id=f"{board}-{make.__name__}")


@pytest.mark.slow
@pytest.mark.parametrize(("board_name", "make", "way"), list(on_boards()))
def test_on_a_core(
    board_name: str, make: Callable[[], Made], way: tuple[Any, ...], tmp_path: Path
) -> None:
    """With an FPU and the DSP extension, and with neither."""
    from tinyc.emit.emitter import emit
    from tinyc.image.build import BuildOptions, build
    from tinyc.plan import plan
    from tinyc.run import run
    from tinyc.target.boards import load_board

    board = load_board(board_name)
    graph = read_model(str(quantized(make, way, tmp_path))).graph
    lowered = plan(optimize(graph), board.core.name, board.core.features)
    image = build(emit(lowered), board, None, tmp_path / "out", BuildOptions("test"))
    rng = np.random.default_rng(8)
    samples = [normal(rng, v.type.shape) for v in graph.inputs for _ in range(3)]
    wanted = [interpret(graph, [x])[graph.outputs[0]].ravel() for x in samples]
    found = run(image, np.stack([x.ravel().view(np.uint8) for x in samples])).outputs
    np.testing.assert_array_equal(np.stack([f.view(np.float32) for f in found]), np.stack(wanted))
