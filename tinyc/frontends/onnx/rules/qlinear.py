"""Import QuantizeLinear, DequantizeLinear, and ONNX Runtime's operators of int8 and uint8.

uint8 becomes int8 with a zero point less 128, which is the same real number.
"""

from __future__ import annotations

import numpy as np

from ....ir import Array, DType, Node, Quant, TensorType, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.batch_matmul import BatchMatMul
from ....ops.byte_table import ByteTable
from ....ops.conv2d import Conv2d
from ....ops.dequantize import Dequantize
from ....ops.fully_connected import FullyConnected
from ....ops.qlinear_arithmetic import QLinearAdd, QLinearMul
from ....ops.qlinear_average_pool import QLinearAveragePool2d
from ....ops.qlinear_softmax import QLinearSoftmax
from ....ops.quantize import Quantize
from ....ops.reduce import Mean
from ..rule import OnnxOp, family, rule
from .conv import convolution
from .gemm import dense, product
from .pool import pooled

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))


def signed(data: Array) -> Array:
    """Numbers of up to eight bits as int8: uint8 less 128."""
    if data.dtype == np.uint8:
        return (data ^ np.uint8(128)).view(np.int8)
    return data.astype(np.int8)


def is_unsigned(src: OnnxOp, place: int) -> bool:
    """Whether a zero point is one of uint8, as it is where none is given."""
    return not src.present(place) or src.constant(place).dtype == np.uint8


def quant(src: OnnxOp, place: int) -> Quant:
    """The scale at ``place`` and the zero point behind it, of int8. Raises E301, E304."""
    scale = src.numbers(place).ravel()
    less = 128 if is_unsigned(src, place + 1) else 0
    zeros = np.zeros(len(scale), np.int64)
    if src.present(place + 1):
        zeros = src.constant(place + 1).astype(np.int64).ravel()
    if len(zeros) not in (1, len(scale)) or not len(scale):
        raise src.fail(
            f"has {len(scale)} scales and {len(zeros)} zero points", CONVERT_AGAIN, "E301"
        )
    zeros = np.broadcast_to(zeros - less, scale.shape)
    return Quant(tuple(map(float, scale)), tuple(map(int, zeros)))


def single(src: OnnxOp, place: int) -> Quant:
    """The same, of one number each."""
    found = quant(src, place)
    if found.per_channel:
        raise src.fail(
            "its activations are quantized per channel", "quantize them as a whole", "E304"
        )
    return found


def operand(src: OnnxOp, place: int) -> Value:
    """An operand of eight bits, whose scale and zero point follow it, as int8."""
    found = src.operands[place]
    if isinstance(found, Value):
        if found.type.dtype is not DType.I8 or found.type.quant is None:
            raise src.fail(f"operand {place} is {found.type}", CONVERT_AGAIN, "E303")
        return taken_as(src, found, single(src, place + 1))
    data = src.constant(place)
    if data.dtype not in _BYTES:
        raise src.fail(f"operand {place} is {data.dtype}", "quantize it to int8 or uint8", "E303")
    return src.const(str(place), signed(data), single(src, place + 1))


def taken_as(src: OnnxOp, x: Value, numbers: Quant) -> Value:
    """The bytes of ``x`` as those of other numbers, if what reads them takes them so."""
    if x.type.quant == numbers:
        return x
    same = src.const("bytes", np.arange(256, dtype=np.uint8).view(np.int8), numbers)
    return src.emit(ByteTable(("taken otherwise",)), [x, same], x.type.shape, numbers)


def weights(src: OnnxOp, place: int) -> tuple[Array, Quant]:
    """Constant weights as int8, and how they are quantized."""
    return signed(src.constant(place)), quant(src, place + 1)


def bias(src: OnnxOp, place: int, channels: int) -> Array:
    """The int32 bias [channels], of zeros where it is left out; raises E301, E303."""
    if not src.present(place):
        return np.zeros(channels, np.int32)
    found = src.constant(place)
    if found.dtype != np.int32:
        raise src.fail(f"bias is {found.dtype}", "quantize it to int32", "E303")
    if found.size not in (1, channels):
        raise src.fail(f"bias has {found.size} elements, not {channels}", CONVERT_AGAIN, "E301")
    return np.broadcast_to(found.ravel(), channels).copy()


@rule(Quantize, "QuantizeLinear")
def quantize(src: OnnxOp) -> Value:
    x = src.value(0)
    if x.type.dtype is not DType.F32:
        raise src.fail(f"its input is {x.type}", CONVERT_AGAIN, "E303")
    kind = src.constant(2).dtype if src.present(2) else np.dtype(np.uint8)
    if kind in _BYTES:
        return src.emit(Quantize(to_even=True), [x], x.type.shape, single(src, 1))
    if kind != np.int16:
        raise src.fail(f"makes {kind}", "quantize to int8 or uint8", "E303")
    out = Value(f"{src.label}/0", TensorType(x.type.shape, DType.I16, single(src, 1)), src.origin)
    src.nodes.append(Node(Quantize(to_even=True), (x,), (out,), src.origin))
    return out


@rule(Dequantize, "DequantizeLinear")
def dequantize(src: OnnxOp) -> Value:
    x = src.value(0)
    if x.type.quant is None:
        raise src.fail(f"its input is {x.type}", "quantize it to int8 or uint8", "E303")
    if x.type.dtype is DType.I8:
        x = taken_as(src, x, single(src, 1))
    return src.emit(Dequantize(), [x], x.type.shape, DType.F32)


@rule(Conv2d, "QLinearConv")
def conv(src: OnnxOp) -> Value:
    """x, weights and output, each with its scale and zero point; a bias of int32."""
    data, numbers = weights(src, 3)
    quants = numbers, single(src, 6)
    return convolution(src, operand(src, 0), data, lambda channels: bias(src, 8, channels), quants)


@rule(FullyConnected, "com.microsoft.QGemm")
def gemm(src: OnnxOp) -> Value:
    """x, weights, a bias of int32, output. A bias of several rows is none of a layer."""
    x, (data, numbers) = operand(src, 0), weights(src, 3)
    if src.number("alpha", 1.0) != 1 or data.ndim != 2 or not src.present(7):
        raise src.fail("has an alpha, or an output of float32", "quantize its output")
    rows = data if src.integer("transB", 0) else data.T
    x = src.transposed(x, (1, 0)) if src.integer("transA", 0) else x
    return dense(src, x, rows, bias(src, 6, len(rows)), (numbers, single(src, 7)))


@rule(BatchMatMul, "QLinearMatMul")
def matmul(src: OnnxOp) -> Value:
    """A dense layer where the second operand is a constant matrix."""
    x, out = operand(src, 0), single(src, 6)
    given = src.operands[3]
    if isinstance(given, np.ndarray) and given.ndim == 2 and len(x.type.shape) > 1:
        data, numbers = weights(src, 3)
        return dense(src, x, data.T, np.zeros(data.shape[1], np.int32), (numbers, out))
    op = BatchMatMul(False, False, float_scaled=True)
    return product(src, op, x, operand(src, 3), out)


@family({"com.microsoft.QLinearAdd": QLinearAdd, "com.microsoft.QLinearMul": QLinearMul})
def arithmetic(cls: type[QLinearAdd] | type[QLinearMul], src: OnnxOp) -> Value:
    x, y = operand(src, 0), operand(src, 3)
    op = cls(unsigned=is_unsigned(src, 7))
    return src.emit(op, [x, y], src.broadcast(x.type.shape, y.type.shape), single(src, 6))


@rule(QLinearAveragePool2d, "com.microsoft.QLinearAveragePool")
def average_pool(src: OnnxOp) -> Value:
    _channels_first(src)
    out = single(src, 3)
    return pooled(src, operand(src, 0), QLinearAveragePool2d, out, unsigned=is_unsigned(src, 4))


@rule(Mean, "com.microsoft.QLinearGlobalAveragePool")
def global_average_pool(src: OnnxOp) -> Value:
    _channels_first(src)
    x = operand(src, 0)
    rank = len(x.type.shape)
    shape = (*x.type.shape[:2], *(1,) * (rank - 2))
    op = Mean(tuple(range(2, rank)), True, float_scaled=True)
    return src.emit(op, [x], shape, single(src, 3))


def _channels_first(src: OnnxOp) -> None:
    if src.integer("channels_last", 0):
        raise src.fail("has its channels last", "take the model as it was before its optimization")


@rule(QLinearSoftmax, "com.microsoft.QLinearSoftmax")
def softmax(src: OnnxOp) -> Value:
    x = operand(src, 0)
    rank = len(x.type.shape)
    axis = src.axis(src.integer("axis", -1), rank)
    order = [a for a in range(rank) if a != axis] + [axis]
    last = src.transposed(x, order) if axis != rank - 1 else x
    y = src.emit(QLinearSoftmax(), [last], last.type.shape, single(src, 3))
    return src.transposed(y, np.argsort(order).tolist()) if last is not x else y
