"""What a network's outputs stand for, classes or numbers, and how near the board's have to come."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import CompileError
from ..ir import Array, DType, Graph, Node, TensorType, Value
from ..ir.ports import Port, input_ports, output_ports
from ..ir.quant import dequantize
from ..kernels.base import kernels_of
from ..kernels.support import MATH, needed
from ..ops.arg_max import ArgMax
from ..ops.dequantize import Dequantize
from ..ops.logistic import Logistic
from ..ops.quantize import Quantize
from ..ops.softmax import Softmax

FLOAT_TOLERANCE = 1e-4
"""Of a float32 output, times the greater of 1 and the number: C libraries differ in exp and tanh,
and so does every sum that follows them."""

_ECHO = 64
"""An output of an input's own shape is no classifier if it has more elements than these: it is
what an autoencoder makes of that input."""


@dataclass(frozen=True)
class Head:
    """An output.

    kind: ``scores`` (the class is where the greatest stands, the first of equals), ``decision``
    (one number, class 1 from ``threshold`` on), ``index`` (one integer, which is the class), or
    ``numbers``; classes: how many there are, None where that is not known;
    certain: SOFTMAX, LOGISTIC or ARG_MAX end in it, while a shape alone may deceive;
    echo: of ``numbers`` the index of an input of its shape, which it may reproduce.
    """

    port: Port
    kind: Literal["scores", "decision", "index", "numbers"]
    classes: int | None = None
    threshold: float = 0.0
    certain: bool = False
    echo: int | None = None

    def decide(self, array: Array, type: TensorType | None = None) -> Array:
        """The class int64 [n] of each sample; array: [n, *shape] of ``type``, or real numbers."""
        rows = array.reshape(len(array), -1)
        if self.kind == "scores":
            return np.asarray(rows.argmax(1))
        if self.kind == "decision":
            reals = rows if type is None else dequantize(rows, type)
            return (reals[:, 0] >= self.threshold).astype(np.int64)
        return rows[:, 0].astype(np.int64)

    @property
    def least(self) -> int | float | None:
        """The least number of a decision, in its own type, that is class 1."""
        if self.kind != "decision":
            return None
        type = self.port.value.type
        if type.dtype is DType.F32:
            return self.threshold
        low, high = type.dtype.limits
        first = math.floor(self.threshold / type.scale) + type.zero_point - 1
        near = np.arange(max(low, first), min(high, first + 4) + 1)
        ones = near[dequantize(near, type) >= self.threshold]
        return int(ones[0]) if len(ones) else high


def heads(graph: Graph) -> tuple[Head, ...]:
    """The outputs of ``graph``, in order.

    An output is ``scores`` where all of its elements, two or more, lie along its last axis. A
    single number is a ``decision`` at 0.5 where LOGISTIC or the quantization keep it in 0..1,
    and at 0 elsewhere, as of a logit; a single integer without a scale is an ``index``.
    """
    producers = graph.producers()
    shapes = [(port.value.type.shape, port.order) for port in input_ports(graph)]
    found = []
    for port in output_ports(graph):
        type, node = port.value.type, producers.get(port.value)
        while node is not None and (node.op.view or isinstance(node.op, (Quantize, Dequantize))):
            node = producers.get(node.inputs[0])
        op = None if node is None else node.op
        shape = (type.shape, port.order)
        echo = shapes.index(shape) if shape in shapes else None
        if type.elements == 1 and type.quant is None and type.dtype is not DType.F32:
            found.append(Head(port, "index", _depth(node), certain=isinstance(op, ArgMax)))
        elif type.elements == 1:
            certain = isinstance(op, Logistic)
            threshold = 0.5 if certain or _within_one(type) else 0.0
            found.append(Head(port, "decision", 2, threshold, certain))
        elif type.elements == type.shape[-1] and (echo is None or type.elements <= _ECHO):
            found.append(Head(port, "scores", type.elements, certain=isinstance(op, Softmax)))
        else:
            found.append(Head(port, "numbers", echo=echo))
    return tuple(found)


def _depth(node: Node | None) -> int | None:
    """How many places an ARG_MAX chooses from."""
    if node is None or not isinstance(node.op, ArgMax):
        return None
    return node.inputs[0].type.shape[node.op.axis]


def _within_one(type: TensorType) -> bool:
    if type.quant is None:
        return False
    low, high = type.dtype.limits
    reals = ((q - type.zero_point) * type.scale for q in (low, high))
    return all(0 <= real <= 1 for real in reals)


def labelled(outputs: Sequence[Head]) -> Head | None:
    """The output that labels without its name are of: the first in which SOFTMAX ends, else the
    first of scores, of LOGISTIC or of ARG_MAX, else the first of one number; None if there is
    none."""
    ways = (
        [h for h in outputs if h.kind == "scores" and h.certain],
        [h for h in outputs if h.kind == "scores" or h.certain],
        [h for h in outputs if h.kind != "numbers"],
    )
    return next((found[0] for found in ways if found), None)


def classifiers(outputs: Sequence[Head], with_labels: Collection[int]) -> set[int]:
    """The outputs (by index) whose classes are compared, and not their numbers alone: those that
    have labels or are certain; where there are none, those of scores."""
    sure = {h.port.index for h in outputs if h.certain} | set(with_labels)
    return sure or {h.port.index for h in outputs if h.kind == "scores"}


def accuracy(head: Head, output: Array, labels: Array) -> float:
    """The part of the samples with a label whose class it is."""
    right = head.decide(output, head.port.value.type) == labels
    return float(np.mean(right[labels >= 0]))


def check_labels(labels: Array, head: Head, origin: str) -> None:
    """Raises CompileError E229 for the first label that is no class of ``head``."""
    wrong = labels < 0
    if head.classes is not None:
        wrong |= labels >= head.classes
    if wrong.any():
        first = int(wrong.argmax())
        most = "0 and up" if head.classes is None else f"0 to {head.classes - 1}"
        raise CompileError(
            "E229", origin,
            f"sample {first} has the label {labels[first]}, the classes of '{head.port.name}' are "
            f"{most}",
            "correct the labels, or name the output that they are of: y_<output>"
            + ("; numbers to come near to are given as float" if head.kind == "decision" else ""),
        )  # fmt: skip


# Board and reference ---------------------------------------------------------------------

Rule = Literal["bits", "step", "float"]
RULES: dict[Rule, str] = {
    "bits": "every bit",
    "step": "one step",
    "float": f"{FLOAT_TOLERANCE:g} of the greater of 1 and the number",
}
"""How near an output has to come to the reference's."""


def rules(graph: Graph) -> tuple[Rule, ...]:
    """For each output: float32 within `FLOAT_TOLERANCE`; integers that were computed from what
    a C library's float32 functions gave within one step; other integers to the bit."""
    of_values = value_rules(graph)
    return tuple(of_values(v) for v in graph.outputs)


def value_rules(graph: Graph) -> Callable[[Value], Rule]:
    """The same for any value of ``graph``."""
    touched: set[object] = set()
    for node in graph.nodes:
        if any(v in touched for v in node.inputs) or _calls_libm(node):
            touched |= set(node.outputs)

    def rule(value: Value) -> Rule:
        if value.type.dtype is DType.F32:
            return "float"
        return "step" if value in touched else "bits"

    return rule


def _calls_libm(node: Node) -> bool:
    if not any(v.type.dtype is DType.F32 for v in (*node.inputs, *node.outputs)):
        return False
    for kernel in kernels_of(type(node.op)):
        if kernel.reject(node) is None:
            return MATH in needed(kernel.bind(node).support)
    return False


def deviation(ours: Array, truth: Array, rule: Rule) -> tuple[Array, float]:
    """(bool [n]: which samples break ``rule``, the greatest absolute difference)."""
    a, b = (np.ascontiguousarray(x).reshape(len(x), -1) for x in (ours, truth))
    same = (a.view(np.uint8) == b.view(np.uint8)).reshape(*a.shape, a.itemsize).all(-1)
    with np.errstate(all="ignore"):
        away = np.where(same, 0.0, np.abs(a.astype(np.float64) - b.astype(np.float64)))
        if rule == "float":
            near = away <= FLOAT_TOLERANCE * np.maximum(1, np.abs(b.astype(np.float64)))
            near &= np.isfinite(away)
        else:
            near = away <= (rule == "step")
    # 0.0 and -0.0 are equal numbers, but other bits; two NaNs are the same answer.
    if rule == "bits":
        near &= same
    elif rule == "float":
        near |= np.isnan(a) & np.isnan(b)
        away = np.where(near & np.isnan(away), 0.0, away)
    greatest = float(away.max(initial=0.0)) if not np.isnan(away).any() else math.nan
    return ~near.all(1), greatest


def split_outputs(graph: Graph, rows: Array) -> list[Array]:
    """uint8 [n, bytes] -> for each output of ``graph`` an array [n, *shape] of its dtype."""
    arrays, at = [], 0
    for value in graph.outputs:
        piece = np.ascontiguousarray(rows[:, at : at + value.type.bytes])
        at += value.type.bytes
        little = value.type.dtype.numpy.newbyteorder("<")
        array = piece.view(little).astype(value.type.dtype.numpy)
        arrays.append(array.reshape(len(rows), *value.type.shape))
    assert at == rows.shape[1], (at, rows.shape)
    return arrays
