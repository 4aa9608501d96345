"""What is known at compile time: arithmetic on shapes, and the shapes that a file leaves open.

Keras computes the sizes of a reshape or of a transposed convolution from SHAPE, element by
element. With static shapes these are constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ...ir import DType, TensorType, Value
from .rule import TfliteOp
from .source import CONVERT_AGAIN, MAX_ELEMENTS

_ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod, "MAXIMUM": np.maximum, "MINIMUM": np.minimum, "POW": np.power,
    "NEG": np.negative, "ABS": np.abs, "SQUARE": np.square, "EQUAL": np.equal,
    "SQUARED_DIFFERENCE": lambda a, b: np.square(a - b), "NOT_EQUAL": np.not_equal,
    "LESS": np.less, "LESS_EQUAL": np.less_equal, "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal, "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or, "LOGICAL_NOT": np.logical_not,
    "SELECT": np.where, "SELECT_V2": np.where,
    "DIV": lambda a, b: (a - np.fmod(a, b)) // b,  # of integers, towards zero
}  # fmt: skip
_REDUCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "REDUCE_PROD": np.prod, "SUM": np.sum, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min,
    "REDUCE_ANY": np.any, "REDUCE_ALL": np.all,
}  # fmt: skip
_PLAIN = (DType.I32, DType.I64, DType.BOOL)
FOLDED = frozenset(_ELEMENTWISE) | frozenset(_REDUCTIONS) | {
    "SHAPE", "RANK", "ZEROS_LIKE", "DENSIFY", "FILL", "BROADCAST_TO", "BROADCAST_ARGS", "TILE",
    "RANGE",
}  # fmt: skip
"""Operators that `constant` may know the output of."""


def constant(src: TfliteOp) -> np.ndarray | None:
    """The output of an operator that yields a constant by its inputs' shapes, or by plain
    integers (int32, int64, bool), or by a size and a value; None for any other.

    Operators that only move elements have import rules, whose nodes are evaluated as they are.
    Raises CompileError E301 for operands that do not fit.
    """
    if len(src.outputs) != 1 or not src.inputs or src.inputs[0] is None:
        return None
    dtype = src.outputs[0].type.dtype.numpy
    x = src.inputs[0]
    if src.name == "SHAPE":
        return np.array(x.type.shape, dtype)
    if src.name == "RANK":
        return np.array(len(x.type.shape), dtype)
    if src.name == "ZEROS_LIKE" and x.type.quant is None:
        return np.zeros(x.type.shape, dtype)
    arrays = [v.data for v in src.inputs if v is not None]
    if len(arrays) != len(src.inputs) or any(a is None for a in arrays):
        return None
    given: list[np.ndarray] = [a for a in arrays if a is not None]
    try:
        with np.errstate(all="raise"):
            return _evaluate(src, given, dtype)
    except (ValueError, TypeError, IndexError, FloatingPointError, OverflowError) as error:
        raise src.fail(f"its constant operands do not fit: {error}", CONVERT_AGAIN, "E301") from (
            None
        )


def _evaluate(src: TfliteOp, given: list[np.ndarray], dtype: np.dtype) -> np.ndarray | None:
    name, plain = src.name, all(v.type.dtype in _PLAIN for v in src.inputs if v is not None)
    if name == "DENSIFY":
        return given[0]  # the reader has stored it in full
    if name == "FILL":
        return np.full(_sizes(given[0]), given[1].reshape(()), dtype)
    if name == "BROADCAST_TO":
        return np.broadcast_to(given[0], _sizes(given[1])).astype(dtype)
    if name == "BROADCAST_ARGS":
        return np.array(np.broadcast_shapes(*(_sizes(a) for a in given)), dtype)
    if name == "TILE":
        _sizes([d * int(n) for d, n in zip(given[0].shape, given[1], strict=True)])
        return np.tile(given[0], tuple(map(int, given[1])))
    if not plain:
        return None
    if name == "RANGE":
        start, end, step = (int(a.reshape(())) for a in given)
        _sizes([len(range(start, end, step))])
        return np.arange(start, end, step, dtype)
    if name in _REDUCTIONS:
        axes = tuple(int(a) for a in given[1].ravel())
        keep = src.has_option("keep_dims") and bool(src.option("keep_dims"))
        return np.asarray(_REDUCTIONS[name](given[0], axis=axes, keepdims=keep)).astype(dtype)
    if name in _ELEMENTWISE and not (src.has_option("activation") and src.option("activation")):
        _sizes(np.broadcast_shapes(*(a.shape for a in given)))
        return np.asarray(_ELEMENTWISE[name](*given)).astype(dtype)
    return None


def _sizes(given: np.ndarray | Sequence[int]) -> tuple[int, ...]:
    """A shape; raises ValueError unless it is one of a bounded tensor."""
    shape = tuple(int(d) for d in np.asarray(given, np.int64).ravel())
    if min(shape, default=0) < 0 or len(shape) > 8 or math.prod(shape) > MAX_ELEMENTS:
        raise ValueError(f"the shape {list(shape)}")
    return shape


# Open shapes ------------------------------------------------------------------------------

_BROADCAST = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW")


def result_shape(src: TfliteOp, stated: TensorType, signature: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the only output of ``src`` where the file leaves sizes open (-1).

    A guess that the operator's own rule verifies afterwards: open sizes are those of the inputs
    that the operator carries over.
    """
    shapes = [v.type.shape for v in src.inputs if v is not None]
    rank = len(signature)
    full: tuple[int, ...] | None = None
    if src.name == "RESHAPE":
        full = _reshaped(src)
    elif src.name == "FULLY_CONNECTED":
        if rank == 2 and len(shapes) > 1 and len(shapes[1]) == 2:
            rows, depth = shapes[1]
            full = (math.prod(shapes[0]) // max(depth, 1), rows)
    elif src.name == "TRANSPOSE":
        axes = _data(src, 1)
        if axes is not None and sorted(axes) == list(range(len(shapes[0]))):
            full = tuple(shapes[0][a] for a in axes)
    elif src.name in _BROADCAST:
        try:
            full = np.broadcast_shapes(*shapes)
        except ValueError:
            full = None
    if full is None:
        data = [v.type.shape for v in src.inputs if v is not None and not v.constant]
        full = next((s for s in data if len(s) == rank), stated.shape)
    if len(full) != rank:
        return stated.shape
    return tuple(f if s < 0 else s for s, f in zip(signature, full, strict=True))


def _data(src: TfliteOp, index: int) -> tuple[int, ...] | None:
    value: Value | None = src.inputs[index] if len(src.inputs) > index else None
    if value is None or value.data is None or value.data.dtype.kind != "i":
        return None
    return tuple(int(a) for a in value.data.ravel())


def _reshaped(src: TfliteOp) -> tuple[int, ...] | None:
    wanted = _data(src, 1) if len(src.inputs) > 1 else src.ints_option("new_shape")
    x = src.inputs[0]
    if wanted is None or x is None:
        return None
    rest = math.prod(d for d in wanted if d != -1)
    return tuple(x.type.elements // max(rest, 1) if d == -1 else d for d in wanted)
