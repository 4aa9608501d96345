"""TensorFlow Lite Micro's SignalWindow and SignalFftAutoScale: what samples go through before
they are transformed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class SignalWindow(Op):
    """Inputs: int16 [...]; weights int16 [n], over n samples after the other. Output as the first:
    the products shifted right by ``shift`` and saturated (signal/src/window.cc)."""

    shift: int

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        x, weights = (v.type for v in node.inputs)
        y = node.output.type
        for t, name in ((x, "input"), (weights, "weights"), (y, "output")):
            expect_dtype(node, t, (DType.I16,), name)
        expect_shape(node, y, x.shape, "output")
        if len(weights.shape) != 1 or not weights.elements or x.elements % weights.elements:
            what = f"its window is {list(weights.shape)}, its input {list(x.shape)}"
            raise fail(node, what, CONVERT_AGAIN, "E301")
        if not 0 <= self.shift < 32:
            raise fail(node, f"shifts by {self.shift} bits", CONVERT_AGAIN, "E301")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, weights = inputs
        products = x.reshape(-1, len(weights)).astype(np.int32) * weights >> self.shift
        return (np.clip(products, -32768, 32767).astype(np.int16).reshape(x.shape),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        forms = [((1, 7), 7, 12), ((2, 12), 6, 0), ((5,), 1, 31), ((3, 8), 8, 9)]
        for shape, count, shift in forms:
            kind, window = TensorType(shape, DType.I16), TensorType((count,), DType.I16)
            data = rng.integers(-32768, 32767, count, np.int16, endpoint=True)
            weights = Value("w", window, "case", data if shift else None)
            operands = (Value("x", kind, "case"), weights)
            yield Node(cls(shift), operands, (Value("y", kind, "case"),), "case")


@register
@dataclass(frozen=True)
class SignalFftAutoScale(Op):
    """Input int16 [n]; outputs: it, shifted left until its largest magnitude has 15 bits, int16
    [n]; by how many bits, int32 scalar.

    As signal/src/fft_auto_scale.cc has it with GCC: samples that are all 0 are not shifted; -32768
    counts as the largest magnitude only as long as no other follows, since it has no counterpart
    in int16.
    """

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1, 2)
        x, (y, bits) = node.inputs[0].type, (v.type for v in node.outputs)
        expect_dtype(node, x, (DType.I16,), "input")
        expect_dtype(node, y, (DType.I16,), "output")
        expect_dtype(node, bits, (DType.I32,), "shift")
        if len(x.shape) != 1:
            raise fail(node, f"its input is {list(x.shape)}, not of rank 1", CONVERT_AGAIN, "E301")
        expect_shape(node, y, x.shape, "output")
        expect_shape(node, bits, (), "shift")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        most = 0
        for sample in x.tolist():
            if sample > most:
                most = sample
            elif -sample > most:
                most = -sample if sample > -32768 else sample
        bits = max(15 - most.bit_length(), 0) if most > 0 else 0
        return (x.astype(np.int32) * (1 << bits)).astype(np.int16), np.array(bits, np.int32)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for count in (1, 2, 3, 9, 130):
            kind = TensorType((count,), DType.I16)
            outputs = Value("y", kind, "case"), Value("bits", TensorType((), DType.I32), "case")
            yield Node(cls(), (Value("x", kind, "case"),), outputs, "case")
