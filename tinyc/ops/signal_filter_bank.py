"""TensorFlow Lite Micro's operators from the energies of a spectrum to the features of a frame:
SignalFilterBank, SignalFilterBankSquareRoot, SignalFilterBankSpectralSubtraction, SignalPCAN and
SignalFilterBankLog."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register

GAINS = 125
"""Numbers of a SignalPCAN's table: 2 and 4 for each power of two up to 2^32, less some at 0."""
_LOG_STEPS = 128


def _expect(node: Node, types: list[TensorType], dtype: DType, shape: tuple[int, ...]) -> None:
    """All of ``types``, inputs or outputs, to be of one type and shape."""
    for t in types:
        expect_dtype(node, t, (dtype,), "an operand")
        expect_shape(node, t, shape, "an operand")


def _expect_bits(node: Node, most: int, *bits: int) -> None:
    for count in bits:
        if not 0 <= count <= most:
            raise fail(node, f"shifts by {count} bits", CONVERT_AGAIN, "E301")


def _values(name: str, dtype: DType, *shapes: tuple[int, ...]) -> tuple[Value, ...]:
    return tuple(Value(f"{name}{i}", TensorType(s, dtype), "case") for i, s in enumerate(shapes))


@register
@dataclass(frozen=True)
class SignalFilterBank(Op):
    """Inputs: uint32 energies [n]; five constants of int16: weights and unweights [m], and for each
    of the channels + 1 filters the energy that it starts with, its first weight and its width.
    Output uint64 [channels]: the energies of a filter times its weights, plus those of the filter
    before it times their unweights, in 64 bits (signal/src/filter_bank.cc)."""

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 6)
        x, *tables = (v.type for v in node.inputs)
        y = node.output.type
        for t, dtype in ((x, DType.U32), (y, DType.U64), *((t, DType.I16) for t in tables)):
            expect_dtype(node, t, (dtype,), "an operand")
            if len(t.shape) != 1:
                raise fail(node, f"has an operand of {list(t.shape)}", CONVERT_AGAIN, "E301")
        if not all(v.constant for v in node.inputs[1:]):
            raise fail(node, "its weights are computed at run time", "make them constant", "E305")
        weights, unweights, *filters = tables
        expect_shape(node, unweights, weights.shape, "unweights")
        for t in filters:
            expect_shape(node, t, (y.elements + 1,), "a table of its filters")
        begins, places, widths = (v.array.astype(int) for v in node.inputs[3:])
        used = widths > 0
        first = np.stack([begins, places])[:, used]
        most = np.array([[x.elements], [weights.elements]])
        if np.any(first < 0) or np.any(first + widths[used] > most):
            raise fail(node, "a filter reaches beyond its energies or weights", CONVERT_AGAIN)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, weights, unweights, begins, places, widths = inputs
        wide, sums = x.astype(np.int64), []
        for begin, place, width in zip(begins, places, widths.clip(0), strict=True):
            energies = wide[begin : begin + width]
            for table in (weights, unweights):
                sums.append(energies * table[place : place + width].astype(np.int64))
        # Of int64, which wrap around as unsigned sums do.
        totals = np.array([s.sum() for s in sums], np.int64).reshape(-1, 2)
        return ((totals[1:, 0] + totals[:-1, 1]).view(np.uint64),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for widths in ([1, 1], [3, 0, 4, 1], [7, 2, 9]):
            total = sum(widths)
            places = np.cumsum([0, *widths[:-1]])
            least = -4096 if len(widths) == 3 else 0
            tables = [
                rng.integers(least, 4096, total), rng.integers(0, 4096, total), places + 2, places,
                np.array(widths),
            ]  # fmt: skip
            constants = [
                Value(f"w{i}", TensorType(t.shape, DType.I16), "case", t.astype(np.int16))
                for i, t in enumerate(tables)
            ]
            (x,) = _values("x", DType.U32, (total + 3,))
            yield Node(cls(), (x, *constants), _values("y", DType.U64, (len(widths) - 1,)), "case")


@register
@dataclass(frozen=True)
class SignalFilterBankSquareRoot(Op):
    """Inputs: uint64 [n]; int32 scalar. Output uint32 [n]: the square roots, rounded to the nearest
    number that 16 bits hold, or 32 of roots of 2^32 and more, shifted right by the scalar, of which
    the lowest five bits count (signal/src/square_root_32.cc, square_root_64.cc)."""

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        x, bits = (v.type for v in node.inputs)
        expect_dtype(node, x, (DType.U64,), "input")
        _expect(node, [bits], DType.I32, ())
        _expect(node, [node.output.type], DType.U32, x.shape)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, bits = inputs
        roots = []
        for number in x.ravel().tolist():
            root = math.isqrt(number)
            root += number - root * root > root
            roots.append(min(root, 0xFFFFFFFF if number >> 32 else 0xFFFF))
        return ((np.array(roots, np.uint32) >> np.uint32(bits & 31)).reshape(x.shape),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for count in (1, 40):
            (x,), (bits,) = _values("x", DType.U64, (count,)), _values("b", DType.I32, ())
            yield Node(cls(), (x, bits), _values("y", DType.U32, (count,)), "case")


@register
@dataclass(frozen=True)
class SignalFilterBankSpectralSubtraction(Op):
    """Inputs: uint32 [n]; the noise estimates after the last run, uint32 [n], 0 at first.
    Outputs: what is left of the input without the noise; the estimates.

    smoothing, kept: of an estimate, what the input and what the one before count, in channels 0, 2,
    ...; odd_smoothing, odd_kept: in the others; remaining: the least part of the input that is
    left; all in units of 2**-bits. extra_bits: of the estimates; clamping: whether these fall to
    the input at once (signal/src/filter_bank_spectral_subtraction.cc).
    """

    smoothing: int
    kept: int
    odd_smoothing: int
    odd_kept: int
    remaining: int
    bits: int
    extra_bits: int
    clamping: bool

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2, 2)
        x = node.inputs[0].type
        types = [v.type for v in (*node.inputs, *node.outputs)]
        if len(x.shape) != 1:
            raise fail(node, f"its input is {list(x.shape)}, not of rank 1", CONVERT_AGAIN, "E301")
        _expect(node, types, DType.U32, x.shape)
        if node.inputs[0] is node.inputs[1]:
            raise fail(node, "its input is its state", CONVERT_AGAIN, "E301")
        _expect_bits(node, 63, self.bits)
        _expect_bits(node, 31, self.extra_bits)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, before = (a.astype(np.uint64) for a in inputs)
        odd = np.arange(len(x)) % 2 == 1
        smoothing, kept, floor = (
            np.where(odd, np.uint64(b & 0xFFFFFFFF), np.uint64(a & 0xFFFFFFFF))
            for a, b in (
                (self.smoothing, self.odd_smoothing), (self.kept, self.odd_kept),
                (self.remaining, self.remaining),
            )
        )  # fmt: skip
        bits, low = np.uint64(self.bits), np.uint64(0xFFFFFFFF)
        scaled = x << np.uint64(self.extra_bits) & low
        noise = (scaled * smoothing + before * kept) >> bits & low
        taken = np.minimum(noise, scaled)
        rest = (scaled - taken) >> np.uint64(self.extra_bits)
        y = np.maximum(rest, x * floor >> bits & low)
        return y.astype(np.uint32), (taken if self.clamping else noise).astype(np.uint32)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        usual = cls(409, 15975, 983, 15401, 819, 14, 10, False)
        for op, count in [
            (usual, 40), (cls(1, 2, 3, 4, 5, 0, 0, True), 7),
            (cls(600, 900, 9, 8, 1, 63, 31, True), 1),
            (cls(-1, -1, 40000, 1 << 30, 1 << 20, 20, 3, True), 5),
        ]:  # fmt: skip
            shapes = (count,), (count,)
            yield Node(
                op, _values("x", DType.U32, *shapes), _values("y", DType.U32, *shapes), "case"
            )


@register
@dataclass(frozen=True)
class SignalPcan(Op):
    """Inputs: uint32 [n]; noise estimates, uint32 [n]; a table of gains, int16 [125 or more]:
    output uint32 [n], the input times a gain that the noise tells, compressed
    (signal/src/pcan_argc_fixed.cc).

    The table has the gains of 0 to 2; then for noises of k bits, at 4 * k - 6, the polynomial of
    the second degree in what follows their first bit.
    """

    snr_shift: int

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        x, noise, gains = (v.type for v in node.inputs)
        expect_dtype(node, x, (DType.U32,), "input")
        _expect(node, [noise], DType.U32, x.shape)
        _expect(node, [node.output.type], DType.U32, x.shape)
        expect_dtype(node, gains, (DType.I16,), "gains")
        if len(gains.shape) != 1 or gains.elements < GAINS:
            what = f"has a table of {list(gains.shape)} gains, not of {GAINS}"
            raise fail(node, what, CONVERT_AGAIN, "E301")
        _expect_bits(node, 63, self.snr_shift)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, noise, gains = inputs
        wide, level = gains.astype(np.int64), noise.astype(np.int64)
        bits = np.frompyfunc(int.bit_length, 1, 1)(level.astype(object)).astype(np.int64)
        at = np.maximum(4 * bits - 6, 0)
        fraction = np.where(
            bits < 11, level << np.maximum(11 - bits, 0), level >> np.maximum(bits - 11, 0)
        )
        fraction &= 0x3FF
        slope = (wide[at + 2] * fraction >> 5) + (wide[at + 1] << 5)
        # In 32 bits, as TensorFlow Lite Micro's.
        steep = (slope * fraction).astype(np.int32).astype(np.int64)
        curve = (((steep + (1 << 14)).astype(np.int32) >> 15) + wide[at]).astype(np.int16)
        gain = np.where(noise <= 2, gains[np.minimum(noise, 2)], curve).astype(np.uint32)
        ratio = (x.astype(np.uint64) * gain >> np.uint64(self.snr_shift)).astype(np.uint32)
        small, large = ratio * ratio >> np.uint32(20), (ratio >> np.uint32(6)) - np.uint32(64)
        return (np.where(ratio < 2 << 12, small, large).astype(np.uint32),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for count, shift, constant in [(40, 6, True), (1, 0, False), (300, 40, True)]:
            x, noise = _values("x", DType.U32, (count,), (count,))
            table = rng.integers(-32768, 32767, GAINS, np.int16, endpoint=True)
            kind = TensorType((GAINS,), DType.I16)
            gains = Value("gains", kind, "case", table if constant else None)
            yield Node(cls(shift), (x, noise, gains), _values("y", DType.U32, (count,)), "case")


def log_table() -> Array:
    """uint16 [129]: 65536 times how much log2 of 1 to 2, at 128 steps, lies over its chord
    (kLogLut of signal/src/log.cc)."""
    steps = np.arange(_LOG_STEPS + 1)
    over = np.log2(1 + steps / _LOG_STEPS) - steps / _LOG_STEPS
    return np.asarray(np.rint(65536 * over).astype(np.uint16))


@register
@dataclass(frozen=True)
class SignalFilterBankLog(Op):
    """Input uint32 [n]; output int16 [n]: ``scale`` times the natural logarithm of the input
    shifted left by ``shift``, no more than 32767; 0 of 0 and 1 (signal/src/filter_bank_log.cc and
    log.cc)."""

    scale: int
    shift: int

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x = node.inputs[0].type
        expect_dtype(node, x, (DType.U32,), "input")
        _expect(node, [node.output.type], DType.I16, x.shape)
        _expect_bits(node, 31, self.shift)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x = (inputs[0] << np.uint32(self.shift)).astype(np.int64)
        table = log_table().astype(np.int64)
        whole = np.frompyfunc(int.bit_length, 1, 1)(x.astype(object)).astype(np.int64) - 1
        whole = whole.clip(0)
        rest = x - (1 << whole)
        fraction = np.where(whole < 16, rest << (16 - whole).clip(0), rest >> (whole - 16).clip(0))
        step = fraction.clip(0) >> 9
        rise = (table[(step + 1).clip(max=_LOG_STEPS)] - table[step]) * (
            fraction - (step << 9)
        ) >> 16
        log2 = (whole << 16) + fraction + table[step] + rise
        natural = (45426 * log2 + 32768) >> 16
        scaled = ((self.scale & 0xFFFFFFFF) * natural + 32768 & 0xFFFFFFFF) >> 16
        return (np.where(x > 1, scaled.clip(max=32767), 0).astype(np.int16),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for count, scale, shift in [(40, 64, 3), (300, 1, 0), (64, 70000, 31), (1, 1 << 16, 1)]:
            (x,), (y,) = _values("x", DType.U32, (count,)), _values("y", DType.I16, (count,))
            yield Node(cls(scale, shift), (x,), (y,), "case")
