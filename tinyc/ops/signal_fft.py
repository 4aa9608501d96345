"""TensorFlow Lite Micro's SignalRfft and SignalIrfft, and SignalEnergy of what the first gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from ._fft import RADICES, Fft, factors
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register

_LONGEST = 1 << 15
_DTYPES = (DType.I16, DType.I32, DType.F32)


@dataclass(frozen=True)
class SignalTransform(Op):
    """Base of both: rows of ``fft_length`` real numbers, and of half as many complex ones and one
    more; inverse: whether these are the input."""

    fft_length: int

    inverse: ClassVar[bool] = False
    calibrates = False

    def fft(self, node: Node[Self]) -> Fft:
        return Fft(self.fft_length, node.inputs[0].type.dtype, self.inverse)

    def rows(self, node: Node[Self]) -> tuple[int, int]:
        """(number of rows, length of one of the input)."""
        x = node.inputs[0].type
        return x.elements // x.shape[-1], x.shape[-1]

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, y = node.inputs[0].type, node.output.type
        expect_dtype(node, x, _DTYPES, "input")
        expect_dtype(node, y, (x.dtype,), "output")
        half, odd = divmod(self.fft_length, 2)
        if odd or not 2 <= half <= _LONGEST or {p for p, _ in factors(half)} - {*RADICES}:
            raise fail(
                node,
                f"transforms {self.fft_length} points",
                f"take an even number of 4 to {2 * _LONGEST} points whose factors are 2, 3 and 5",
            )
        spectrum = self.fft_length + 2
        last = x.shape[-1] if x.shape else 0
        fits = last == spectrum if self.inverse else 1 <= last <= self.fft_length
        if not fits:
            what = f"its rows have {last} numbers, for {self.fft_length} points"
            raise fail(node, what, CONVERT_AGAIN, "E301")
        expect_shape(
            node, y, (*x.shape[:-1], self.fft_length if self.inverse else spectrum), "output"
        )

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # Each radix as a first pass and as a later one.
        for length in (4, 32, 36, 120, 150):
            for dtype in _DTYPES:
                rows = 2 if length < 10 else 1
                spectrum = TensorType((rows, length + 2), dtype)
                short = length - 3 if length == 120 and not cls.inverse else length
                samples = TensorType((rows, short), dtype)
                x, y = (spectrum, samples) if cls.inverse else (samples, spectrum)
                yield Node(cls(length), (Value("x", x, "case"),), (Value("y", y, "case"),), "case")


@register
@dataclass(frozen=True)
class SignalRfft(SignalTransform):
    """Input [..., n] of int16, int32 or float32, n <= ``fft_length``, zeros behind it; output
    [..., fft_length + 2] of the same type: the real and imaginary parts of the frequencies from 0
    to half the rate. Integers are divided by ``fft_length`` on the way. See `Fft`."""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        rows, length = self.rows(node)
        x = np.pad(inputs[0].reshape(rows, length), ((0, 0), (0, self.fft_length - length)))
        return (self.fft(node).forward(x).reshape(node.output.type.shape),)


@register
@dataclass(frozen=True)
class SignalIrfft(SignalTransform):
    """The inverse: input [..., fft_length + 2], output [..., fft_length]; float32 is divided by
    ``fft_length``, and so are integers on the way."""

    inverse = True

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        y = self.fft(node).backward(inputs[0].reshape(self.rows(node)))
        return (y.reshape(node.output.type.shape),)


@register
@dataclass(frozen=True)
class SignalEnergy(Op):
    """Input int16 [2 * n], complex numbers; output uint32 [n]: the squares of their magnitudes
    from index ``start`` up to ``end``, elsewhere 0, where TensorFlow Lite Micro writes nothing."""

    start: int
    end: int

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, y = node.inputs[0].type, node.output.type
        expect_dtype(node, x, (DType.I16,), "input")
        expect_dtype(node, y, (DType.U32,), "output")
        count = x.elements // 2
        if len(x.shape) != 1 or x.elements % 2 or not 0 <= self.start <= self.end <= count:
            what = f"takes {self.start} to {self.end} of {list(x.shape)}"
            raise fail(node, what, CONVERT_AGAIN, "E301")
        expect_shape(node, y, (count,), "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        squares = np.square(inputs[0].astype(np.int64)).reshape(-1, 2).sum(1).astype(np.uint32)
        at = np.arange(len(squares))
        return (np.where((at >= self.start) & (at < self.end), squares, np.uint32(0)),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for count, start, end in [(1, 0, 1), (9, 2, 7), (65, 0, 65), (4, 1, 1)]:
            x = Value("x", TensorType((2 * count,), DType.I16), "case")
            y = Value("y", TensorType((count,), DType.U32), "case")
            yield Node(cls(start, end), (x,), (y,), "case")
