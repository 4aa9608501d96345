"""Quantized ONNX models as layers of int8: DequantizeLinear, operator, QuantizeLinear become one
operator of ONNX Runtime (QLinearConv, QGemm, ...), as its own optimizer makes them.

What only moves numbers moves them quantized, and DequantizeLinear goes behind it. Everything else
stays float32 between the two; what is a function of one number becomes a table later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CompileError
from ...ir import Array
from ...ops.base import CONVERT_AGAIN
from .parse import opset
from .tensors import DEQUANTIZE, QUANTIZE, Numbers, Tensors

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""
_MOVES = frozenset(
    "Reshape Flatten Squeeze Unsqueeze Identity Dropout Transpose Slice Split Gather Expand Tile "
    "DepthToSpace SpaceToDepth MaxPool GlobalMaxPool".split()
)
"""Operators whose outputs are among the numbers of their first operand."""
_TABLES = {
    f"{RUNTIME}.QLinearSigmoid": "Sigmoid",
    f"{RUNTIME}.QLinearLeakyRelu": "LeakyRelu",
}
"""ONNX Runtime's operators of (x, scale, zero point, scale, zero point) that are tables."""
_CONCAT = f"{RUNTIME}.QLinearConcat"
_PAIRS = frozenset("QLinearConv QLinearMatMul QLinearAdd QLinearMul QGemm".split())
"""Those of two quantized operands."""


def grouped(model: ModelProto, file: str) -> dict[str, Numbers]:
    """Rewrite ``model`` in place; returns how its quantized tensors are, by their names. Raises
    CompileError E303 for uint8 numbers that something computes with as they are, E301."""
    if not any(n.op_type in (QUANTIZE, DEQUANTIZE) or _of_runtime(n) for n in model.graph.node):
        return {}
    try:
        grouping = _Grouping(Tensors(model, file))
        nodes = grouping.run()
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Of what the package's check, which knows no operators of ONNX Runtime, lets through.
        what = f"its quantized operators do not fit: {error}"
        raise CompileError("E301", file, what, CONVERT_AGAIN) from None
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if not opset(model, RUNTIME):
        model.opset_import.add(domain=RUNTIME, version=1)
    return grouping.numbers


def _of_runtime(node: NodeProto) -> bool:
    return bool(node.op_type.startswith("QLinear") or node.op_type == "QGemm")


class _Grouping:
    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.numbers: dict[str, Numbers] = {}
        self._reals: dict[str, Numbers] = {}
        """The numbers behind what DequantizeLinear makes, by its name."""
        self._done: set[int] = set()
        self._nodes: list[NodeProto] = []

    def run(self) -> list[NodeProto]:
        for node in self.tensors.graph.node:
            if id(node) not in self._done:
                self._step(node)
        for name in self.tensors.results:
            if name in self._reals:
                self._dequantize(self._reals[name], name)
        return self._nodes

    def _step(self, node: NodeProto) -> None:
        plain = node.domain in ("", "ai.onnx")
        label = node.op_type if plain else f"{node.domain}.{node.op_type}"
        if label in (QUANTIZE, DEQUANTIZE):
            self._convert(node)
        elif label in _TABLES or label == _CONCAT:
            self._expand(node, label)
        elif _of_runtime(node):
            self._learn(node)
            self._nodes.append(node)
        elif label == "Clip" and node.input[0] in self.numbers:
            self._clip(node, self.numbers[node.input[0]])
        elif self._moves(node) and node.input[0] in self.numbers:
            self._move(node, self.numbers[node.input[0]])
        elif self._moves(node) and node.input[0] in self._reals:
            self._move(node, self._reals[node.input[0]])
        elif (layer := _LAYERS.get(label)) is None or not layer(self, node):
            self._keep(node)

    # What is known ------------------------------------------------------------------------

    def real(self, name: str) -> Numbers | None:
        """The numbers that a DequantizeLinear makes ``name`` of."""
        node = self.tensors.producers.get(name)
        if name not in self._reals and node is not None and node.op_type == DEQUANTIZE:
            self._convert(node)
            self._done.add(id(node))
        return self._reals.get(name)

    def operand(self, name: str) -> list[str] | None:
        """(tensor, scale, zero point) of an operand that is quantized with eight bits."""
        known = self.real(name)
        return [known.name, *known.words] if known is not None and known.bytes else None

    def weights(self, name: str) -> Numbers | None:
        """The numbers of an operand that is constant."""
        known = self.real(name)
        return known if known is not None and known.name in self.tensors.arrays else None

    def bias(self, name: str, x: str, weights: Numbers) -> str | None:
        """The int32 bias of a layer: what its DequantizeLinear reads, or one of float32 in the
        scale of the sums (WeightBiasQuantization of ONNX Runtime); "" if there is none."""
        known, array = self.real(name), self.tensors.arrays.get(name)
        if not name:
            return ""
        if known is not None:
            return known.name if known.zero.dtype == np.int32 else None
        if array is None or array.dtype != np.float32:
            return None
        with np.errstate(all="ignore"):
            steps = np.rint(array / (self._reals[x].scale * weights.scale))
        limits = np.iinfo(np.int32)
        return self.tensors.add(name, np.clip(steps, limits.min, limits.max).astype(np.int32))

    # What is made -------------------------------------------------------------------------

    def _add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def _know(self, numbers: Numbers, name: str) -> Numbers:
        """``name`` is quantized as ``numbers`` is."""
        self.numbers[name] = replace(numbers, name=name)
        self.tensors.kinds[name] = numbers.zero.dtype
        return self.numbers[name]

    def _dequantize(self, numbers: Numbers, name: str) -> str:
        return self._add(DEQUANTIZE, (numbers.name, *numbers.words), name, axis=numbers.axis)

    def _quantize(self, real: str, numbers: Numbers) -> None:
        """``numbers`` of a float32 tensor: by no more than another name where it has been made of
        the same."""
        self._know(numbers, numbers.name)
        known = self._reals.get(real)
        if known is not None and known.like(numbers):
            self._add("Identity", [known.name], numbers.name)
            return
        if known is not None:
            real = self._dequantize(known, self.tensors.fresh(real))
        self._add(QUANTIZE, (real, *numbers.words), numbers.name, axis=numbers.axis)

    # Nodes --------------------------------------------------------------------------------

    def _keep(self, node: NodeProto) -> None:
        """``node`` as it is, with a DequantizeLinear of its own before each operand that has
        one."""
        label = f"'{node.name or node.output[0]}' ({node.op_type})"
        for i, name in enumerate(node.input):
            if name in self._reals:
                node.input[i] = self._dequantize(self._reals[name], self.tensors.fresh(name))
            elif name in self.numbers and self.numbers[name].zero.dtype == np.uint8:
                raise CompileError(
                    "E303", f"{self.tensors.file}: node {label}",
                    f"computes with the uint8 numbers of '{name}' as they are",
                    "put DequantizeLinear before it, or quantize to int8",
                )  # fmt: skip
        self._nodes.append(node)

    def _convert(self, node: NodeProto) -> None:
        """QuantizeLinear and DequantizeLinear."""
        x, out, words = node.input[0], node.output[0], list(node.input[1:])
        quantizes = node.op_type == QUANTIZE
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        blocks = any(a.name == "block_size" and a.i for a in node.attribute)
        numbers = None if blocks else self.tensors.of(out if quantizes else x, words, axis)
        if out in self.tensors.arrays or numbers is None:
            self._keep(node)
        elif quantizes:
            self._quantize(x, numbers)
        else:
            self._reals[out] = self._know(numbers, x)

    def _move(self, node: NodeProto, numbers: Numbers) -> None:
        """An operator that `_moves`, on quantized numbers, which are its operand or what that was
        made of."""
        real = node.input[0] != numbers.name
        node.input[0] = numbers.name
        if node.op_type == "Pad":
            value = numbers.zero if real else self._padding(node)
            less = 128 if numbers.zero.dtype == np.uint8 else 0
            node.input.extend([""] * (3 - len(node.input)))
            fill = np.asarray(value, np.int32) - less
            node.input[2] = self.tensors.add(node.name, np.asarray(fill))
        for i, name in enumerate(node.output):
            if name and real:
                node.output[i] = self.tensors.fresh(name)
                self._reals[name] = self._know(numbers, node.output[i])
            elif name:
                self._know(numbers, name)
        self._nodes.append(node)

    def _clip(self, node: NodeProto, numbers: Numbers) -> None:
        """A Clip of quantized numbers, as one of what they stand for."""
        names = [self._dequantize(numbers, self.tensors.fresh(node.name))]
        for name in node.input[1:]:
            bound = self.tensors.arrays.get(name)
            if bound is not None:
                bound = (bound.astype(np.float32) - numbers.zero.astype(np.float32)) * numbers.scale
                name = self.tensors.add(name, np.asarray(bound, np.float32))
            names.append(name)
        clipped = self._add("Clip", names, self.tensors.fresh(node.output[0]))
        self._quantize(clipped, replace(numbers, name=node.output[0]))

    def _moves(self, node: NodeProto) -> bool:
        """Whether the outputs are among the numbers of the first operand, and zero."""
        if node.domain not in ("", "ai.onnx"):
            return False
        mode = next((a.s for a in node.attribute if a.name == "mode"), b"")
        if node.op_type == "Pad":
            value = self._padding(node)
            raw = node.input[0] in self.numbers
            return mode in (b"", b"constant") and value is not None and (raw or not value.any())
        return node.op_type in _MOVES or (node.op_type == "Resize" and mode in (b"", b"nearest"))

    def _padding(self, node: NodeProto) -> Array | None:
        """The number that a Pad puts; None where that is not known."""
        name = node.input[2] if len(node.input) > 2 else ""
        return self.tensors.arrays.get(name) if name else np.zeros((), np.int32)

    def _learn(self, node: NodeProto) -> None:
        """What an operator of ONNX Runtime says of its tensors' numbers; it gets the zero points
        that it lacks."""
        out, pair = node.output[0], node.op_type in _PAIRS
        end = 7 if node.op_type == "QGemm" else 6 if pair else 3
        places = [(node.input[0], 1), *([(node.input[3], 4)] if pair else []), (out, end)]
        for name, place in places:
            found = self.tensors.of(name, list(node.input[place : place + 2]))
            if found is not None:
                self._know(found, name)
                self.tensors.kinds.setdefault(out, found.zero.dtype)
                node.input.extend([""] * (place + 2 - len(node.input)))
                node.input[place + 1] = found.words[1]

    def _expand(self, node: NodeProto, label: str) -> None:
        """A table of ONNX Runtime, or its concatenation, by DequantizeLinear and QuantizeLinear."""
        names, out = list(node.input), node.output[0]
        operands, end = [names[:3]], names[3:5]
        if label == _CONCAT:
            operands, end = [names[i : i + 3] for i in range(2, len(names), 3)], names[:2]
        result = self.tensors.of(out, end)
        reals = []
        for name, *words in operands:
            if (known := self.tensors.of(name, words)) is not None:
                reals.append(self.tensors.fresh(name))
                self._reals[reals[-1]] = self._know(known, name)
        if result is None or len(reals) < len(operands):
            self._nodes.append(node)
        elif label == _CONCAT:
            self._join(node, reals, result)
        else:
            x = self._dequantize(self._reals[reals[0]], self.tensors.fresh(out))
            y = self._add(_TABLES[label], [x], self.tensors.fresh(out))
            self._nodes[-1].attribute.extend(node.attribute)
            self._quantize(y, result)

    def _join(self, node: NodeProto, reals: Sequence[str], end: Numbers) -> None:
        """A concatenation of what has been brought to the quantization of its result."""
        names = [self.tensors.fresh(real) for real in reals]
        for name, real in zip(names, reals, strict=True):
            self._quantize(real, replace(end, name=name))
        self._add("Concat", names, self._know(end, end.name).name)
        self._nodes[-1].attribute.extend(node.attribute)

    def concat(self, node: NodeProto) -> bool:
        parts = [self.real(name) for name in node.input]
        end = self.tensors.end(node)
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return False
        if end is not None and end.between is None:
            self._join(node, list(node.input), end.numbers)
            self._done.add(id(end.last))
            return True
        if not all(part.like(known[0]) for part in known):
            return False
        out = self._add("Concat", [p.name for p in known], self.tensors.fresh(node.output[0]))
        self._nodes[-1].attribute.extend(node.attribute)
        self._reals[node.output[0]] = self._know(known[0], out)
        return True

    def layer(self, op: str, operands: Sequence[str | None], nodes: Sequence[NodeProto]) -> bool:
        """Whether ``nodes``, each of which reads the one before, can be ONNX Runtime's operator
        ``op`` of ``operands``, which "end" stands among for the scale and the zero point of the
        output; not where one of these is None."""
        end = self.tensors.end(nodes[-1])
        if end is None or None in operands:
            return False
        numbers = end.numbers
        names = [n for o in operands for n in (numbers.words if o == "end" else [o or ""])]
        kept = end.between if self.tensors.limits(end) else None
        out = self._know(numbers, self.tensors.fresh(numbers.name) if kept else numbers.name)
        self._add(op, names, out.name, domain="" if op in _STANDARD else RUNTIME)
        self._nodes[-1].attribute.extend(nodes[0].attribute)
        self._nodes[-1].name = nodes[0].name or out.name
        if kept is not None and kept.op_type == "Relu":
            self._add("Relu", [out.name], self._know(numbers, numbers.name).name)
        elif kept is not None:
            kept.input[0] = self._dequantize(out, self.tensors.fresh(out.name))
            self._nodes.append(kept)
            self._quantize(kept.output[0], numbers)
        self._done.update(id(n) for n in (*nodes, end.between, end.last) if n is not None)
        return True


# Layers -----------------------------------------------------------------------------------

_STANDARD = ("QLinearConv", "QLinearMatMul")


def _weighted(op: str) -> Callable[[_Grouping, NodeProto], bool]:
    """Conv and Gemm."""

    def layer(grouping: _Grouping, node: NodeProto) -> bool:
        factors = {a.f for a in node.attribute if a.name in ("alpha", "beta")}
        x, weights = grouping.operand(node.input[0]), grouping.weights(node.input[1])
        if x is None or weights is None or factors - {1.0}:
            return False
        bias = grouping.bias((*node.input, "")[2], node.input[0], weights)
        last = ["end", bias] if op == "QLinearConv" else [bias, "end"]
        return grouping.layer(op, [*x, weights.name, *weights.words, *last], [node])

    return layer


def _matmul(grouping: _Grouping, node: NodeProto) -> bool:
    """With a sum of constants behind it, which is a bias."""
    x, weights = grouping.operand(node.input[0]), grouping.weights(node.input[1])
    if x is None:
        return False
    after = grouping.tensors.after(node)
    if weights is None or grouping.tensors.arrays[weights.name].ndim != 2:
        y = grouping.operand(node.input[1])
        return y is not None and grouping.layer("QLinearMatMul", [*x, *y, "end"], [node])
    words = [weights.name, *weights.words]
    if after is not None and after.op_type == "Add":
        (name,) = [n for n in after.input if n != node.output[0]][:1] or [""]
        bias = grouping.bias(name, node.input[0], weights)
        return bias != "" and grouping.layer("QGemm", [*x, *words, bias, "end"], [node, after])
    return grouping.layer("QLinearMatMul", [*x, *words, "end"], [node])


def _plain(op: str, count: int) -> Callable[[_Grouping, NodeProto], bool]:
    """Of ``count`` operands that are quantized."""

    def layer(grouping: _Grouping, node: NodeProto) -> bool:
        given = [grouping.operand(name) for name in node.input[:count]]
        known = [names for names in given if names is not None]
        words = [name for names in known for name in names]
        return len(known) == count and grouping.layer(op, [*words, "end"], [node])

    return layer


_LAYERS: dict[str, Callable[[_Grouping, NodeProto], bool]] = {
    "Conv": _weighted("QLinearConv"),
    "Gemm": _weighted("QGemm"),
    "MatMul": _matmul,
    "Add": _plain("QLinearAdd", 2),
    "Mul": _plain("QLinearMul", 2),
    "AveragePool": _plain("QLinearAveragePool", 1),
    "GlobalAveragePool": _plain("QLinearGlobalAveragePool", 1),
    "Softmax": _plain("QLinearSoftmax", 1),
    "Concat": _Grouping.concat,
}
