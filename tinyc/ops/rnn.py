"""RNN and UNIDIRECTIONAL_SEQUENCE_RNN: h = activation(W x + R h + b), step by step.

h outlives a run: it is a state of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, TensorType, Value
from ._conv import ordered_matmul
from ._hybrid import HybridRows, narrow_weights
from ._mixins import Activated
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register

_CURVES = ("none", "relu", "relu_n1_to_1", "relu6", "tanh")


@register
@dataclass(frozen=True)
class Rnn(Activated):
    """Inputs: x [batch, time, in], [time, batch, in] if ``time_major``, or [batch, in], which is
    one step; weights [cells, in] of x and [cells, cells] of h; a bias [cells]; h, batch * cells
    elements. All of float32.

    Outputs: h of each step, shaped as x; h of the last step, which may lie where it was.
    """

    time_major: bool

    calibrates = False
    weight_dtype: ClassVar[DType | None] = None

    def sizes(self, node: Node[Self]) -> tuple[int, int, int, int]:
        """(batch, time, in, cells)."""
        *lead, depth = node.inputs[0].type.shape
        if len(lead) == 1:
            batch, time = lead[0], 1
        else:
            batch, time = reversed(lead) if self.time_major else lead
        return batch, time, depth, node.inputs[1].type.shape[0]

    def macs(self, node: Node[Self]) -> int:
        batch, time, depth, cells = self.sizes(node)
        return batch * time * cells * (depth + cells)

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 5, 2)
        x, weights, recurrent, bias, h = (v.type for v in node.inputs)
        y, after = (v.type for v in node.outputs)
        if self.activation not in _CURVES:
            known = ", ".join(_CURVES)
            raise fail(node, f"its activation is {self.activation}", f"use one of {known}")
        if len(x.shape) not in (2, 3) or len(weights.shape) != 2:
            raise fail(node, f"its input is {x}, its weights {weights}", CONVERT_AGAIN)
        batch, _, depth, cells = self.sizes(node)
        expect_shape(node, weights, (cells, depth), "weights")
        expect_shape(node, recurrent, (cells, cells), "recurrent weights")
        expect_shape(node, bias, (cells,), "bias")
        expect_shape(node, y, (*x.shape[:-1], cells), "output")
        names = ("input", "weights", "recurrent weights", "bias", "state", "output")
        for t, name in zip((x, weights, recurrent, bias, h, y), names, strict=True):
            dtype = self.weight_dtype if "weights" in name else None
            expect_dtype(node, t, (dtype or DType.F32,), name)
        for value, name in zip(node.inputs[1:4], names[1:4], strict=True):
            if not value.constant:
                what = f"its {name} is computed at run time"
                raise fail(node, what, "make it constant", "E305")
        moving = (node.inputs[0], node.inputs[4])
        if moving[0] is moving[1] or any(v.constant for v in moving):
            raise fail(node, "its input or its state is constant, or one tensor", CONVERT_AGAIN)
        if h.elements != batch * cells:
            raise fail(node, f"its state is {h}, not {batch}x{cells}", CONVERT_AGAIN)
        if after != h:
            raise fail(node, "its state changes its type", CONVERT_AGAIN)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, _, _, bias, before = inputs
        weights, recurrent = node.inputs[1:3]
        batch, time, depth, cells = self.sizes(node)
        steps = x.reshape((time, batch, depth) if self.time_major else (batch, time, depth))
        steps = steps if self.time_major else steps.swapaxes(0, 1)
        h = before.reshape(batch, cells)
        found = []
        for numbers in steps:
            h = self._curve(bias + self.product(numbers, weights) + self.product(h, recurrent))
            found.append(h)
        y = np.stack(found)
        y = y if self.time_major else y.swapaxes(0, 1)
        return y.reshape(node.outputs[0].type.shape), h.reshape(before.shape)

    def product(self, rows: Array, matrix: Value) -> Array:
        return ordered_matmul(rows, matrix.array.T)

    def _curve(self, v: Array) -> Array:
        if self.activation == "tanh":
            return np.asarray(np.tanh(v))
        if self.activation == "none":
            return v
        least, most = {"relu": (0, np.inf), "relu6": (0, 6), "relu_n1_to_1": (-1, 1)}[
            self.activation
        ]
        v = np.where(v > most, np.float32(most), v)
        return np.where(v > least, v, np.float32(least))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # x, cells, time_major, activation
        shapes: list[tuple[tuple[int, ...], int, bool, str]] = [
            ((1, 1), 1, False, "tanh"),
            ((3, 5), 4, False, "relu"),
            ((1, 6, 3), 5, False, "tanh"),
            ((2, 3, 4), 7, True, "none"),
            ((4, 2, 9), 3, False, "relu6"),
            ((1, 4, 17), 2, True, "relu_n1_to_1"),
        ]
        for shape, cells, major, activation in shapes:
            batch = shape[1] if major else shape[0]

            def numbers(*extents: int, constant: bool = True) -> Value:
                data = rng.normal(0, 0.4, extents).astype(np.float32) if constant else None
                return Value("v", TensorType(extents, DType.F32), "case", data)

            yield Node(
                cls(activation, major),
                (
                    numbers(*shape, constant=False),
                    numbers(cells, shape[-1]), numbers(cells, cells), numbers(cells),
                    numbers(batch, cells, constant=False),
                ),
                (
                    numbers(*shape[:-1], cells, constant=False),
                    numbers(batch, cells, constant=False),
                ),
                "case",
            )  # fmt: skip


@register
@dataclass(frozen=True)
class HybridRnn(HybridRows, Rnn):
    """`Rnn` with int8 weights (EvalHybrid of tensorflow/lite/kernels/basic_rnn.cc and
    unidirectional_sequence_rnn.cc)."""

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in Rnn.cases(rng):
            x, *matrices, bias, h = node.inputs
            op = cls(node.op.activation, node.op.time_major, bool(rng.integers(2)))
            narrow = (narrow_weights(rng, m) for m in matrices)
            yield Node(op, (x, *narrow, bias, h), node.outputs, node.origin)
