"""Operators of ONNX Runtime against ONNX Runtime: all pairs of bytes, random windows and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tinyc.ir import Array, DType, Node, Op, Quant, TensorType, Value
from tinyc.ops.qlinear_arithmetic import QLinearAdd, QLinearMul
from tinyc.ops.qlinear_average_pool import QLinearAveragePool2d
from tinyc.ops.qlinear_softmax import QLinearSoftmax
from tinyc.ops.quantize import Quantize
from tinyc.ops.reduce import Mean

pytest.importorskip("onnx", reason="pip install 'tinyc[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
from onnx import helper, numpy_helper

KINDS = [np.int8, np.uint8]
Numbers = tuple[float, int]
"""(scale, zero point) of a tensor."""


def ort(
    name: str, operands: Sequence[Array], order: Sequence[int | Array], **attributes: Any
) -> Array:
    """ONNX Runtime's operator ``name``; order: its inputs, an index into ``operands`` or a
    constant."""
    import onnxruntime

    names = [f"x{i}" for i in range(len(operands))]
    constants, inputs = [], []
    for i, entry in enumerate(order):
        if isinstance(entry, int):
            inputs.append(names[entry])
        else:
            constants.append(numpy_helper.from_array(entry, f"c{i}"))
            inputs.append(f"c{i}")
    domain = "" if name == "QuantizeLinear" else "com.microsoft"
    node = helper.make_node(name, inputs, ["y"], domain=domain, **attributes)
    types = [helper.np_dtype_to_tensor_dtype(a.dtype) for a in operands]
    declared = [
        helper.make_tensor_value_info(n, t, a.shape)
        for n, t, a in zip(names, types, operands, strict=True)
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.asarray(order[-1]).dtype)
    out = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph([node], "one", declared, [out], constants)
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, dict(zip(names, operands, strict=True)))[0])


def words(numbers: Numbers, kind: Any) -> list[Array]:
    return [np.float32(numbers[0]).reshape(()), np.array(numbers[1], kind)]


def signed(data: Array) -> Array:
    return (data ^ np.uint8(128)).view(np.int8) if data.dtype == np.uint8 else data


def tinyc(
    op: Op, operands: Sequence[Array], numbers: Sequence[Numbers], shape: Sequence[int], kind: Any
) -> Array:
    less = 128 if kind is np.uint8 else 0
    values = []
    shapes = [*(a.shape for a in operands), tuple(shape)]
    for i, (size, (scale, zero)) in enumerate(zip(shapes, numbers, strict=True)):
        quant = Quant((float(np.float32(scale)),), (zero - less,))
        values.append(Value(f"v{i}", TensorType(size, DType.I8, quant), "case"))
    node = Node(op, tuple(values[:-1]), (values[-1],), "case")
    node.op.check(node)
    return node.op.evaluate(node, *map(signed, operands))[0]


def random_numbers(rng: np.random.Generator, kind: Any, count: int) -> list[Numbers]:
    limits = np.iinfo(kind)
    return [
        (float(rng.uniform(0.01, 0.1)), int(rng.integers(limits.min, limits.max, endpoint=True)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", [QLinearAdd, QLinearMul])
def test_all_pairs(op: type[QLinearAdd] | type[QLinearMul], kind: Any, rng) -> None:
    bytes_ = np.arange(256, dtype=np.uint8).view(kind)
    x, y = (np.ascontiguousarray(a) for a in np.meshgrid(bytes_, bytes_, indexing="ij"))
    for trial in range(4):
        a, b, out = random_numbers(rng, kind, 3)
        if trial == 3:  # many halves
            a, b, out = (0.05, a[1]), (0.05, b[1]), (0.1, out[1])
        if op is QLinearMul:
            out = (out[0] / 8, out[1])
        order = [0, *words(a, kind), 1, *words(b, kind), *words(out, kind)]
        wanted = signed(ort(op.__name__, [x, y], order))
        found = tinyc(op(unsigned=kind is np.uint8), [x, y], [a, b, out], x.shape, kind)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_pooling(kind: Any, rng) -> None:
    limits = np.iinfo(kind)
    for kernel, pad in (((2, 2), 0), ((3, 3), 1), ((5, 7), 0)):
        x = rng.integers(limits.min, limits.max, (1, 5, 7, 9), kind, endpoint=True)
        a, out = random_numbers(rng, kind, 2)
        order = [0, *words(a, kind), *words(out, kind)]
        shape = {"kernel_shape": kernel, "strides": [1, 2], "pads": [pad] * 4}
        wanted = signed(ort("QLinearAveragePool", [x.transpose(0, 3, 1, 2).copy()], order, **shape))
        wanted = wanted.transpose(0, 2, 3, 1)
        padding = ((pad, pad), (pad, pad))
        op = QLinearAveragePool2d((1, 2), padding, "none", kernel, unsigned=kind is np.uint8)
        np.testing.assert_array_equal(tinyc(op, [x], [a, out], wanted.shape, kind), wanted)
        means = signed(ort("QLinearGlobalAveragePool", [x], order, channels_last=1))
        found = tinyc(Mean((1, 2), True, float_scaled=True), [x], [a, out], means.shape, kind)
        np.testing.assert_array_equal(found, means)


@pytest.mark.parametrize("kind", KINDS)
def test_softmax(kind: Any, rng) -> None:
    limits = np.iinfo(kind)
    for depth, step in ((2, 1 / 256.5), (10, 1 / 255), (300, 1 / 254.3)):
        x = rng.integers(limits.min, limits.max, (40, depth), kind, endpoint=True)
        (a,), out = random_numbers(rng, kind, 1), (step, int(limits.min))
        order = [0, *words(a, kind), *words(out, kind)]
        wanted = signed(ort("QLinearSoftmax", [x], order, axis=1, opset=13))
        found = tinyc(QLinearSoftmax(), [x], [a, out], x.shape, kind)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_quantize(kind: Any, rng) -> None:
    """Halves, and what leaves the range."""
    (_, zero), scale = random_numbers(rng, kind, 1)[0], 0.25
    ends = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38], np.float32)
    x = np.concatenate([np.arange(-300, 300, dtype=np.float32) / 8, ends])
    wanted = signed(ort("QuantizeLinear", [x], [0, *words((scale, zero), kind)]))
    less = 128 if kind is np.uint8 else 0
    out = TensorType(x.shape, DType.I8, Quant((scale,), (zero - less,)))
    values = Value("x", TensorType(x.shape, DType.F32), "case"), Value("y", out, "case")
    node = Node(Quantize(to_even=True), values[:1], values[1:], "case")
    with np.errstate(all="ignore"):
        found = node.op.evaluate(node, x)[0]
    np.testing.assert_array_equal(found, wanted)
