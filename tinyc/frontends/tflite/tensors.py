"""A tensor of the file: its shape, type, quantization and data."""

from __future__ import annotations

import math

import numpy as np

from ...errors import CompileError
from ...ir import DType, Quant
from .. import schema
from ..flatbuffer import Table
from .source import CONVERT_AGAIN, MAX_ELEMENTS, SourceTensor


def read_tensor(t: Table, index: int, raw: bytes, buffers: list[Table], file: str) -> SourceTensor:
    name = t.string(3) or f"tensor_{index}"
    origin = f"{file}: tensor {index} '{name}'"
    shape = tuple(map(int, t.array(0, np.int32)))
    signature = tuple(map(int, t.array(7, np.int32)))
    if any(d < 0 for d in shape) or any(d < 0 for d in signature[1:]):
        raise CompileError(
            "E305", origin, f"has the dynamic shape {list(signature or shape)}",
            "convert the model with a fixed input shape and batch 1",
        )  # fmt: skip
    if 0 in shape or math.prod(shape) > MAX_ELEMENTS or len(shape) > 8:
        raise CompileError("E301", origin, f"has the shape {list(shape)}", CONVERT_AGAIN)
    code = int(t.scalar(1, "i8"))
    if code not in schema.TENSOR_TYPES:
        known = 0 <= code < len(schema.TENSOR_TYPE_NAMES)
        what = schema.TENSOR_TYPE_NAMES[code] if known else f"of the unknown type {code}"
        raise CompileError(
            "E303", origin, f"is {what}", "convert the model with int8 or float32 tensors"
        )
    dtype = schema.TENSOR_TYPES[code]
    buffer = int(t.scalar(2, "u32"))
    if buffer >= max(len(buffers), 1):
        raise CompileError(
            "E301", origin, f"names buffer {buffer} of {len(buffers)}", CONVERT_AGAIN
        )
    data = None
    if buffer:
        content = buffers[buffer].bytes(0)
        offset, size = int(buffers[buffer].scalar(1, "u64")), int(buffers[buffer].scalar(2, "u64"))
        if not content and offset > 1:  # files over 2 GB keep data behind the flatbuffer
            content = raw[offset : offset + size]
        if content:
            if len(content) != math.prod(shape) * dtype.size:
                raise CompileError(
                    "E301", origin,
                    f"holds {len(content)} bytes, its shape {list(shape)} takes "
                    f"{math.prod(shape) * dtype.size}", CONVERT_AGAIN,
                )  # fmt: skip
            flat = np.frombuffer(content, dtype.numpy.newbyteorder("<"))
            data = flat.reshape(shape).astype(dtype.numpy)
    if t.table(6) is not None:
        raise CompileError(
            "E303", origin, "is stored sparse", "convert without sparsity; tinyc finds zeros itself"
        )
    return SourceTensor(name, shape, dtype, _quant(t.table(4), shape, dtype, origin), data)


def _quant(q: Table | None, shape: tuple[int, ...], dtype: DType, origin: str) -> Quant | None:
    if q is None or dtype in (DType.F32, DType.BOOL):
        return None
    scale, zero = q.array(2, np.float32), q.array(3, np.int64)
    if not len(scale):
        return None
    axis = int(q.scalar(6, "i32"))
    if not len(zero):
        zero = np.zeros(len(scale), np.int64)
    low, high = dtype.limits
    good = (
        len(zero) == len(scale)
        and np.all(np.isfinite(scale))
        and np.all(scale > 0)
        and np.all((zero >= low) & (zero <= high))
        and (len(scale) == 1 or (0 <= axis < len(shape) and shape[axis] == len(scale)))
    )
    if not good:
        raise CompileError(
            "E304", origin, "has an invalid quantization", "quantize the model again"
        )
    return Quant(tuple(map(float, scale)), tuple(map(int, zero)), axis)
