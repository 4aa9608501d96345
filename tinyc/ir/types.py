"""Element types, quantization and the types of tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""A numpy array; its element type is the business of a `TensorType` or of a docstring."""


class DType(Enum):
    """An element type; ``value`` is its short name in captions and tables."""

    I8 = "i8"
    U8 = "u8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    U32 = "u32"
    U64 = "u64"
    F32 = "f32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(_NUMPY[self])

    @property
    def c(self) -> str:
        """The C99 type that holds one element."""
        return _C[self]

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest value of an integer type."""
        info = np.iinfo(self.numpy)
        return int(info.min), int(info.max)


_NUMPY = {
    DType.I8: np.int8, DType.U8: np.uint8, DType.I16: np.int16, DType.I32: np.int32,
    DType.I64: np.int64, DType.U32: np.uint32, DType.U64: np.uint64, DType.F32: np.float32,
    DType.BOOL: np.bool_,
}  # fmt: skip
_C = {
    DType.I8: "int8_t", DType.U8: "uint8_t", DType.I16: "int16_t", DType.I32: "int32_t",
    DType.I64: "int64_t", DType.U32: "uint32_t", DType.U64: "uint64_t", DType.F32: "float",
    DType.BOOL: "uint8_t",
}  # fmt: skip


@dataclass(frozen=True)
class Quant:
    """Affine quantization ``real = scale * (q - zero_point)``.

    scale: float32 values held as Python floats, one, or one for each index of ``axis``;
    zero_point: as many integers.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scale) > 1


@dataclass(frozen=True)
class TensorType:
    """Shape, element type and quantization (None for floats, indices and plain integers)."""

    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization."""
        assert self.quant is not None and not self.quant.per_channel
        return self.quant.scale[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantization; 0 for an unquantized type."""
        return self.quant.zero_point[0] if self.quant else 0

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype.value}"
