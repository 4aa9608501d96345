"""The int8 type of each value of a network that is calibrated, by the ranges that it reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..ir import DType, Graph, Node, Quant, TensorType, Value
from ..ops.quantize import Quantize
from ._kinds import Kinds, int8_of, is_float, quant_in

_NEAR = 0.75
"""Of the range of several tensors side by side (CONCATENATION, PACK), the part that one must have
to take their quantization although others read it too; with less it would lose too much."""

Ranges = dict[Value, tuple[float, float]]
"""(least, greatest) number of each float32 value over the samples, 0 among them but for inputs."""


def quant_of(low: float, high: float) -> Quant:
    """Scale and zero point of int8 for 0 and numbers in [low, high]."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        return Quant((1.0,), (0,))
    scale = float(np.float32(max((high - low) / 255, 2.0**-40)))
    return Quant((scale,), (int(np.clip(round(-128 - low / scale), -128, 127)),))


@dataclass
class _Group:
    """Values of one quantization. fixed: of other values that its nodes read, quantized so;
    free: whether one of its own values could have any; wanted: what its readers make of it."""

    low: float = 0.0
    high: float = 0.0
    free: bool = False
    fixed: set[Quant] = field(default_factory=set)
    wanted: set[Quant | None] = field(default_factory=set)

    def see(self, low: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)

    def quant(self) -> Quant:
        """What all of it has that is fixed, if the range fits; what all readers want; or the
        range's."""
        if not self.free and len(self.fixed) == 1:
            (quant,) = self.fixed
            (scale,), (zero,) = quant.scale, quant.zero_point
            # One step more: a sigmoid's 1 is 255/256.
            if scale * (-129 - zero) <= self.low and self.high <= scale * (128 - zero):
                return quant
        if len(self.wanted) == 1:
            (wanted,) = self.wanted
            if wanted is not None:
                return wanted
        return quant_of(self.low, self.high)


def types_of(graph: Graph, kinds: Kinds, ranges: Ranges) -> dict[Value, TensorType]:
    """The integer type of each value in ``ranges``; of one that stays float32, for those nodes
    that compute with int8."""
    heads: dict[Value, Value] = {}

    def head(value: Value) -> Value:
        while value in heads:
            value = heads[value]
        return value

    def unite(a: Value, b: Value) -> None:
        if head(a) is not head(b):
            heads[head(b)] = head(a)

    uses, outputs = graph.uses(), set(graph.results)

    def joins(value: Value, node: Node) -> bool:
        """Whether an input gets the quantization of ``node``, and not another one before it."""
        if value not in ranges or value in kinds.fixed:
            return False
        alone = set(uses[value]) == {node} and value not in outputs
        (low, high), (least, most) = ranges[value], ranges[node.outputs[0]]
        return alone or len(node.variable_inputs) == 1 or (high - low) >= _NEAR * (most - least)

    alike = [node for node in graph.nodes if kinds.keeps(node)]
    made = {v for node in alike for v in node.outputs}
    for node in alike:
        known = [*(v for v in node.inputs if joins(v, node)), *node.outputs]
        for other in known[1:]:
            unite(known[0], other)
    for state in graph.states:
        if {state.entry, state.exit} <= ranges.keys() - kinds.fixed.keys():
            unite(state.entry, state.exit)
    groups: dict[Value, _Group] = {}
    for value, (low, high) in ranges.items():
        if value in kinds.fixed:
            continue
        group = groups.setdefault(head(value), _Group())
        group.see(low, high)
        group.free |= value not in made
        group.wanted |= {None} if value in outputs else set()
        group.wanted |= {_wanted(n) for n in uses.get(value, ()) if not kinds.keeps(n)}
    for node in alike:
        group = groups[head(node.outputs[0])]
        for value in node.inputs:
            if value in kinds.fixed:
                group.see(*ranges[value])
                group.fixed.add(quant_in(kinds.fixed[value]))
            elif value in ranges and not joins(value, node):
                group.see(*ranges[value])
                group.free = True
    types = dict(kinds.fixed)
    for value in ranges:
        if value not in types:
            quant = groups[head(value)].quant()
            types[value] = TensorType(value.type.shape, DType.I8, quant)
    for value in graph.inputs:
        # An input that is only quantized can be so from the beginning, to any type.
        read = {n.output.type if isinstance(n.op, Quantize) else None for n in uses.get(value, ())}
        if is_float(value) and len(read) == 1 and value not in {*kinds.wide, *outputs}:
            types[value] = read.pop() or types[value]
    return types


def _wanted(node: Node) -> Quant | None:
    """The int8 quantization that a QUANTIZE gives to what it reads."""
    as_int8 = int8_of(node.output.type) if isinstance(node.op, Quantize) else None
    return as_int8.quant if as_int8 is not None else None
