"""Functions of one number: ABS, NEG, SQRT, EXP, ELU, GELU and their like.

Of int8, TFLite knows ABS, SQRT, RSQRT, EXP, LOG, ELU and GELU, which are as there; the others
round the function of the real number in the same way (`float_curve`). Of int16 it knows ABS, RSQRT,
EXP and GELU.

float32 functions that libraries round differently are taken here from double's, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType
from ..ir.quant import clamp, multiply_double_rounding, quantize_multiplier
from ._fixedpoint import inverse_sqrt
from ._samples16 import interpolate16, samples16
from ._unary import check_unary, float_curve, integer_cases, unary_cases
from .base import expect_ratio, fail, register


class Curve(Op):
    """Input and output of one shape, int8 or, if ``wide``, int16 (which may differ in
    quantization) or float32, or of a type among ``integers``, whose numbers stand for
    themselves."""

    elementwise = True
    wide: ClassVar[bool] = False
    integers: ClassVar[tuple[DType, ...]] = ()

    @classmethod
    def types(cls) -> tuple[DType, ...]:
        """Those of real numbers."""
        return (DType.I8, DType.I16, DType.F32) if cls.wide else (DType.I8, DType.F32)

    def check(self, node: Node[Self]) -> None:
        check_unary(node, (*self.types(), *self.integers))

    def real(self, x: Array) -> Array:
        """The function of float32 (or, if there are ``integers``, of these), in the same type."""
        raise AssertionError(f"{type(self).__name__} has no function")

    def narrow(self, node: Node[Self], x: Array) -> Array:
        """The function of int8 or int16."""
        if x.dtype == np.int16:
            return interpolate16(self.samples(node), x.astype(np.int64)).astype(np.int16)
        return float_curve(node, x, self.real)

    def samples(self, node: Node[Self]) -> Array:
        """Those of the function of int16, see `samples16`."""
        x, y = (_ends(v.type) for v in (node.inputs[0], node.output))
        return samples16(self.real, x, y, np.float32)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        with np.errstate(all="ignore"):
            quantized = x.dtype in (np.int8, np.int16)
            return (self.narrow(node, x) if quantized else self.real(x),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(),), dtypes=cls.types())
        yield from integer_cases(cls(), cls.integers)


def _wide(function: Callable[[Array], Array], x: Array) -> Array:
    """A function of float32 by way of double."""
    return np.asarray(function(x.astype(np.float64)), np.float64).astype(np.float32)


@register
@dataclass(frozen=True)
class Abs(Curve):
    """See `Curve`; int32 too, of which the least stays what it is."""

    wide = True
    integers = (DType.I32,)

    def check(self, node: Node[Self]) -> None:
        super().check(node)
        if (dtype := node.output.type.dtype) in (DType.I8, DType.I16):
            expect_ratio(node, 255 if dtype is DType.I8 else 1 << 15, input_ratio(node))

    def real(self, x: Array) -> Array:
        return np.abs(x)

    def narrow(self, node: Node[Self], x: Array) -> Array:
        # AbsEvalQuantized of elementwise.cc
        y = np.abs(x.astype(np.int64) - node.inputs[0].type.zero_point)
        if input_ratio(node) != 1:
            y = multiply_double_rounding(y, *quantize_multiplier(input_ratio(node)))
        out = node.output.type
        return clamp(y + out.zero_point, *out.dtype.limits, out.dtype)


def _ends(t: TensorType) -> tuple[float, float]:
    """The least and the greatest number of an int16 tensor, in float32."""
    low, high = (np.float32(t.scale) * np.float32(v) for v in DType.I16.limits)
    return float(low), float(high)


def input_ratio(node: Node) -> float:
    """Input's scale / output's scale, in float32 as in TFLite."""
    return float(np.float32(node.inputs[0].type.scale) / np.float32(node.output.type.scale))


@register
@dataclass(frozen=True)
class Neg(Curve):
    """See `Curve`; int32 too, of which the least stays what it is.

    wraps: as TFLite's int8 kernel, which negates bytes whatever they stand for: -128 stays, and
    the output's quantization must be the input's, mirrored.
    """

    wraps: bool = False

    integers = (DType.I32,)

    def check(self, node: Node[Self]) -> None:
        super().check(node)
        x, y = node.inputs[0].type, node.output.type
        if (
            self.wraps
            and y.dtype is DType.I8
            and (x.scale, x.zero_point) != (y.scale, -y.zero_point)
        ):
            raise fail(
                node,
                f"TFLite's kernel negates bytes, but zero points are {x.zero_point} and "
                f"{y.zero_point}, scales {x.scale:.6g} and {y.scale:.6g}",
                "quantize the model with the TFLite converter, which leaves NEG in float32",
                "E304",
            )

    def real(self, x: Array) -> Array:
        return np.negative(x)

    def narrow(self, node: Node[Self], x: Array) -> Array:
        return np.negative(x) if self.wraps else super().narrow(node, x)


@register
@dataclass(frozen=True)
class Sqrt(Curve):
    """See `Curve`. int8: cut, not rounded, and a negative number, which TFLite's kernel refuses
    when it meets it, is as 0."""

    def real(self, x: Array) -> Array:
        return np.sqrt(x)

    def narrow(self, node: Node[Self], x: Array) -> Array:
        # SqrtEvalQuantized of elementwise.cc
        source, out = node.inputs[0].type, node.output.type
        whole = np.maximum(x.astype(np.int32) - source.zero_point, 0).astype(np.float32)
        root = np.sqrt(np.float32(source.scale) * whole) / np.float32(out.scale)
        return clamp(np.trunc(root) + out.zero_point, *DType.I8.limits, DType.I8)


@register
@dataclass(frozen=True)
class Rsqrt(Curve):
    """See `Curve`. int8: 0, and a negative number, which TFLite's kernel refuses when it meets it,
    give the greatest output. The samples of int16 have that up to 0, so that small numbers are far
    off, as in TFLite."""

    wide = True
    bits: ClassVar[int] = 20  # after the point of 1 / sqrt(x)

    def check(self, node: Node[Self]) -> None:
        super().check(node)
        if node.output.type.dtype is DType.I8:
            expect_ratio(node, 1 << self.bits, self._scale(node) / (1 << self.bits))

    def _scale(self, node: Node[Self]) -> float:
        """By what 1 / sqrt(input less its zero point) is multiplied (SetRsqrtOutputMultiplier)."""
        root = np.sqrt(np.float32(node.inputs[0].type.scale))
        return 1.0 / float(root * np.float32(node.output.type.scale))

    def real(self, x: Array) -> Array:
        return np.float32(1) / np.sqrt(x)

    def samples(self, node: Node[Self]) -> Array:
        x, y = (_ends(v.type) for v in (node.inputs[0], node.output))

        def curve(v: Array) -> Array:
            return np.where(v > 0, self.real(np.abs(v)), np.float32(y[1]))

        return samples16(curve, x, y, np.float32)

    def narrow(self, node: Node[Self], x: Array) -> Array:
        if x.dtype == np.int16:
            return super().narrow(node, x)
        # RsqrtEvalQuantizedInt8 of elementwise.cc
        out = node.output.type
        whole = x.astype(np.int64) - node.inputs[0].type.zero_point
        multiplier, shift = inverse_sqrt(np.maximum(whole, 1))
        fine = multiply_double_rounding(np.ones_like(whole), multiplier, self.bits - shift)
        multiplier_out, shift_out = quantize_multiplier(self._scale(node))
        y = multiply_double_rounding(fine, multiplier_out, shift_out - self.bits)
        y = np.where(whole <= 0, 127, y + out.zero_point)
        return clamp(y, *out.dtype.limits, out.dtype)


@register
@dataclass(frozen=True)
class Square(Curve):
    """See `Curve`."""

    def real(self, x: Array) -> Array:
        return np.square(x)


@register
@dataclass(frozen=True)
class Exp(Curve):
    """See `Curve`."""

    wide = True

    def real(self, x: Array) -> Array:
        return _wide(np.exp, x)


@register
@dataclass(frozen=True)
class Log(Curve):
    """See `Curve`. int8: from 0 downwards the least output."""

    def real(self, x: Array) -> Array:
        return _wide(np.log, x)

    def narrow(self, node: Node[Self], x: Array) -> Array:
        positive = x.astype(np.int32) > node.inputs[0].type.zero_point
        return np.where(positive, super().narrow(node, np.where(positive, x, 127)), -128).astype(
            np.int8
        )


@register
@dataclass(frozen=True)
class Sin(Curve):
    """See `Curve`."""

    def real(self, x: Array) -> Array:
        return _wide(np.sin, x)


@register
@dataclass(frozen=True)
class Cos(Curve):
    """See `Curve`."""

    def real(self, x: Array) -> Array:
        return _wide(np.cos, x)


@register
@dataclass(frozen=True)
class Ceil(Curve):
    """See `Curve`."""

    def real(self, x: Array) -> Array:
        return np.ceil(x)


@register
@dataclass(frozen=True)
class Floor(Curve):
    """See `Curve`."""

    def real(self, x: Array) -> Array:
        return np.floor(x)


@register
@dataclass(frozen=True)
class Round(Curve):
    """See `Curve`; halves go to the even number (RoundToNearest of reference/round.h)."""

    def real(self, x: Array) -> Array:
        return np.rint(x)


@register
@dataclass(frozen=True)
class Sign(Curve):
    """See `Curve`; int32 too. The sign of what is no number is that."""

    integers = (DType.I32,)

    def real(self, x: Array) -> Array:
        return np.sign(x)


@register
@dataclass(frozen=True)
class Elu(Curve):
    """See `Curve`: x from 0 on, below exp(x) - 1."""

    def real(self, x: Array) -> Array:
        return np.where(x < 0, _wide(np.expm1, x), x)


_erfc, _erf = (np.frompyfunc(f, 1, 1) for f in (math.erfc, math.erf))


@register
@dataclass(frozen=True)
class Erf(Curve):
    """See `Curve`: the error function, which TFLite has not."""

    def real(self, x: Array) -> Array:
        return _wide(_erf, x)


@register
@dataclass(frozen=True)
class Gelu(Curve):
    """See `Curve`: x times the normal distribution's integral up to x; ``approximate``: that by a
    tanh (reference/gelu.h)."""

    approximate: bool

    wide = True

    def real(self, x: Array) -> Array:
        half = np.float32(0.5) * x
        if self.approximate:
            inner = np.float32(_SQRT_2_PI) * (x + np.float32(_CUBIC) * x * x * x)
            return half * (np.float32(1) + _wide(np.tanh, inner))
        return half * _wide(_erfc, x * np.float32(_MINUS_SQRT_HALF))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(False), cls(True)), dtypes=cls.types())


_CUBIC, _SQRT_2_PI, _MINUS_SQRT_HALF = 0.044715, 0.7978846, -0.70710677
