"""UNIDIRECTIONAL_SEQUENCE_LSTM of int16 numbers, which TensorFlow Lite Micro alone has
(EvalLstm of tensorflow/lite/micro/kernels/lstm_eval.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Quant, TensorType, Value
from ..ir.quant import (
    multiply_double_rounding,
    multiply_reduced,
    quantize_multiplier,
    reduced_multipliers,
)
from ._conv import exact_matmul, random_type
from ._curves16 import logistic16, tanh16
from .base import CONVERT_AGAIN, expect_ratio, fail, register
from .lstm import GATE_BITS, Lstm, Step, clamp16, random_weights

GATE = TensorType((), DType.I16, Quant((2.0 ** (GATE_BITS - 15),), (0,)))
"""The sum that a gate's curve is taken of."""
Scale = tuple[int, int]


@register
@dataclass(frozen=True)
class Lstm16(Lstm):
    """`Lstm` of int16 x and h, int8 weights, int64 biases and int16 c, always with an input gate; h
    is quantized as its state says. The curves are those of int16 LOGISTIC and TANH."""

    dtypes = (DType.I16,)
    weight_dtype = DType.I8
    bias_dtype = DType.I64

    def check_quant(self, node: Node[Self]) -> None:
        self.check_scales(node)
        if self.coupled:
            raise fail(node, "has no input gate, which its int16 form needs", CONVERT_AGAIN)
        weights, recurrent, biases = self.parts(node)
        for w, r, b in zip(weights, recurrent, biases, strict=True):
            reach = np.abs(b.array.astype(np.float64)) + 32768.0 * np.abs(w.array.astype(int)).sum(
                1
            )
            most = max(reach.max(), 32768.0 * np.abs(r.array.astype(int)).sum(1).max())
            if most >= 1 << 31:
                what = f"its sums reach {most:.3g}, weights and bias taken together"
                raise fail(node, what, "make the layer smaller", "E340")
        for real, (_, right) in zip(self._ratios(node), self.gate_scales(node), strict=True):
            if right <= 16:
                what = f"its input's scale times a weight's is {real:.3g} times 2^-12"
                raise fail(node, what, "quantize the model again", "E341")
        expect_ratio(node, 1 << 30, *self._products(node))

    # Scales -------------------------------------------------------------------------------

    def _ratios(self, node: Node[Self]) -> list[float]:
        """From the sums over x of each gate, then from those over h, to `GATE`."""
        weights, recurrent, _ = self.parts(node)
        x, h = (np.float32(v.type.scale) for v in (node.inputs[0], node.inputs[-2]))
        pairs = [*((x, w) for w in weights), *((h, r) for r in recurrent)]
        return [float(s * np.float32(v.type.scale)) / GATE.scale for s, v in pairs]

    def gate_scales(self, node: Node[Self]) -> list[Scale]:
        """`_ratios` as 16-bit multipliers and right shifts."""
        pairs = [reduced_multipliers(*quantize_multiplier(r)) for r in self._ratios(node)]
        return [(int(multiplier), int(right)) for multiplier, right in pairs]

    def _products(self, node: Node[Self]) -> tuple[float, float, float]:
        """What f c, i g and o tanh(c) are multiplied with."""
        h, c = (v.type.scale for v in node.inputs[-2:])
        return 2.0**-15, 2.0**-30 / c, 2.0**-30 / h

    def product_scales(self, node: Node[Self]) -> tuple[Scale, Scale, Scale]:
        """`_products` as multipliers and shifts."""
        kept, more, out = map(quantize_multiplier, self._products(node))
        return kept, more, out

    def clip16(self, node: Node[Self]) -> int:
        """The clip of c, 0 for none."""
        return int(min(self.clip / node.inputs[-1].type.scale, 32767.0))

    # Reference ----------------------------------------------------------------------------

    def step_integer(self, node: Node[Self]) -> Step:
        ratios = [quantize_multiplier(r) for r in self._ratios(node)]
        gates = list(zip(*self.parts(node), ratios[:4], ratios[4:], strict=True))
        kept, more, out = self.product_scales(node)
        cells, clip = node.inputs[-1].type, self.clip16(node)

        def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
            sums = []
            for w, r, b, of_x, of_h in gates:
                acc = exact_matmul(x, w.array.T) + b.array
                first = clamp16(multiply_reduced(acc, *of_x))
                second = clamp16(multiply_reduced(exact_matmul(h, r.array.T), *of_h))
                sums.append(clamp16(first + second))
            i, f, o = (logistic16(sums[k], GATE).astype(np.int64) for k in (0, 1, 3))
            g = tanh16(sums[2], GATE).astype(np.int64)
            before = clamp16(multiply_double_rounding(f * c, *kept))
            c_next = clamp16(before + clamp16(multiply_double_rounding(i * g, *more)))
            if clip > 0:
                c_next = np.clip(c_next, -clip, clip)
            y = multiply_double_rounding(o * tanh16(c_next, cells).astype(np.int64), *out)
            return clamp16(y).astype(np.int16), c_next.astype(np.int16)

        return step

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # batch, time, in, cells, time_major, clip, scale of h, log2 of the cells' scale
        shapes: list[tuple[int, int, int, int, bool, float, float, int]] = [
            (1, 1, 1, 1, False, 0.0, 2.0**-15, -11),
            (1, 5, 3, 5, False, 10.0, 2.0**-15, -12),
            (2, 3, 4, 7, False, 0.0, 3e-5, -15),
            (3, 2, 9, 4, True, 0.5, 1e-4, -9),
            (1, 4, 18, 6, False, 1.0, 2.0**-15, -10),
        ]
        for batch, time, depth, cells, major, clip, unit, log in shapes:
            lead = (time, batch) if major else (batch, time)
            h = random_type(rng, DType.I16, (batch, cells), unit)
            c = TensorType((batch, cells), DType.I16, Quant((2.0**log,), (0,)))
            matrices = [
                random_weights(rng, DType.I8, shape)
                for shape in ((cells, depth), (cells, cells))
                for _ in range(4)
            ]
            bias = TensorType((cells,), DType.I64)
            biases = [
                Value("b", bias, "case", rng.integers(-(1 << 24), 1 << 24, cells)) for _ in range(4)
            ]
            x = random_type(rng, DType.I16, (*lead, depth), 1e-4)
            yield Node(
                cls("tanh", clip, major),
                (
                    Value("x", x, "case"), *matrices, *biases,
                    Value("h", h, "case"), Value("c", c, "case"),
                ),
                (
                    Value("y", TensorType((*lead, cells), DType.I16, h.quant), "case"),
                    Value("h1", h, "case"),
                    Value("c1", c, "case"),
                ),
                "case",
            )  # fmt: skip
