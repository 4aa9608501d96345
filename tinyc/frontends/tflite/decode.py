"""TFLM_DECODE, with which TensorFlow Lite Micro keeps weights compressed: what it decodes.

A pair of constants makes one tensor: a string of bits, most significant first, and 16 bytes that
say how it is to be read, with tables behind them (tensorflow/lite/micro/kernels/decode_state*.cc).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...ir import Array, DType, TensorType
from ...ops.base import CONVERT_AGAIN
from .rule import TfliteOp

NAME = "CUSTOM TFLM_DECODE"
_HEADER = 16


def decoded(src: TfliteOp) -> list[Array]:
    """An array for each output. Raises CompileError E301 for what breaks the format."""
    operands = [None if v is None else v.data for v in src.inputs]
    given = [np.frombuffer(a.tobytes(), np.uint8) for a in operands if a is not None]
    if len(given) != len(src.inputs) or len(given) != 2 * len(src.outputs):
        raise src.fail("its operands are no pairs of constants", CONVERT_AGAIN, "E301")
    found = []
    for code, about, value in zip(given[::2], given[1::2], src.outputs, strict=True):
        try:
            form = _FORMS[about[0]] if list(about[[1, 4]]) == [1, 1] else _unknown
            flat = form(code, about, value.type)
        except (ValueError, IndexError, KeyError) as error:
            what = f"cannot be decoded: {error}"
            raise src.fail(what, CONVERT_AGAIN, "E301") from None
        found.append(flat.reshape(value.type.shape))
    return found


def _unknown(code: Array, about: Array, kind: TensorType) -> Array:
    raise ValueError("its version is unknown")


def _channels(kind: TensorType) -> Array:
    """For each element, in order, the number of the channel that it is quantized by."""
    if kind.quant is None or not kind.quant.per_channel:
        return np.zeros(kind.elements, int)
    axis = kind.quant.axis
    if axis not in (0, len(kind.shape) - 1):
        raise ValueError(f"its channels lie along axis {axis}")
    sizes = [-1 if i == axis else 1 for i in range(len(kind.shape))]
    numbers = np.arange(kind.shape[axis]).reshape(sizes)
    return np.broadcast_to(numbers, kind.shape).ravel()


def _from_tables(code: Array, about: Array, kind: TensorType) -> Array:
    """Indices of some bits each into a table, or one for each channel."""
    width, stride = int(about[5] & 7), int(about[6])
    bits = np.unpackbits(code)[: kind.elements * width].reshape(kind.elements, width)
    at = bits @ (1 << np.arange(width)[::-1])
    return np.asarray(_values(about, kind)[_channels(kind) * stride + at])


def _from_sparse(code: Array, about: Array, kind: TensorType) -> Array:
    """A bit for each element, whether it is the next of the values, or zero."""
    zeros = np.array(kind.quant.zero_point if kind.quant else (0,), kind.dtype.numpy)
    full = zeros[_channels(kind)]
    there = np.unpackbits(code)[: kind.elements].astype(np.bool_)
    if len(there) < kind.elements:
        raise ValueError("it has too few bits")
    full[there] = _values(about, kind)[: np.count_nonzero(there)]
    return full


def _values(about: Array, kind: TensorType) -> Array:
    """What stands behind the header, as elements of ``kind``."""
    if kind.dtype is DType.BOOL:
        return about[_HEADER:].astype(np.bool_)
    return np.frombuffer(about[_HEADER:].tobytes(), kind.dtype.numpy.newbyteorder("<"))


def _from_huffman(code: Array, about: Array, kind: TensorType) -> Array:
    """Codes of Huffman's: a table tells of so many bits the symbol and how many were its own, or
    how many more bits to read and where the table for them begins."""
    wide = bool(about[5] & 1)
    entry = np.dtype("<u4" if wide else "<u2")
    places, number = (27, 27) if wide else (11, 11)
    table = np.frombuffer(about[_HEADER:].tobytes(), entry).tolist()
    first, found_mark = (int(about[5]) >> 4) + 1, 1 << (8 * entry.itemsize - 1)
    bits = "".join(map("{:08b}".format, code.tolist()))
    at, symbols = 0, []
    for _ in range(kind.elements):
        count, place = first, 0
        while True:
            # The last codes may look ahead beyond their end.
            place += int(bits[at : at + count].ljust(count, "0"), 2)
            at += count
            value = table[place]
            more = value >> places & 15
            if value & found_mark:
                break
            if at >= len(bits):
                raise ValueError("it has too few bits")
            count, place = more + 1, place + (value & ((1 << number) - 1))
        at -= max(count - more, 0)
        symbols.append(value)
    size = kind.dtype.size
    return np.array(symbols, entry).astype(f"<u{size}").view(kind.dtype.numpy)


_FORMS: dict[int, Callable[[Array, Array, TensorType], Array]] = {
    0: _from_tables, 1: _from_huffman, 2: _from_sparse,
}  # fmt: skip
