"""UNIDIRECTIONAL_SEQUENCE_LSTM: a long short-term memory over a sequence.

Each step gives, of the input x and of the hidden numbers h and cells c of the step before,
i, f, o = logistic(W x + R h + b), g = tanh(W x + R h + b), each with its own W, R and b,
c = f c + i g and h = o tanh(c). h and c outlive a run: they are states of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Quant, TensorType, Value
from ..ir.quant import multiply_double_rounding, quantize_multiplier, rounding_divide_by_pot
from ._conv import exact_matmul, ordered_matmul, random_type
from ._fixedpoint import logistic16, tanh16
from ._hybrid import HybridRows, narrow_weights
from ._mixins import Activated
from .base import (
    CONVERT_AGAIN,
    REQUANTIZE,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_ratio,
    expect_shape,
    fail,
    register,
)

Step = Callable[[Array, Array, Array], tuple[Array, Array]]
"""x, h and c before a step -> h and c behind it."""
Folded = tuple[list[list[Array]], list[list[Array]], list[list[float]]]

GATE_BITS = 3
"""Integer bits of the int16 sum that a gate's curve is taken of."""
KERAS = "use tf.keras.layers.LSTM with its default activations, which has none of that"
_CURVES = ("tanh", "relu", "relu6")
"""Of the float32 form. For none, TFLite leaves the cells' output what the memory held."""


@register
@dataclass(frozen=True)
class Lstm(Activated):
    """Inputs: x [batch, time, in], or [time, batch, in] if ``time_major``; for each gate weights
    [cells, in], then for each weights [cells, cells] of h, then a bias [cells] for each; h and c,
    batch * cells elements. The gates are input, forget, cell and output, in this order; if
    ``coupled`` there is no input gate: it is one less the forget gate.

    Outputs: h of each step, shaped as x; h and c of the last step, as they come in.

    float32 with the cell's ``activation``; or int8 with an int32 bias, int16 c of a scale that
    is a power of two, and tanh (int8x8_16). clip: of c, in real numbers, 0 for none; hidden: how
    int8 h is quantized.
    """

    clip: float
    time_major: bool
    coupled: bool = False
    hidden: Quant | None = None

    calibrates = False
    dtypes: ClassVar[tuple[DType, ...]] = (DType.I8, DType.F32)
    weight_dtype: ClassVar[DType | None] = None
    bias_dtype: ClassVar[DType] = DType.I32

    # Shapes -------------------------------------------------------------------------------

    @property
    def gates(self) -> int:
        """How many gates have weights."""
        return 3 if self.coupled else 4

    def sizes(self, node: Node[Self]) -> tuple[int, int, int, int]:
        """(batch, time, in, cells)."""
        first, second, depth = node.inputs[0].type.shape
        batch, time = (second, first) if self.time_major else (first, second)
        return batch, time, depth, node.inputs[1].type.shape[0]

    def parts(self, node: Node[Self]) -> tuple[list[Value], list[Value], list[Value]]:
        """(weights of x, weights of h, biases), each for every gate that has some."""
        n = self.gates
        of = list(node.inputs[1 : 1 + 3 * n])
        return of[:n], of[n : 2 * n], of[2 * n :]

    def macs(self, node: Node[Self]) -> int:
        batch, time, depth, cells = self.sizes(node)
        return batch * time * self.gates * cells * (depth + cells)

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3 + 3 * self.gates, 3)
        x, (h, c) = node.inputs[0].type, (v.type for v in node.inputs[-2:])
        expect_dtype(node, x, self.dtypes, "input")
        narrow = x.dtype is not DType.F32
        if self.activation not in (_CURVES[:1] if narrow else _CURVES):
            raise fail(node, f"its activation is {self.activation}", KERAS, "E343")
        if not (math.isfinite(self.clip) and self.clip >= 0):
            raise fail(node, f"clips its cells at {self.clip}", CONVERT_AGAIN)
        weights, recurrent, biases = self.parts(node)
        if len(x.shape) != 3 or len(weights[0].type.shape) != 2:
            raise fail(node, f"its input is {x}, its weights {weights[0].type}", CONVERT_AGAIN)
        batch, _, depth, cells = self.sizes(node)
        for values, shape, dtype, name in (
            (weights, (cells, depth), self.weight_dtype or x.dtype, "weights"),
            (recurrent, (cells, cells), self.weight_dtype or x.dtype, "recurrent weights"),
            (biases, (cells,), self.bias_dtype if narrow else DType.F32, "bias"),
        ):
            for value in values:
                expect_shape(node, value.type, shape, name)
                expect_dtype(node, value.type, (dtype,), name)
                if not value.constant:
                    what = f"its {name} is computed at run time"
                    raise fail(node, what, "make it constant", "E305")
        moving = (node.inputs[0], *node.inputs[-2:])
        if len(set(moving)) < 3 or any(v.constant for v in moving):
            raise fail(node, "its input or its state is constant, or one tensor", CONVERT_AGAIN)
        expect_dtype(node, h, (x.dtype,), "hidden state")
        expect_dtype(node, c, (DType.I16 if narrow else DType.F32,), "cell state")
        if (h.elements, c.elements) != (batch * cells,) * 2:
            raise fail(node, f"its states are {h} and {c}, not {batch}x{cells}", CONVERT_AGAIN)
        y, *after = (v.type for v in node.outputs)
        expect_shape(node, y, (*x.shape[:2], cells), "output")
        expect_dtype(node, y, (x.dtype,), "output")
        if after != [h, c]:
            raise fail(node, "its states change their type", CONVERT_AGAIN)
        if narrow:
            self.check_quant(node)

    def check_scales(self, node: Node[Self]) -> None:
        weights, recurrent, _ = self.parts(node)
        x, h, c = (v.type for v in (node.inputs[0], *node.inputs[-2:]))
        named = [(x, "input"), (h, "hidden state"), (c, "cell state")]
        named += [(node.outputs[0].type, "output")]
        named += [(v.type, "weights") for v in (*weights, *recurrent)]
        for t, name in named:
            expect_quant(node, t, name)
        if any(v.type.zero_point for v in (*weights, *recurrent)) or c.zero_point:
            raise fail(node, "its weights or its cells have a zero point", REQUANTIZE, "E304")
        mantissa, exponent = math.frexp(c.scale)
        if mantissa != 0.5 or not 0 <= exponent + 14 <= 6:
            raise fail(
                node,
                f"its cells have the scale {c.scale:.6g}, no power of two from 2^-15 to 2^-9, of "
                "which alone TFLite computes a tanh",
                "quantize the model again with a representative_dataset on which its cells exceed "
                "0.5, or keep it float32",
                "E344",
            )

    def check_quant(self, node: Node[Self]) -> None:
        self.check_scales(node)
        expect_quant(node, TensorType((), DType.I8, self.hidden), "hidden number")
        for rows, bias, ratios in zip(*self.folded(node), strict=True):
            for r, b, ratio in zip(rows, bias, ratios, strict=True):
                reach = np.abs(b) + 128 * np.abs(r.astype(np.int64)).sum(1)
                # Doubled, for the int16 that is added.
                expect_ratio(node, 2 * int(reach.max()), ratio)
        expect_ratio(node, 1 << 30, self._hidden_ratio())

    # int8 ---------------------------------------------------------------------------------

    def folded(self, node: Node[Self]) -> Folded:
        """For x and for h: the weights of each gate; int64 biases with the zero point of what
        they are multiplied with; the ratio of the scale of the sum to that of the gate's curve
        (PopulateQuantizedLstmParams8x8_16, PopulatePrecomputedZPTimesWeightsWithBias)."""
        *given, biases = self.parts(node)
        rows, starts, ratios = [], [], []
        for values, source in zip(given, (node.inputs[0], node.inputs[-2]), strict=True):
            matrices = [v.array for v in values]
            first = source is node.inputs[0]
            rows.append(matrices)
            starts.append([
                (b.array.astype(np.int64) if first else 0)
                - source.type.zero_point * m.astype(np.int64).sum(1)
                for m, b in zip(matrices, biases, strict=True)
            ])  # fmt: skip
            unit, scale = np.float32(2.0 ** (GATE_BITS - 15)), np.float32(source.type.scale)
            ratios.append([float(np.float32(v.type.scale) * scale / unit) for v in values])
        return rows, starts, ratios

    def _hidden_ratio(self) -> float:
        assert self.hidden is not None
        return float(np.float32(2.0**-15 / self.hidden.scale[0] * 2.0**-15))

    def integers(self, node: Node[Self]) -> dict[str, int]:
        """What the int8 form computes with beside its sums."""
        assert self.hidden is not None
        unit = node.inputs[-1].type.scale
        bits = math.frexp(unit)[1] + 14
        multiplier, shift = quantize_multiplier(self._hidden_ratio())
        clip = int(min(np.float32(self.clip) / np.float32(unit), np.float32(32767)))
        return {
            "cell_bits": bits, "clip": clip,
            "multiplier": multiplier, "shift": shift, "zero_point": self.hidden.zero_point[0],
        }  # fmt: skip

    # Reference ----------------------------------------------------------------------------

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, h, c = inputs[0], *inputs[-2:]
        batch, _, _, cells = self.sizes(node)
        steps = x if self.time_major else x.swapaxes(0, 1)
        step = self.step_f32(node) if x.dtype == np.float32 else self.step_integer(node)
        found = []
        before = h.reshape(batch, cells), c.reshape(batch, cells)
        for numbers in steps:
            before = step(numbers, *before)
            found.append(before[0])
        y = np.stack(found)
        y = y if self.time_major else y.swapaxes(0, 1)
        return y, before[0].reshape(h.shape), before[1].reshape(c.shape)

    def step_f32(self, node: Node[Self]) -> Step:
        gates = list(zip(*self.parts(node), strict=True))
        one = np.float32(1)

        def curve(v: Array) -> Array:
            if self.activation == "tanh":
                return np.asarray(np.tanh(v))
            if self.activation == "relu6":
                v = np.where(v > 6, np.float32(6), v)
            return np.where(v > 0, v, np.float32(0))

        def logistic(v: Array) -> Array:
            return np.asarray(one / (one + np.exp(-v)))

        def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
            *first, f, g, o = [self.gate_sum(x, h, *gate) for gate in gates]
            f, o = logistic(f), logistic(o)
            i = logistic(first[0]) if first else one - f
            c = f * c + i * curve(g)
            if self.clip > 0:
                limit = np.float32(self.clip)
                c = np.where(c < limit, c, limit)
                c = np.where(c < -limit, -limit, c)
            return o * curve(c), c

        return step

    def gate_sum(self, x: Array, h: Array, weights: Value, recurrent: Value, bias: Value) -> Array:
        matrix = np.concatenate([weights.array, recurrent.array], 1)
        return np.asarray(ordered_matmul(np.concatenate([x, h], 1), matrix.T) + bias.array)

    def step_integer(self, node: Node[Self]) -> Step:
        rows, starts, ratios = self.folded(node)
        scales = [[quantize_multiplier(r) for r in part] for part in ratios]
        k = self.integers(node)

        def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
            sums = []
            for gate in range(self.gates):
                total = np.zeros(c.shape, np.int64)
                for source, matrices, bias, scale in zip((x, h), rows, starts, scales, strict=True):
                    acc = exact_matmul(source, matrices[gate].T) + bias[gate]
                    total = clamp16(total + multiply_double_rounding(acc, *scale[gate]))
                sums.append(total)
            *first, f, g, o = sums
            f, o, g = logistic16(f), logistic16(o), tanh16(g, GATE_BITS)
            i = logistic16(first[0]) if first else 32767 - f
            kept = rounding_divide_by_pot(f * c.astype(np.int64), 15)
            c_next = clamp16(kept + rounding_divide_by_pot(i * g, 15 + k["cell_bits"]))
            if k["clip"] > 0:
                c_next = np.clip(c_next, -k["clip"], k["clip"])
            product = o * tanh16(c_next, k["cell_bits"])
            y = multiply_double_rounding(product, k["multiplier"], k["shift"]) + k["zero_point"]
            return np.clip(y, -128, 127).astype(np.int8), c_next.astype(np.int16)

        return step

    # Cases --------------------------------------------------------------------------------

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # batch, time, in, cells, time_major, coupled, clip, cell bits, activation
        shapes: list[tuple[int, int, int, int, bool, bool, float, int, str]] = [
            (1, 1, 1, 1, False, False, 0.0, 4, "tanh"),
            (1, 5, 3, 5, False, False, 10.0, 4, "tanh"),
            (2, 3, 4, 7, False, False, 0.0, 0, "relu6"),
            (3, 2, 9, 4, True, False, 0.5, 6, "tanh"),
            (2, 3, 5, 3, True, True, 0.0, 3, "relu"),
            (1, 4, 17, 6, False, True, 1.0, 5, "tanh"),
        ]
        for batch, time, depth, cells, major, coupled, clip, bits, curve in shapes:
            for dtype in (DType.I8, DType.F32):
                narrow = dtype is DType.I8
                h = random_type(rng, dtype, (batch, cells), float(rng.choice([1 / 128, 0.003])))
                op = cls("tanh" if narrow else curve, clip, major, coupled, h.quant)
                unit = Quant((2.0 ** (bits - 15),), (0,))
                c = TensorType((batch, cells), DType.I16, unit) if narrow else h
                lead = (time, batch) if major else (batch, time)
                x = random_type(rng, dtype, (*lead, depth), 0.03)
                weights = [
                    random_weights(rng, dtype, shape)
                    for shape in ((cells, depth), (cells, cells), (cells,))
                    for _ in range(op.gates)
                ]
                yield Node(
                    op,
                    (Value("x", x, "case"), *weights, Value("h", h, "case"), Value("c", c, "case")),
                    (
                        Value("y", TensorType((*lead, cells), dtype, h.quant), "case"),
                        Value("h1", h, "case"),
                        Value("c1", c, "case"),
                    ),
                    "case",
                )


@register
@dataclass(frozen=True)
class HybridLstm(HybridRows, Lstm):
    """`Lstm` of float32 with int8 weights (LstmStepHybrid of tensorflow/lite/kernels/lstm_eval.cc).
    h is rounded to int8 at each step: where a curve of libm differs in its last bit, what follows
    may differ by more than that."""

    def gate_sum(self, x: Array, h: Array, weights: Value, recurrent: Value, bias: Value) -> Array:
        return np.asarray(bias.array + self.product(x, weights) + self.product(h, recurrent))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in Lstm.cases(rng):
            op, count = node.op, 2 * node.op.gates
            x, *rest = node.inputs
            if x.type.dtype is DType.F32:
                narrow = (narrow_weights(rng, v) for v in rest[:count])
                asymmetric = bool(rng.integers(2))
                own = cls(op.activation, op.clip, op.time_major, op.coupled, None, asymmetric)
                yield Node(own, (x, *narrow, *rest[count:]), node.outputs, node.origin)


def random_weights(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Value:
    if dtype is DType.F32:
        data = rng.normal(0, 0.5, shape).astype(np.float32)
        return Value("w", TensorType(shape, dtype), "case", data)
    if len(shape) == 1:
        data = rng.integers(-3000, 3000, shape).astype(np.int32)
        return Value("b", TensorType(shape, DType.I32), "case", data)
    data = rng.integers(-127, 127, shape, endpoint=True).astype(np.int8)
    scale = float(np.float32(rng.choice([0.002, 0.02])))
    return Value("w", TensorType(shape, dtype, Quant((scale,), (0,))), "case", data)


def clamp16(x: Array) -> Array:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)
