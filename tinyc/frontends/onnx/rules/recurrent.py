"""Import RNN, GRU and LSTM: their sequence is as long as the model's input, so that each step
stands for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ....ir import Array, Op, Value
from ....ops.add import Add, Sub
from ....ops.base import CONVERT_AGAIN
from ....ops.concat import Concat
from ....ops.fully_connected import FullyConnected
from ....ops.logistic import Logistic
from ....ops.mul import Mul
from ....ops.relu import Relu
from ....ops.slice import Slice
from ....ops.split import Split
from ....ops.tanh import Tanh
from ..rule import OnnxOp, rule
from .elementwise import binary, number

MOST_STEPS = 1 << 10

_CURVES: dict[str, Op] = {"tanh": Tanh(), "sigmoid": Logistic(), "relu": Relu("relu")}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@dataclass(frozen=True)
class _Cell:
    """One direction of a layer. weights [gates * cells, in], recurrent [gates * cells, cells], and
    the biases of both; h, c: values before the first step, [batch, cells]."""

    src: OnnxOp
    weights: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array
    curves: Sequence[Op]
    h: Value
    c: Value | None = None

    def dense(self, x: Value, name: str, weights: Array, bias: Array) -> Value:
        src = self.src
        operands = [x, src.const(name, weights), src.const(f"{name}_bias", bias)]
        shape = (*x.type.shape[:-1], len(weights))
        return src.emit(FullyConnected("none", keep_num_dims=True), operands, shape)

    def curve(self, index: int, x: Value) -> Value:
        return self.src.emit(self.curves[index], [x], x.type.shape)

    def mul(self, a: Value, b: Value) -> Value:
        return binary(self.src, Mul("none"), a, b)

    def add(self, a: Value, b: Value) -> Value:
        return binary(self.src, Add("none"), a, b)

    def parts(self, x: Value, *sizes: int) -> list[Value]:
        """``x`` cut along its last axis."""
        axis = len(x.type.shape) - 1
        shapes = [((*x.type.shape[:-1], size), None) for size in sizes]
        return self.src.emit_all(Split(axis, sizes), [x], shapes)


Step = Callable[[_Cell, Value, Value, Value | None], tuple[Value, Value | None]]
"""(the cell, what x gives its gates, h, c) -> (h, c)."""


@rule(FullyConnected, "RNN")
def rnn(src: OnnxOp) -> Sequence[Value]:
    def step(cell: _Cell, x: Value, h: Value, c: Value | None) -> tuple[Value, None]:
        gate = cell.add(x, cell.dense(h, "recurrent", cell.recurrent, cell.recurrent_bias))
        return cell.curve(0, gate), None

    return _layer(src, 1, ("Tanh",), step)


@rule(FullyConnected, "GRU")
def gru(src: OnnxOp) -> Sequence[Value]:
    """The gates are update, reset and hidden."""
    before = bool(src.integer("linear_before_reset", 0))

    def step(cell: _Cell, x: Value, h: Value, c: Value | None) -> tuple[Value, None]:
        n = h.type.shape[-1]
        x_zr, x_h = cell.parts(x, 2 * n, n)
        if before:
            sums = cell.dense(h, "recurrent", cell.recurrent, cell.recurrent_bias)
            r_zr, r_h = cell.parts(sums, 2 * n, n)
        else:
            weights, bias = cell.recurrent, cell.recurrent_bias
            r_zr = cell.dense(h, "recurrent", weights[: 2 * n], bias[: 2 * n])
        z, r = cell.parts(cell.curve(0, cell.add(x_zr, r_zr)), n, n)
        if before:
            hidden = cell.mul(r, r_h)
        else:
            hidden = cell.dense(cell.mul(r, h), "hidden", weights[2 * n :], bias[2 * n :])
        hidden = cell.curve(1, cell.add(x_h, hidden))
        rest = binary(src, Sub("none"), number(src, 1), z)
        return cell.add(cell.mul(rest, hidden), cell.mul(z, h)), None

    return _layer(src, 3, ("Sigmoid", "Tanh"), step)


@rule(FullyConnected, "LSTM")
def lstm(src: OnnxOp) -> Sequence[Value]:
    """The gates are input, output, forget and cell."""
    if src.present(7) or src.integer("input_forget", 0):
        raise src.fail("has peepholes or coupled gates", "use a layer without them")

    def step(cell: _Cell, x: Value, h: Value, c: Value | None) -> tuple[Value, Value]:
        assert c is not None
        n = h.type.shape[-1]
        sums = cell.add(x, cell.dense(h, "recurrent", cell.recurrent, cell.recurrent_bias))
        gates, inner = cell.parts(sums, 3 * n, n)
        i, o, f = cell.parts(cell.curve(0, gates), n, n, n)
        c = cell.add(cell.mul(f, c), cell.mul(i, cell.curve(1, inner)))
        return cell.mul(o, cell.curve(2, c)), c

    return _layer(src, 4, ("Sigmoid", "Tanh", "Tanh"), step)


def _layer(src: OnnxOp, gates: int, curves: Sequence[str], step: Step) -> Sequence[Value]:
    """(h of all steps [time, directions, batch, cells], the last h and c [directions, batch,
    cells]), with the batch first where the layout says so."""
    batch_first = bool(src.integer("layout", 0))
    x = src.value(0)
    if len(x.type.shape) != 3:
        raise src.fail(f"its input is {x.type}", CONVERT_AGAIN, "E301")
    x = src.transposed(x, (1, 0, 2)) if batch_first else x
    time, batch, _ = x.type.shape
    if src.present(4) and set(src.constant_integers(4)) != {time}:
        raise src.fail("its sequences differ in length", "give all of them that of the input")
    if src.has("clip"):
        raise src.fail("its cells are clipped", "use a layer without clip")
    name = src.text("direction", "forward")
    if name not in _DIRECTIONS:
        raise src.fail(f"its direction is {name!r}", CONVERT_AGAIN, "E301")
    if time * len(_DIRECTIONS[name]) > MOST_STEPS:
        raise src.fail(f"has {time} steps", f"use at most {MOST_STEPS}")
    steps, last, cells = [], [], []
    for cell, backwards in zip(
        _cells(src, gates, curves, batch, batch_first), _DIRECTIONS[name], strict=True
    ):
        states = _run(cell, x, backwards, step)
        steps.append(_joined(src, [h for h, _ in (states[::-1] if backwards else states)], 0))
        last.append(states[-1][0])
        cells.append(states[-1][1])
    found = [_joined(src, steps, 1), _joined(src, last, 0)]
    if cells[0] is not None:
        found.append(_joined(src, [c for c in cells if c is not None], 0))
    if not batch_first:
        return found
    y, *ends = found
    return [src.transposed(y, (2, 0, 1, 3)), *(src.transposed(v, (1, 0, 2)) for v in ends)]


def _cells(
    src: OnnxOp, gates: int, curves: Sequence[str], batch: int, batch_first: bool
) -> Iterator[_Cell]:
    weights, recurrent = src.numbers(1), src.numbers(2)
    directions, rows, cells = recurrent.shape
    if rows != gates * cells or weights.shape[:2] != (directions, rows):
        raise src.fail("its weights do not fit each other", CONVERT_AGAIN, "E301")
    bias = src.numbers(3) if src.present(3) else np.zeros((directions, 2 * rows), np.float32)
    names = [name.lower() for name in src.texts("activations") or [*curves] * directions]
    if unknown := [name for name in names if name not in _CURVES]:
        raise src.fail(f"its activation is {unknown[0]}", "use tanh, sigmoid or relu")
    each = len(curves)

    def start(place: int, direction: int) -> Value:
        """The values before the first step."""
        if not src.present(place):
            return src.const("start", np.zeros((batch, cells), np.float32))
        value = src.value(place)
        if value.data is not None:
            return src.const(
                "start", value.data[:, direction] if batch_first else value.data[direction]
            )
        value = src.transposed(value, (1, 0, 2)) if batch_first else value
        return _at(src, value, direction)

    for d in range(directions):
        yield _Cell(
            src,
            weights[d],
            recurrent[d],
            bias[d, :rows],
            bias[d, rows:],
            [_CURVES[name] for name in names[d * each : (d + 1) * each]],
            start(5, d),
            start(6, d) if gates == 4 else None,
        )


def _run(cell: _Cell, x: Value, backwards: bool, step: Step) -> list[tuple[Value, Value | None]]:
    """(h, c) after each step."""
    given = cell.dense(x, "weights", cell.weights, cell.bias)
    states: list[tuple[Value, Value | None]] = []
    h, c = cell.h, cell.c
    time = x.type.shape[0]
    for t in range(time)[:: -1 if backwards else 1]:
        h, c = step(cell, _at(cell.src, given, t), h, c)
        states.append((h, c))
    return states


def _at(src: OnnxOp, x: Value, index: int) -> Value:
    """Element ``index`` of the first axis."""
    rank, rest = len(x.type.shape), x.type.shape[1:]
    begin = (index, *(0,) * (rank - 1))
    cut = src.emit(Slice(begin, (1,) * rank, (1, *rest)), [x], (1, *rest))
    return src.reshaped(cut, rest)


def _joined(src: OnnxOp, values: Sequence[Value], axis: int) -> Value:
    """Values side by side along a new axis."""
    shape = values[0].type.shape
    wide = (*shape[:axis], 1, *shape[axis:])
    parts = [src.reshaped(v, wide) for v in values]
    if len(parts) == 1:
        return parts[0]
    return src.emit(Concat(axis), parts, (*shape[:axis], len(parts), *shape[axis:]))
