"""Give a float network int8 numbers, by the ranges that sample data reach.

The result is a graph of its own, close to the float one but not equal to it, and it is what a
firmware is then compared with. Scales and zero points are those that TensorFlow Lite's
converter would choose: weights symmetric for each output channel, everything else per tensor
over the range seen, which is stretched to hold 0. How an operator's int8 form is quantized, the
operator tells (`tinyc.ops.base.Op`).

Numbers that count or point stay what they are: integers, and float32 that a CAST turns into
integers or has made of them, until something computes with it; so does float32 that is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import CompileError
from ..ir import Array, DType, Graph, Node, Quant, State, TensorType, Value, interpret, kept, verify
from ..ir.quant import rounded
from ..ops._move import Lookup, Movement
from ..ops.add import Add
from ..ops.cast import Cast
from ..ops.comparison import Comparison
from ..ops.dequantize import Dequantize
from ..ops.gather import GatherComputed
from ..ops.hard_swish import HardSwish
from ..ops.max_pool import MaxPool2d
from ..ops.maximum_minimum import Maximum
from ..ops.mul import Mul
from ..ops.quantize import INTEGERS, Quantize
from ..ops.reduce import ReduceMax
from ..ops.relu import Relu

_WHOLE = Quant((1.0,), (0,))
"""The quantization of an integer that stands for itself."""

_PICKING = (Movement, Lookup, MaxPool2d, Maximum, ReduceMax, Relu)
"""Operators of whose output each number is one of the inputs', or a bound."""

_NEAR = 0.75
"""Of the range of several tensors side by side (CONCATENATION, PACK), the part that one must have
to take their quantization although others read it too; with less it would lose too much."""

_LARGEST = 2.0**100
"""What is beyond has overflowed, or will."""

Ranges = dict[Value, tuple[float, float]]
"""(least, greatest) number of each float32 value over the samples, 0 among them."""


def calibrate(graph: Graph, samples: Iterable[Sequence[Array]]) -> Graph:
    """``graph`` with int8 in the place of float32, its inputs and outputs included, but for
    those that hold indices (see `exact_nodes`).

    samples: inputs of the graph as `tinyc.ir.interpret` takes them, at least one; where the graph
    keeps states, they are one sequence. Raises CompileError E308 for an operator that has no
    int8 form.
    """
    ranges = _ranges(graph, samples)
    _narrow_ranges(graph, ranges)
    graph = _absorb_relu(graph, ranges)
    kinds = _Kinds.of(graph)
    types = _types(graph, kinds, ranges)
    return verify(_Rewrite(graph, kinds, types).graph())


def float_nodes(graph: Graph) -> list[Node]:
    """The nodes that compute with float32."""
    return [
        n
        for n in graph.nodes
        if any(v.type.dtype is DType.F32 for v in (*n.variable_inputs, *n.outputs))
    ]


def exact_nodes(graph: Graph) -> set[Node]:
    """The nodes that make integers or bool of float32: each such CAST, each comparison, and what
    moves, scales or clamps numbers for nothing else. int8 has too few numbers for them."""
    uses, outputs = graph.uses(), set(graph.results)
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, (Cast, Comparison)) and not _is_float(node.output):
            if _is_float(node.inputs[0]):
                found.add(node)
            continue
        readers = [n for v in node.outputs for n in uses.get(v, ())]
        if (
            (node.op.keeps_quant or isinstance(node.op, (Add, Mul, Relu, Cast)))
            and readers
            and all(map(_is_float, node.outputs))
            and found.issuperset(readers)
            and outputs.isdisjoint(node.outputs)
        ):
            found.add(node)
    return found


def quant_of(low: float, high: float) -> Quant:
    """Scale and zero point of int8 for numbers in [low, high], low <= 0 <= high."""
    if high == low:
        return Quant((1.0,), (0,))
    scale = float(np.float32(max((high - low) / 255, 2.0**-40)))
    return Quant((scale,), (int(np.clip(round(-128 - low / scale), -128, 127)),))


def _is_float(value: Value) -> bool:
    return value.type.dtype is DType.F32


def _ranges(graph: Graph, samples: Iterable[Sequence[Array]]) -> Ranges:
    ranges: Ranges = {}

    def see(value: Value, array: Array) -> None:
        low, high = float(array.min()), float(array.max())  # NaN if any number is
        worst = low if -low > high else high
        if not abs(worst) <= _LARGEST:
            raise CompileError(
                "E308", value.origin, f"'{value.name}' becomes {worst:.3g} on the samples",
                "check the calibration data: are they scaled as in training?",
            )  # fmt: skip
        least, most = ranges.get(value, (0.0, 0.0))
        ranges[value] = min(least, low), max(most, high)

    states = None
    for arrays in samples:
        values = interpret(graph, arrays, states)
        states = kept(graph, values)
        for value, array in values.items():
            if _is_float(value):
                see(value, array)
    for node in graph.nodes:
        table = node.inputs[0] if isinstance(node.op, GatherComputed) else None
        if table is not None and table.data is not None and _is_float(table):
            see(table, table.data)  # other data pick other rows
    return ranges


@dataclass(frozen=True)
class _Kinds:
    """Which nodes compute with float32 still: exact, see `exact_nodes`; wide: the values that
    stay float32; fixed: what else the node that computes a value makes its type."""

    exact: set[Node]
    wide: set[Value]
    fixed: dict[Value, TensorType]

    @classmethod
    def of(cls, graph: Graph) -> _Kinds:
        exact = exact_nodes(graph)
        wide = {v for v in graph.sources if _is_float(v)}
        wide &= {v for n in exact for v in n.inputs}
        wide |= {v for n in exact for v in n.outputs if _is_float(v)}
        fixed: dict[Value, TensorType] = {}
        uses = graph.uses()
        for node in graph.nodes:
            made = [v for v in node.outputs if _is_float(v)]
            if not made or node in exact:
                continue
            reads = [v for v in node.variable_inputs if _is_float(v)]
            integer = _as_integer(node)
            moves = isinstance(node.op, (Movement, Lookup)) or node.op.view
            whole = isinstance(node.op, Cast) and integer is None
            if wide.issuperset(reads) and (whole or (moves and reads)):
                wide.update(made)
            elif integer is not None:
                # What is an output and nothing else can be what is dequantized.
                if made[0] not in uses and not any(made[0] is s.exit for s in graph.states):
                    fixed[made[0]] = integer
                elif (as_int8 := _int8(integer)) is not None:
                    fixed[made[0]] = as_int8
            elif node.op.fixed_quant is not None:
                for v in made:
                    fixed[v] = TensorType(v.type.shape, DType.I8, node.op.fixed_quant)
        for state in graph.states:
            if state.exit in fixed and state.entry not in wide:
                fixed[state.entry] = fixed[state.exit]
        return cls(exact, wide, fixed)

    def keeps(self, node: Node) -> bool:
        """Whether ``node`` has an int8 form with one quantization for all."""
        made = node.outputs[0]
        return (
            node.op.keeps_quant
            and _is_float(made)
            and node not in self.exact
            and made not in self.wide
            and made not in self.fixed
        )


def _as_integer(node: Node) -> TensorType | None:
    """The quantized integers, of 8 or 16 bits, that a DEQUANTIZE or a CAST makes float32."""
    if not isinstance(node.op, (Dequantize, Cast)) or not _is_float(node.output):
        return None
    x = _whole(node.inputs[0].type)
    known = x.dtype in INTEGERS and (isinstance(node.op, Dequantize) or x.quant == _WHOLE)
    return x if known else None


def _whole(type: TensorType) -> TensorType:
    """``type``; integers without a quantization get the one by which they stand for themselves,
    so that QUANTIZE can read them."""
    if type.dtype in INTEGERS and type.quant is None:
        return replace(type, quant=_WHOLE)
    return type


def _int8(type: TensorType) -> TensorType | None:
    """The int8 type of exactly the numbers of an 8-bit one."""
    if type.dtype is DType.I8:
        return type
    if type.dtype is DType.U8 and type.quant is not None:
        return TensorType(type.shape, DType.I8, Quant((type.scale,), (type.zero_point - 128,)))
    return None


def _narrow_ranges(graph: Graph, ranges: Ranges) -> None:
    """Where a node picks or clamps numbers that it alone reads, let them reach no farther than its
    output: what is beyond may saturate before it as well as in it. What HARD_SWISH reads starts
    at -3, from where on downwards its output is 0."""
    uses, ends = graph.uses(), {*graph.sources, *graph.results}
    for node in reversed(graph.nodes):
        made = [ranges[v] for v in node.outputs if v in ranges]
        if isinstance(node.op, HardSwish):
            least, most = -3.0, np.inf
        elif made and (isinstance(node.op, _PICKING) or node.op.view):
            least, most = min(low for low, _ in made), max(high for _, high in made)
        else:
            continue
        for x in node.variable_inputs:
            if x in ranges and x not in ends and set(uses[x]) == {node}:
                low, high = ranges[x]
                ranges[x] = max(low, least), min(high, most)


def _absorb_relu(graph: Graph, ranges: Ranges) -> Graph:
    """Drop each RELU and RELU6 behind a value that only it reads and whose range is that of its
    output: it starts at 0, where whatever computes the value then saturates."""
    uses, producers, kinds = graph.uses(), graph.producers(), _Kinds.of(graph)
    outputs = set(graph.results)
    mapping: dict[Value, Value] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Relu) or node.op.activation == "relu_n1_to_1":
            continue
        x = node.inputs[0]
        before = producers.get(x)
        if (
            before is not None
            and x in ranges
            and node not in kinds.exact
            and not isinstance(before.op, Relu)
            and not before.op.keeps_quant
            and x not in kinds.fixed
            and x not in kinds.wide
            and uses[x] == [node]
            and outputs.isdisjoint((x, node.output))
        ):
            mapping[node.output] = x
    return graph.substitute(mapping, [n for n in graph.nodes if mapping.keys() & set(n.outputs)])


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


def _types(graph: Graph, kinds: _Kinds, ranges: Ranges) -> dict[Value, TensorType]:
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
                group.fixed.add(_quant(kinds.fixed[value]))
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
        if _is_float(value) and len(read) == 1 and value not in {*kinds.wide, *outputs}:
            types[value] = read.pop() or types[value]
    return types


def _wanted(node: Node) -> Quant | None:
    """The int8 quantization that a QUANTIZE gives to what it reads."""
    as_int8 = _int8(node.output.type) if isinstance(node.op, Quantize) else None
    return as_int8.quant if as_int8 is not None else None


def _quant(type: TensorType) -> Quant:
    assert type.quant is not None
    return type.quant


class _Rewrite:
    """The graph of integers, node by node."""

    def __init__(self, source: Graph, kinds: _Kinds, types: dict[Value, TensorType]) -> None:
        self.source, self.kinds, self.types = source, kinds, types
        self.nodes: list[Node] = []
        self.reads_whole = any(
            isinstance(n.op, Cast) and n not in kinds.exact and _as_integer(n) for n in source.nodes
        )
        self.known: dict[tuple[Value, TensorType], Value] = {}

    def graph(self) -> Graph:
        inputs = tuple(map(self.own, self.source.inputs))
        for node in self.source.nodes:
            self.nodes.append(self.node(node))
        outputs = tuple(map(self.own, self.source.outputs))
        states = tuple(map(self.state, self.source.states))
        nodes = tuple(self.nodes)
        return replace(self.source, nodes=nodes, inputs=inputs, outputs=outputs, states=states)

    def state(self, state: State) -> State:
        """``state``, which is left as it is entered: both ends get the type of its entry."""
        entry, initial = self.own(state.entry), state.initial
        if _is_float(entry) or not _is_float(state.entry):
            return State(entry, self.as_float(state.exit), initial)
        quant = _quant(entry.type)
        return State(entry, self.as_integer(state.exit, quant), rounded(initial, quant))

    def own(self, value: Value) -> Value:
        """What stands for ``value`` where it is defined."""
        if value.data is not None and _is_float(value):
            return self.constant(value, None)
        type = value.type
        if not _is_float(value):
            type = _whole(type) if self.reads_whole else type
        elif value not in self.kinds.wide:
            type = self.types[value]
        if type == value.type:
            return value
        return self.known.setdefault((value, type), replace(value, type=type))

    def constant(self, value: Value, quant: Quant | None) -> Value:
        """A float32 constant as int8, by its own range unless ``quant`` is given."""
        assert value.data is not None
        low, high = float(value.data.min()), float(value.data.max())
        quant = quant or quant_of(min(0.0, low), max(0.0, high))
        type = TensorType(value.type.shape, DType.I8, quant)
        if (value, type) not in self.known:
            data = rounded(value.data, quant)
            self.known[value, type] = replace(value, type=type, data=data)
        return self.known[value, type]

    def as_float(self, value: Value) -> Value:
        """``value`` for a node that computes with float32."""
        if not _is_float(value):
            return self.own(value)
        own = value if value.constant else self.own(value)
        return own if _is_float(own) else self.converted(own, Dequantize(), value.type)

    def as_integer(self, value: Value, quant: Quant | None = None) -> Value:
        """``value`` for a node that computes with integers; float32 becomes int8, of ``quant`` if
        that is given."""
        if not _is_float(value):
            return self.own(value)
        if value.constant:
            return self.constant(value, quant)
        own, type = self.own(value), self.types[value]
        if _is_float(own):
            own = self.converted(own, Quantize(), type)
        if quant is None or quant == type.quant:
            return own
        return self.converted(own, Quantize(), replace(type, dtype=DType.I8, quant=quant))

    def converted(self, value: Value, op: Dequantize | Quantize, type: TensorType) -> Value:
        if (value, type) not in self.known:
            name = f"{value.name}/{type.dtype.value}"
            self.known[value, type] = Value(name, type, value.origin)
            self.nodes.append(Node(op, (value,), (self.known[value, type],), value.origin))
        return self.known[value, type]

    def node(self, node: Node) -> Node:
        """``node`` on integers. Raises CompileError E308 where its rule does not allow that."""
        op, made = node.op, tuple(map(self.own, node.outputs))
        narrow = _is_float(node.outputs[0]) and not _is_float(made[0])
        if narrow and not op.calibrates:
            raise CompileError(
                "E308", node.origin, "cannot be calibrated here",
                "convert the model with full integer quantization (a representative_dataset): its "
                "int8 form is supported; or keep float32",
            )  # fmt: skip
        reads = [v for v in node.variable_inputs if _is_float(v)]
        if node in self.kinds.exact or (not narrow and self.kinds.wide.issuperset(reads)):
            inputs = tuple(map(self.as_float, node.inputs))
        elif _as_integer(node) is not None:
            op, inputs = Quantize(), (self.own(node.inputs[0]),)
        elif narrow and op.weight_axis is not None:
            x, weights, bias = node.inputs
            x = self.as_integer(x)
            inputs = (x, *_weights(x, weights, bias, op.weight_axis))
        elif op.float_constants:
            inputs = tuple(v if v.constant else self.as_integer(v) for v in node.inputs)
        else:
            quant = made[0].type.quant if self.kinds.keeps(node) else None
            inputs = tuple(self.as_integer(v, quant) for v in node.inputs)
        if narrow:
            op = op.narrowed(_quant(made[0].type))
        changed = replace(node, op=op, inputs=inputs, outputs=made)
        try:
            op.check(changed)
        except CompileError as error:
            raise CompileError(
                "E308", node.origin, f"has no int8 form: {error.what}",
                "use another layer, or keep float32 (without --calibrate, with --float-glue)",
            ) from None  # fmt: skip
        return changed


def _weights(x: Value, weights: Value, bias: Value, axis: int) -> tuple[Value, Value]:
    """int8 weights, symmetric for each output channel, and the int32 bias that goes with them
    and with the scale of ``x``."""
    assert weights.data is not None and bias.data is not None
    data = np.moveaxis(weights.data.astype(np.float64), axis, -1)
    magnitude = np.abs(data).reshape(-1, data.shape[-1]).max(0)
    # a bias that dwarfs its channel's weights must still fit 30 bits
    floor = np.abs(bias.data.ravel()) * 127 / (x.type.scale * (1 << 30))
    scales = np.maximum(np.maximum(magnitude, floor) / 127, 2.0**-100).astype(np.float32)
    whole = np.clip(np.round(data / scales), -127, 127).astype(np.int8)
    quant = Quant(tuple(map(float, scales)), (0,) * len(scales), axis if len(scales) > 1 else 0)
    terms = np.round(bias.data.ravel() / (scales.astype(np.float64) * x.type.scale))
    shape = weights.type.shape
    return (
        replace(
            weights,
            type=TensorType(shape, DType.I8, quant),
            data=np.ascontiguousarray(np.moveaxis(whole, -1, axis)),
        ),
        replace(
            bias,
            type=TensorType(bias.type.shape, DType.I32),
            data=terms.astype(np.int32).reshape(bias.type.shape),
        ),
    )
