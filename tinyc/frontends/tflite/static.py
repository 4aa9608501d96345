"""What is known at compile time: arithmetic on shapes.

Keras computes the sizes of a reshape or of a transposed convolution from SHAPE, element by
element. With static shapes these are constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ir import Array, DType
from ...ops.base import CONVERT_AGAIN
from . import decode
from .rule import TfliteOp
from .source import MAX_NUMBERS

_ELEMENTWISE: dict[str, Callable[..., Array]] = {
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
# Of float32, those that IEEE 754 rounds in one way; ROUND takes halves to even.
_FLOAT: dict[str, Callable[..., Array]] = {
    "FLOOR": np.floor, "CEIL": np.ceil, "ROUND": np.rint, "SQRT": np.sqrt, "DIV": np.divide,
    "RSQRT": lambda a: np.float32(1) / np.sqrt(a),
    **{name: _ELEMENTWISE[name] for name in (
        "NEG", "ABS", "SQUARE", "SQUARED_DIFFERENCE", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL",
        "GREATER", "GREATER_EQUAL", "FLOOR_DIV", "FLOOR_MOD", "SELECT", "SELECT_V2",
    )},
}  # fmt: skip
_REDUCTIONS: dict[str, Callable[..., Array]] = {
    "REDUCE_PROD": np.prod, "SUM": np.sum, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min,
    "REDUCE_ANY": np.any, "REDUCE_ALL": np.all,
}  # fmt: skip
_PLAIN = (DType.I32, DType.I64, DType.BOOL)
FOLDED = frozenset({*_ELEMENTWISE, *_FLOAT, *_REDUCTIONS}) | {
    "SHAPE", "RANK", "ZEROS_LIKE", "DENSIFY", "FILL", "BROADCAST_TO", "BROADCAST_ARGS", "TILE",
    "RANGE", decode.NAME,
}  # fmt: skip
"""Operators that `constants` may know the output of."""


def constants(src: TfliteOp) -> list[Array] | None:
    """The outputs of an operator that yields constants by its inputs' shapes, or by constants
    that are plain integers (int32, int64, bool) or float32, or by a size and a value, or whose
    constants are compressed; None for any other.

    Operators that only move elements have import rules, whose nodes are evaluated as they are.
    Raises CompileError E301 for operands that do not fit.
    """
    if src.name == decode.NAME:
        return decode.decoded(src)
    array = _constant(src)
    return None if array is None else [array]


def _constant(src: TfliteOp) -> Array | None:
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
    given: list[Array] = [a for a in arrays if a is not None]
    try:
        with np.errstate(all="raise"):
            return _evaluate(src, given, dtype)
    except (ValueError, TypeError, IndexError, FloatingPointError, OverflowError) as error:
        raise src.fail(f"its constant operands do not fit: {error}", CONVERT_AGAIN, "E301") from (
            None
        )


def _evaluate(src: TfliteOp, given: list[Array], dtype: np.dtype[Any]) -> Array | None:
    name, kinds = src.name, [v.type.dtype for v in src.inputs if v is not None]
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
    if sum(a.size for a in given) > MAX_NUMBERS:
        return None
    if DType.F32 in kinds and all(k in (DType.F32, DType.BOOL) for k in kinds):
        return _elementwise(_FLOAT, src, given, dtype)
    if not all(k in _PLAIN for k in kinds):
        return None
    if name == "RANGE":
        start, end, step = (int(a.reshape(())) for a in given)
        _sizes([len(range(start, end, step))])
        return np.arange(start, end, step, dtype)
    if name in _REDUCTIONS:
        axes = tuple(int(a) for a in given[1].ravel())
        keep = src.has_option("keep_dims") and bool(src.option("keep_dims"))
        return np.asarray(_REDUCTIONS[name](given[0], axis=axes, keepdims=keep)).astype(dtype)
    return _elementwise(_ELEMENTWISE, src, given, dtype)


def _elementwise(
    functions: dict[str, Callable[..., Array]],
    src: TfliteOp,
    given: list[Array],
    dtype: np.dtype[Any],
) -> Array | None:
    function = functions.get(src.name)
    if function is None or (src.has_option("activation") and src.option("activation")):
        return None
    _sizes(np.broadcast_shapes(*(a.shape for a in given)))
    return np.asarray(function(*given)).astype(dtype)


def _sizes(given: Array | Sequence[int]) -> tuple[int, ...]:
    """A shape; raises ValueError unless it is one of a bounded tensor."""
    shape = tuple(int(d) for d in np.asarray(given, np.int64).ravel())
    if min(shape, default=0) < 0 or len(shape) > 8 or math.prod(shape) > MAX_NUMBERS:
        raise ValueError(f"the shape {list(shape)}")
    return shape
