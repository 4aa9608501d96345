"""QLinearAdd and QLinearMul: sums and products of int8 in float32, as ONNX Runtime computes them.

Sums are those of its kernels for x64, which multiply and add in one rounding (fma), the second
operand first. Without it float32 has other last bits, which showed in one of a million pairs of
operands; 64-bit Arm adds in fixed point. Sources: MlasQLinearAddKernelAvx2Helper and
MlasQLinearMulKernel of onnxruntime/core/mlas/lib.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import clamp
from ._binary import binary_cases, check_binary
from ._mixins import Unsigned
from .base import fail, register

RATIOS = (2.0**-14, 2.0**8)
"""Of a summand's scale to that of the sum: what the integers of the kernels hold."""
PRODUCTS = (2.0**-30, 16.0)
"""The same of the factors' scales, multiplied, to that of the product."""


@dataclass(frozen=True)
class _Arithmetic(Unsigned):
    elementwise = True

    def _expect(self, node: Node[Self], limits: tuple[float, float], *ratios: np.float32) -> None:
        for ratio in ratios:
            if not limits[0] <= ratio <= limits[1]:
                raise fail(
                    node, f"rescales by {ratio:.6g}, not {limits[0]:.6g} to {limits[1]:.6g}",
                    "quantize the model again, with data like the real one", "E304",
                )  # fmt: skip

    def zeros(self, node: Node[Self]) -> tuple[int, int, int]:
        """The zero points of both operands and of the output, as the file has them."""
        x, y, z = (v.type.zero_point + self.offset for v in (*node.inputs, node.output))
        return x, y, z

    def _finished(self, y: Array) -> tuple[Array, ...]:
        """float32 numbers of the file, halves to even, as int8."""
        return (clamp(np.rint(y).astype(np.int64) - self.offset, -128, 127, DType.I8),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for unsigned in (False, True):
            yield from binary_cases(rng, cls(unsigned=unsigned), (DType.I8,), least=1e-3)


@register
@dataclass(frozen=True)
class QLinearAdd(_Arithmetic):
    """Inputs: x, y, int8, which broadcast; output int8 of their common shape."""

    def check(self, node: Node[Self]) -> None:
        check_binary(node, (DType.I8,))
        self._expect(node, RATIOS, *self.terms(node)[:2])

    def terms(self, node: Node[Self]) -> tuple[np.float32, np.float32, np.float32]:
        """What the operands are multiplied by, and what is added to that."""
        scales = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
        x, y, out = scales
        a, b = x / out, y / out
        zero_x, zero_y, zero = (np.float32(z) for z in self.zeros(node))
        return a, b, np.float32(zero - _fma(zero_x, a, zero_y * b))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        a, b, fixed = self.terms(node)
        x, y = (i.astype(np.float32) + np.float32(self.offset) for i in inputs)
        return self._finished(_fma(x, a, _fma(y, b, fixed)))


@register
@dataclass(frozen=True)
class QLinearMul(_Arithmetic):
    """As `QLinearAdd`, of products."""

    def check(self, node: Node[Self]) -> None:
        check_binary(node, (DType.I8,))
        self._expect(node, PRODUCTS, self.scale(node))

    def scale(self, node: Node[Self]) -> np.float32:
        x, y, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
        return np.float32(x * y / out)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = (
            i.astype(np.float32) - np.float32(v.type.zero_point)
            for i, v in zip(inputs, node.inputs, strict=True)
        )
        return self._finished(x * y * self.scale(node) + np.float32(self.zeros(node)[2]))


def _fma(x: Array | np.float32, a: np.float32, b: Array | np.float32) -> Array:
    """x * a + b, rounded once: x has 8 bits, so that float64 holds what float32 does not."""
    return np.asarray(x.astype(np.float64) * float(a) + b).astype(np.float32)
