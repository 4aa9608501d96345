"""A tensor of the file: its shape, type, quantization and data."""

from __future__ import annotations

import math

import numpy as np

from ...errors import CompileError
from ...ir import Array, DType, Quant
from ...ops.base import CONVERT_AGAIN
from . import schema
from .flatbuffer import MalformedError, Table
from .source import MAX_COPIED, MAX_ELEMENTS, MAX_NAME, MAX_NUMBERS, SourceTensor
from .sparse import densify


class TensorReader:
    """Reads the tensors of a file. Those that share a buffer share its bytes, which are the
    file's own unless they have to be unpacked; what that takes is bounded for all together."""

    def __init__(self, raw: bytes, buffers: list[Table], file: str) -> None:
        self._raw, self._buffers, self._file = raw, buffers, file
        self._data: dict[tuple[int, int, tuple[int, ...], int], Array] = {}
        self._quants: dict[tuple[int, tuple[int, ...], DType], Quant | None] = {}
        self._copied = self._scales = 0

    def read(self, t: Table, index: int) -> SourceTensor:
        """Raises CompileError E301 to E305, and MalformedError."""
        name = t.string(3, MAX_NAME) or f"tensor_{index}"
        origin = f"{self._file}: tensor {index} '{name}'"
        sizes, open_sizes = t.array(0, np.int32), t.array(7, np.int32)
        if len(sizes) > 8:
            raise CompileError("E301", origin, f"has {len(sizes)} dimensions", CONVERT_AGAIN)
        # Some converters mark an open size in the shape itself.
        signature = tuple(map(int, open_sizes if len(open_sizes) == len(sizes) else sizes))
        shape = tuple(1 if d < 0 else int(d) for d in sizes)
        if math.prod(shape) > MAX_ELEMENTS:
            raise CompileError("E301", origin, f"has the shape {list(shape)}", CONVERT_AGAIN)
        code, buffer = int(t.scalar(1, "i8")), int(t.scalar(2, "u32"))
        content = self._content(buffer, origin)
        dtype = schema.TENSOR_TYPES.get(code) or schema.CONSTANT_TYPES.get(code)
        if dtype is None:
            known = 0 <= code < len(schema.TENSOR_TYPE_NAMES)
            what = schema.TENSOR_TYPE_NAMES[code] if known else f"of the unknown type {code}"
            raise CompileError(
                "E303", origin, f"is {what}", "convert the model with int8 or float32 tensors"
            )
        data = None
        if 0 in shape:
            data = np.zeros(shape, dtype.numpy)
        elif len(content):
            sparsity = t.table(6)
            key = (buffer, code, shape, sparsity.pos if sparsity else 0)
            if key not in self._data:
                self._data[key] = self._array(content, code, dtype, shape, sparsity, origin)
            data = self._data[key]
        open_shape = data is None and any(d < 0 for d in (*signature, *map(int, sizes)))
        return SourceTensor(
            name,
            shape,
            dtype,
            self._quant(t.table(4), shape, dtype, origin),
            data,
            signature if open_shape else (),
            bool(t.scalar(5, "bool")),
            schema.TENSOR_TYPE_NAMES[code] if code in schema.CONSTANT_TYPES else "",
        )

    def _content(self, buffer: int, origin: str) -> memoryview:
        """The bytes of a buffer; none of the first one, which is empty by convention."""
        if buffer >= max(len(self._buffers), 1):
            raise CompileError(
                "E301", origin, f"names buffer {buffer} of {len(self._buffers)}", CONVERT_AGAIN
            )
        if not buffer:
            return memoryview(b"")
        table = self._buffers[buffer]
        content = table.bytes(0)
        offset, size = int(table.scalar(1, "u64")), int(table.scalar(2, "u64"))
        if not len(content) and offset > 1:  # files over 2 GB keep data behind the flatbuffer
            content = memoryview(self._raw)[offset : offset + size]
        return content

    def _array(
        self,
        content: memoryview,
        code: int,
        dtype: DType,
        shape: tuple[int, ...],
        sparsity: Table | None,
        origin: str,
    ) -> Array:
        """The elements that ``content`` holds, as an array of ``shape`` and ``dtype``."""
        stored = schema.STORED_TYPES.get(code, dtype.numpy).newbyteorder("<")
        count = math.prod(shape)
        bits = schema.PACKED_BITS.get(code)
        need = -(-count * bits // 8) if bits else count * stored.itemsize
        if len(content) % stored.itemsize or (len(content) != need and sparsity is None):
            raise CompileError(
                "E301", origin,
                f"holds {len(content)} bytes, its shape {list(shape)} takes {need}", CONVERT_AGAIN,
            )  # fmt: skip
        flat = np.frombuffer(content, stored)
        if bits or sparsity is not None or stored != dtype.numpy:
            self._copied += count * dtype.size
            if self._copied > MAX_COPIED:
                raise CompileError(
                    "E301", origin, f"would unpack to over {MAX_COPIED >> 20} MB with the "
                    "constants before it", CONVERT_AGAIN,
                )  # fmt: skip
        if bits:
            rising = [flat << shift for shift in range(8 - bits, -1, -bits)]
            flat = np.stack(rising, 1).ravel() >> (8 - bits)
            flat = flat if sparsity is not None else flat[:count]
        if sparsity is not None:
            try:
                flat = densify(flat, shape, sparsity)
            except MalformedError as error:
                raise CompileError("E301", origin, str(error), CONVERT_AGAIN) from None
        return flat.reshape(shape).astype(dtype.numpy, copy=False)

    def _quant(
        self, q: Table | None, shape: tuple[int, ...], dtype: DType, origin: str
    ) -> Quant | None:
        if q is None or dtype in (DType.F32, DType.BOOL):
            return None
        key = (q.pos, shape, dtype)
        if key not in self._quants:
            self._quants[key] = self._read_quant(q, shape, dtype, origin)
        return self._quants[key]

    def _read_quant(
        self, q: Table, shape: tuple[int, ...], dtype: DType, origin: str
    ) -> Quant | None:
        scale, zero = q.array(2, np.float32), q.array(3, np.int64)
        if not len(scale):
            return None
        # A vector has one axis, whatever some converters write for a bias.
        axis = int(q.scalar(6, "i32")) if len(shape) > 1 else 0
        if not len(zero):
            zero = np.zeros(len(scale), np.int64)
        low, high = dtype.limits
        wrong = ""
        if len(zero) != len(scale):
            wrong = f"{len(scale)} scales and {len(zero)} zero points"
        elif len(scale) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scale)):
            wrong = f"{len(scale)} scales along axis {axis} of {list(shape)}"
        elif not np.all(np.isfinite(scale) & (scale > 0)):
            bad = scale[~(np.isfinite(scale) & (scale > 0))][0]
            wrong = f"the scale {bad:.6g}"
        elif not np.all((zero >= low) & (zero <= high)):
            wrong = f"the zero point {zero[(zero < low) | (zero > high)][0]}"
        if wrong and dtype in (DType.I32, DType.I64):
            return None  # a bias: its scale is that of its layer's input and weights
        if wrong:
            raise CompileError(
                "E304", origin, f"has an invalid quantization: {wrong}",
                "quantize the model again with the TFLite converter",
            )  # fmt: skip
        self._scales += len(scale)
        if self._scales > MAX_NUMBERS:
            raise CompileError("E301", origin, f"is past {MAX_NUMBERS:,} scales", CONVERT_AGAIN)
        return Quant(tuple(map(float, scale)), tuple(map(int, zero)), axis)
