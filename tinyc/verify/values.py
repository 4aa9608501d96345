"""Where two arrays of one value differ, and what of that is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..ir import Array, Node, TensorType, Value
from ..ir.quant import dequantize
from ..plan.heads import RULES, Rule, deviation
from ..report.metrics import errors


@dataclass(frozen=True)
class Difference:
    """elements: of the value; wrong: how many of them differ; largest: the greatest absolute
    difference; index: of the first that differs; expected, found: what
    stands there; rule: by which they are compared, in words."""

    elements: int
    wrong: int
    largest: float
    index: tuple[int, ...]
    expected: float
    found: float
    rule: str


@dataclass(frozen=True)
class Layer:
    """The first layer that computes something else.

    name, op, origin: of its node; value: the tensor that differs; what: is wrong with it, in
    words; kernel, symbol: what computes it in C, None in a graph; difference: None where it is a
    table; operands: name -> array, of what it reads, ``expected`` and ``found``.
    """

    name: str
    op: str
    origin: str
    value: str
    what: str
    kernel: str | None = None
    symbol: str | None = None
    difference: Difference | None = None
    operands: Mapping[str, Array] = field(default_factory=dict)


def difference(found: Array, expected: Array, rule: Rule) -> Difference | None:
    """Of arrays of one shape and dtype; None where ``rule`` holds for each element."""
    wrong, largest = deviation(found.reshape(-1, 1), expected.reshape(-1, 1), rule)
    if not wrong.any():
        return None
    return _of(wrong, largest, found, expected, RULES[rule])


def relative_error(found: Array, of: TensorType, expected: Array, by: TensorType) -> float:
    """The square root of the differences' squares' sum over that of the numbers expected, of
    values as real numbers; infinity where it is no number."""
    error = errors(dequantize(found, of), dequantize(expected, by))["relative_l2_error"]
    return math.inf if error is None else error


def far(
    found: Array, of: TensorType, expected: Array, by: TensorType, most: float
) -> Difference | None:
    """Of values of other types, as real numbers; None where their `relative_error` is no more than
    ``most``. The element that is told is the one that is furthest away."""
    error = relative_error(found, of, expected, by)
    if error <= most:
        return None
    ours, truth = dequantize(found, of), dequantize(expected, by)
    with np.errstate(all="ignore"):
        away = np.abs(ours.astype(np.float64) - truth)
    away[np.isnan(away)] = math.inf
    rule = f"a relative L2 error of {most:g}, it is {error:.3g}"
    return _of(away, float(away.max()), ours, truth, rule)


def _of(wrong: Array, largest: float, found: Array, expected: Array, rule: str) -> Difference:
    """wrong: of each element how much it is."""
    at = int(wrong.argmax())
    index = tuple(int(i) for i in np.unravel_index(at, found.shape)) if found.ndim else ()
    there, here = (float(a.reshape(-1)[at]) for a in (expected, found))
    return Difference(found.size, int(np.count_nonzero(wrong)), largest, index, there, here, rule)


def operands(node: Node, arrays: Mapping[Value, Array]) -> dict[str, Array]:
    """What a node reads: ``input_0``, ... of those that vary, in their order, and ``constant_0``,
    ... arrays: of the values that vary."""
    found = {f"input_{i}": arrays[v] for i, v in enumerate(node.variable_inputs) if v in arrays}
    constants = [v.data for v in node.inputs if v.data is not None]
    return found | {f"constant_{i}": data for i, data in enumerate(constants)}


def name_of(node: Node) -> str:
    """What a person calls it: by what it makes."""
    return node.outputs[0].name.split(";")[0]
