"""TensorFlow Lite Micro's operators that keep samples between runs: SignalFramer, SignalStacker,
SignalDelay and SignalOverlapAdd.

The first three hold what came last in a state, the oldest first, and give some of it before what
has come now (signal/src/circular_buffer.cc keeps the same in a ring). Two of them count, in the
last element of their state, until they have samples enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register

_I16 = DType.I16


class _Kept(Op):
    """Base of all. Inputs: x; the state. Outputs: y; ``valid``, a bool scalar, where ``counts``;
    the state after the run, which may lie where it was."""

    counts: ClassVar[bool] = False
    dtypes: ClassVar[tuple[DType, ...]] = (_I16,)
    calibrates = False

    def state_size(self, x: TensorType) -> int:
        """Elements of the state for an input of type ``x``."""
        raise AssertionError(f"{type(self).__name__} states no size")

    def initial(self, x: TensorType) -> Array:
        """The state before the first run."""
        return np.zeros(self.state_size(x), x.dtype.numpy)

    def output_shape(self, x: TensorType) -> tuple[int, ...]:
        raise AssertionError(f"{type(self).__name__} states no shape")

    def problem(self, x: TensorType) -> str:
        """Why it cannot take an input of type ``x``, of rank 1 or more; empty if it can."""
        return ""

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2, 3 if self.counts else 2)
        x, before = (v.type for v in node.inputs)
        y, *valid, after = (v.type for v in node.outputs)
        expect_dtype(node, x, self.dtypes, "input")
        for t, name in ((y, "output"), (before, "state"), (after, "state")):
            expect_dtype(node, t, (x.dtype,), name)
        what = self.problem(x) if x.shape else "its input is a scalar"
        if what:
            raise fail(node, what, CONVERT_AGAIN, "E301")
        expect_shape(node, y, self.output_shape(x), "output")
        for t in valid:
            expect_dtype(node, t, (DType.BOOL,), "validity")
            expect_shape(node, t, (), "validity")
        for t in (before, after):
            expect_shape(node, t, (self.state_size(x),), "state")

    @classmethod
    def _case(cls, op: Self, shape: tuple[int, ...], dtype: DType = _I16) -> Node[Self]:
        x = TensorType(shape, dtype)
        state = TensorType((op.state_size(x),), dtype)
        valid = (Value("valid", TensorType((), DType.BOOL), "case"),) if op.counts else ()
        y = Value("y", TensorType(op.output_shape(x), dtype), "case")
        inputs = Value("x", x, "case"), Value("before", state, "case")
        return Node(op, inputs, (y, *valid, Value("after", state, "case")), "case")


def _rows(x: TensorType) -> int:
    return x.elements // x.shape[-1]


@register
@dataclass(frozen=True)
class SignalFramer(_Kept):
    """x int16 [..., k * step] to frames [..., k, size], each ``step`` after the one before.

    The stream starts with size - step zeros if ``prefill``, or with its first sample: then
    ``valid`` is false, and frames lie partly before the stream, until there are samples enough
    (where TensorFlow Lite Micro leaves its output as it was).
    """

    size: int
    step: int
    prefill: bool

    counts = True

    @property
    def kept(self) -> int:
        """Samples of a row that a run leaves to the next."""
        return self.size - self.step if self.prefill else self.missing * self.step

    @property
    def missing(self) -> int:
        """Frames for which a stream that starts with its first sample has not enough."""
        return -(-self.size // self.step) - 1

    def state_size(self, x: TensorType) -> int:
        return _rows(x) * self.kept + 1

    def initial(self, x: TensorType) -> Array:
        state = super().initial(x)
        state[-1] = 0 if self.prefill else self.missing
        return state

    def output_shape(self, x: TensorType) -> tuple[int, ...]:
        return (*x.shape[:-1], x.shape[-1] // self.step, self.size)

    def problem(self, x: TensorType) -> str:
        if self.step < 1 or self.size < 1 or (self.prefill and self.size < self.step):
            return f"its frames of {self.size} follow each other after {self.step}"
        if x.shape[-1] % self.step:
            return f"its rows have {x.shape[-1]} samples, its frames are {self.step} apart"
        return "" if self.missing < 1 << 15 else f"waits for {self.missing} frames"

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, before = inputs
        rows, kept = _rows(node.inputs[0].type), self.kept
        stream = np.concatenate([before[:-1].reshape(rows, kept), x.reshape(rows, -1)], 1)
        count = x.shape[-1] // self.step
        starts = range(0, count * self.step, self.step)
        frames = np.stack([stream[:, at : at + self.size] for at in starts], 1)
        missing = max(int(before[-1]), 0)
        state = np.append(stream[:, x.shape[-1] :].ravel(), np.int16(max(missing - count, 0)))
        return frames.reshape(node.outputs[0].type.shape), np.array(missing == 0), state

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for size, step, prefill, shape in [
            (5, 2, True, (1, 2)), (5, 2, False, (2, 6)), (4, 4, True, (8,)), (3, 5, False, (10,)),
            (9, 1, False, (3, 2)), (7, 3, True, (2, 1, 9)),
        ]:  # fmt: skip
            yield cls._case(cls(size, step, prefill), shape)


@register
@dataclass(frozen=True)
class SignalStacker(_Kept):
    """x int16 [n], a frame, to the frames from ``left`` before one up to ``right`` behind it, the
    last of which is x: [(left + 1 + right) * n].

    ``valid`` is true for every ``step``-th frame, from the one on that completes those of the
    first. Before the first frame are copies of it. (Where it is false, TensorFlow Lite Micro leaves
    its output as it was.)
    """

    left: int
    right: int
    step: int

    counts = True

    def state_size(self, x: TensorType) -> int:
        return (self.left + self.right) * x.elements + 1

    def initial(self, x: TensorType) -> Array:
        """A count below 0 stands for a stream that has not begun."""
        state = super().initial(x)
        state[-1] = -self.right - 1
        return state

    def output_shape(self, x: TensorType) -> tuple[int, ...]:
        return ((self.left + self.right + 1) * x.elements,)

    def problem(self, x: TensorType) -> str:
        frames = self.left + self.right + 1
        if min(self.left, self.right) < 0 or not 1 <= self.step <= frames or frames >= 1 << 15:
            return f"stacks {self.left}, 1 and {self.right} frames every {self.step}"
        return "" if len(x.shape) == 1 else f"its input is {list(x.shape)}, not of rank 1"

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, before = inputs
        count, kept = int(before[-1]), before[:-1]
        if count < 0:
            count, kept = -count - 1, np.tile(x, self.left + self.right)
        y = np.concatenate([kept, x])
        state = np.append(y[len(x) :], np.int16(count - 1 if count else self.step - 1))
        return y, np.array(count == 0), state

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for left, right, step, count in [(1, 1, 2, 4), (0, 0, 1, 3), (2, 0, 1, 1), (0, 3, 4, 5)]:
            yield cls._case(cls(left, right, step), (count,))


@register
@dataclass(frozen=True)
class SignalDelay(_Kept):
    """x int16 [..., n] to the rows of ``length`` samples ago, which are zeros at first."""

    length: int

    def state_size(self, x: TensorType) -> int:
        return _rows(x) * self.length

    def output_shape(self, x: TensorType) -> tuple[int, ...]:
        return x.shape

    def problem(self, x: TensorType) -> str:
        return "" if self.length > 0 else f"delays by {self.length} samples"

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, before = inputs
        rows = before.reshape(-1, self.length)
        stream = np.concatenate([rows, x.reshape(len(rows), -1)], 1)
        y, state = np.split(stream, [x.shape[-1]], 1)
        return y.reshape(x.shape), state.ravel()

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for length, shape in [(3, (5,)), (7, (2, 3)), (4, (1, 4)), (1, (2, 1, 6))]:
            yield cls._case(cls(length), shape)


@register
@dataclass(frozen=True)
class SignalOverlapAdd(_Kept):
    """x [..., k, size] of int16 or float32 to [..., k * step]: frames that start ``step`` after the
    one before are added up, and what no further frame reaches is given. int16 saturates. The state
    is what the frames have left to the next ones, [..., size] (signal/src/overlap_add.cc)."""

    step: int

    dtypes = (_I16, DType.F32)

    def state_size(self, x: TensorType) -> int:
        return _rows(x) // x.shape[-2] * x.shape[-1]

    def output_shape(self, x: TensorType) -> tuple[int, ...]:
        return (*x.shape[:-2], x.shape[-2] * self.step)

    def problem(self, x: TensorType) -> str:
        if len(x.shape) < 2:
            return f"its input is {list(x.shape)}, without frames"
        if not 1 <= self.step <= x.shape[-1]:
            return f"its frames of {x.shape[-1]} follow each other after {self.step}"
        return ""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, before = inputs
        count, size = x.shape[-2:]
        frames, state = x.reshape(-1, count, size), before.reshape(-1, size)
        made = []
        for k in range(count):
            if x.dtype == np.int16:
                total = (frames[:, k].astype(np.int32) + state).clip(-32768, 32767)
            else:
                total = frames[:, k] + state
            total = total.astype(x.dtype)
            made.append(total[:, : self.step])
            state = np.pad(total[:, self.step :], ((0, 0), (0, self.step)))
        return np.stack(made, 1).reshape(node.outputs[0].type.shape), state.ravel()

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in (_I16, DType.F32):
            for step, shape in [(2, (3, 5)), (4, (2, 1, 4)), (1, (1, 2, 3, 6))]:
                yield cls._case(cls(step), shape, dtype)
