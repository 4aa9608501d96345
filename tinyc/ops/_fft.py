"""Kiss FFT, with which TensorFlow Lite Micro transforms real numbers: its factors, its tables and
its arithmetic, rounding by rounding.

Complex numbers are pairs of arrays, real and imaginary parts: float32, or int64 that hold int16 or
int32, of which each step keeps the low bits. A transform of fixed point divides by the radix in
each pass, so that its sum stays in range. Sources: kiss_fft.c, kiss_fftr.c and _kiss_fft_guts.h of
github.com/mborgerding/kissfft, v130; third_party/kissfft/kissfft.patch of tflite-micro.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..ir import Array, DType

RADICES = (2, 3, 4, 5)
"""What there are butterflies for; that of any other radix needs memory which TensorFlow Lite Micro
does not give it."""

Complex = tuple[Array, Array]


def factors(length: int) -> list[tuple[int, int]]:
    """(radix, length of what it joins) of each pass of a complex transform, the last pass first."""
    found, radix, most = [], 4, math.isqrt(length)
    while True:
        while length % radix:
            radix = {4: 2, 2: 3}.get(radix, radix + 2)
            radix = max(length, 1) if radix > most else radix
        length //= radix
        found.append((radix, length))
        if length <= 1:
            return found


@cache
def order(length: int) -> tuple[int, ...]:
    """For each place, which of the inputs the first pass finds there."""
    places = np.zeros(length, np.int64)
    rest = np.arange(length)
    for radix, joined in factors(length):
        places += rest % radix * joined
        rest //= radix
    return tuple(np.argsort(places).tolist())


@dataclass(frozen=True)
class Fft:
    """The transforms between ``length`` real numbers of ``dtype`` (int16, int32 or float32) and
    length / 2 + 1 complex ones; inverse: from these to those."""

    length: int
    dtype: DType
    inverse: bool

    @property
    def half(self) -> int:
        return self.length // 2

    @property
    def turn(self) -> float:
        """The sign of the angles."""
        return 1.0 if self.inverse else -1.0

    @property
    def most(self) -> int:
        """What one is in fixed point."""
        return self.dtype.limits[1]

    def twiddles(self) -> Array:
        """[length / 2, 2]: the roots of one, of ``dtype``."""
        angles = [self.turn * (2 * math.pi * i / self.half) for i in range(self.half)]
        return self._table(angles)

    def real_twiddles(self) -> Array:
        """[length / 4, 2]: those that make two transforms of the even and odd numbers one."""
        steps = range(1, self.half // 2 + 1)
        return self._table([self.turn * math.pi * (i / self.half + 0.5) for i in steps])

    def _table(self, angles: list[float]) -> Array:
        rows = [(math.cos(a), math.sin(a)) for a in angles]
        if self.dtype is not DType.F32:
            rows = [tuple(math.floor(0.5 + self.most * x) for x in row) for row in rows]  # type: ignore[misc]
        return np.array(rows, self.dtype.numpy).reshape(-1, 2)

    # Arithmetic ---------------------------------------------------------------------------

    def _narrow(self, x: Array) -> Array:
        return x if self.dtype is DType.F32 else x.astype(self.dtype.numpy).astype(np.int64)

    def _each(self, function: Callable[..., Array], *operands: Complex) -> Complex:
        real, imaginary = zip(*operands, strict=True)
        return self._narrow(function(*real)), self._narrow(function(*imaginary))

    def _round(self, x: Array) -> Array:
        """A product of two."""
        bits = 8 * self.dtype.size - 1
        return x if self.dtype is DType.F32 else (x + (1 << (bits - 1))) >> bits

    def _times(self, a: Complex, w: Complex) -> Complex:
        product = a[0] * w[0] - a[1] * w[1], a[0] * w[1] + a[1] * w[0]
        return self._each(self._round, product)

    def _scaled(self, a: Complex, factor: Array) -> Complex:
        return self._each(lambda x: self._round(x * factor), a)

    def _divided(self, a: Complex, radix: int) -> Complex:
        if self.dtype is DType.F32:
            return a
        return self._each(lambda x: self._round(x * (self.most // radix)), a)

    def _half(self, x: Array) -> Array:
        return x * np.float32(0.5) if self.dtype is DType.F32 else x >> 1

    def _plus(self, a: Complex, b: Complex) -> Complex:
        return self._each(np.add, a, b)

    def _minus(self, a: Complex, b: Complex) -> Complex:
        return self._each(np.subtract, a, b)

    def _turned(self, a: Complex) -> Complex:
        """a times i."""
        return -a[1], a[0]

    def _half_sum(self, a: Array, b: Array) -> Array:
        """int16 are added in 32 bits, int32 too."""
        total = a + b
        return self._half(total.astype(np.int32) if self.dtype is DType.I32 else total)

    # Passes -------------------------------------------------------------------------------

    def _butterfly(self, x: list[Complex], roots: list[Complex]) -> list[Complex]:
        """The outputs of a radix: x[0], and x[q] times its root, joined. roots: those of x[1] on,
        then the radix's own, from the first power on."""
        radix = len(x)
        x = [self._divided(a, radix) for a in x]
        first, *rest = [x[0], *(self._times(a, w) for a, w in zip(x[1:], roots, strict=False))]
        own = roots[radix - 1 :]
        if radix == 2:
            return [self._plus(first, rest[0]), self._minus(first, rest[0])]
        if radix == 4:
            even, odd = self._plus(first, rest[1]), self._minus(first, rest[1])
            both, apart = self._plus(rest[0], rest[2]), self._minus(rest[0], rest[2])
            back, forth = (
                self._minus(odd, self._turned(apart)),
                self._plus(odd, self._turned(apart)),
            )
            turns = (forth, back) if self.inverse else (back, forth)
            return [self._plus(even, both), turns[0], self._minus(even, both), turns[1]]
        if radix == 3:
            both, apart = self._plus(rest[0], rest[1]), self._minus(rest[0], rest[1])
            side = self._turned(self._scaled(apart, own[0][1]))
            middle = self._minus(first, self._each(self._half, both))
            return [self._plus(first, both), self._plus(middle, side), self._minus(middle, side)]
        a, b = own[0], own[1]
        outer, inner = self._plus(rest[0], rest[3]), self._plus(rest[1], rest[2])
        outer_apart, inner_apart = self._minus(rest[0], rest[3]), self._minus(rest[1], rest[2])

        def pair(p: Complex, q: Complex, sign: int) -> tuple[Complex, Complex]:
            middle = self._plus(first, self._scaled(outer, p[0]))
            middle = self._plus(middle, self._scaled(inner, q[0]))
            join = self._plus if sign > 0 else self._minus
            side = join(self._scaled(outer_apart, p[1]), self._scaled(inner_apart, q[1]))
            return (
                self._plus(middle, self._turned(side)),
                self._minus(middle, self._turned(side)),
            )

        (y1, y4), (y2, y3) = pair(a, b, 1), pair(b, a, -1)
        return [self._plus(first, self._plus(outer, inner)), y1, y2, y3, y4]

    def _transform(self, x: Complex) -> Complex:
        """The complex transform of the last axis."""
        places = list(order(self.half))
        real, imaginary = (part[..., places] for part in x)
        table = self.twiddles().astype(np.float32 if self.dtype is DType.F32 else np.int64)
        for radix, joined in factors(self.half)[::-1]:
            stride = self.half // (radix * joined)
            steps = np.arange(joined) * stride
            powers = [table[q * steps] for q in range(1, radix)]
            powers += [table[None, q * stride * joined] for q in range(1, radix)]
            roots = [(w[:, 0], w[:, 1]) for w in powers]
            parts = [p.reshape(*p.shape[:-1], stride, radix, joined) for p in (real, imaginary)]
            rows = [(parts[0][..., q, :], parts[1][..., q, :]) for q in range(radix)]
            joint = self._butterfly(rows, roots)
            real, imaginary = (
                np.stack([y[i] for y in joint], -2).reshape(*x[0].shape) for i in (0, 1)
            )
        return real, imaginary

    def forward(self, x: Array) -> Array:
        """[rows, length] of ``dtype`` to [rows, length + 2]: real and imaginary parts in turn."""
        half, wide = self.half, self._wide(x)
        z = self._transform((wide[:, 0::2], wide[:, 1::2]))
        y = np.zeros((len(x), half + 1, 2), wide.dtype)
        ends = self._divided((z[0][:, 0], z[1][:, 0]), 2)
        y[:, 0, 0], y[:, half, 0] = (
            self._narrow(ends[0] + ends[1]), self._narrow(ends[0] - ends[1])
        )  # fmt: skip
        k = np.arange(1, half // 2 + 1)
        here, there = self._halves((z[0][:, k], z[1][:, k]), (z[0][:, half - k], z[1][:, half - k]))
        both, apart = self._plus(here, there), self._minus(here, there)
        turned = self._times(apart, self._roots())
        y[:, k, 0] = self._half_sum(both[0], turned[0])
        y[:, k, 1] = self._half_sum(both[1], turned[1])
        y[:, half - k, 0] = self._half_sum(both[0], -turned[0])
        y[:, half - k, 1] = self._half_sum(turned[1], -both[1])
        return self._narrow(y).reshape(len(x), -1).astype(self.dtype.numpy)

    def backward(self, x: Array) -> Array:
        """[rows, length + 2] as `forward` gives them to [rows, length]."""
        half, wide = self.half, self._wide(x).reshape(len(x), -1, 2)
        first, last = wide[:, 0, 0], wide[:, half, 0]
        k = np.arange(1, half // 2 + 1)
        here, there = self._halves(
            (wide[:, k, 0], wide[:, k, 1]), (wide[:, half - k, 0], wide[:, half - k, 1])
        )
        both = self._plus(here, there)
        turned = self._times(self._minus(here, there), self._roots())
        z = np.zeros((2, len(x), half), wide.dtype)
        ends = self._narrow(first + last), self._narrow(first - last)
        z[:, :, 0] = self._divided(ends, 2)
        z[:, :, k] = self._plus(both, turned)
        mirrored = self._minus(both, turned)
        z[:, :, half - k] = mirrored[0], self._narrow(-mirrored[1])
        y = np.stack(self._transform((z[0], z[1])), -1).reshape(len(x), -1)
        if self.dtype is DType.F32:
            y = y / np.float32(self.length)
        return y.astype(self.dtype.numpy)

    def _wide(self, x: Array) -> Array:
        return x if self.dtype is DType.F32 else x.astype(np.int64)

    def _roots(self) -> Complex:
        table = self._wide(self.real_twiddles())
        return table[:, 0], table[:, 1]

    def _halves(self, here: Complex, there: Complex) -> tuple[Complex, Complex]:
        """Halves of a number, and of the one at its mirror, conjugated."""
        mirror = there[0], self._narrow(-there[1])
        return self._divided(here, 2), self._divided(mirror, 2)
