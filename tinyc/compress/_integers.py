"""A float network with integers in the place of its numbers, node by node."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import CompileError
from ..ir import DType, Graph, Node, Quant, State, TensorType, Value
from ..ir.quant import rounded
from ..ops.cast import Cast
from ..ops.dequantize import Dequantize
from ..ops.quantize import Quantize
from ..ops.reinterpret import Reinterpret
from ._kinds import Kinds, as_integer_type, is_float, quant_in, whole
from ._types import quant_of


class Rewrite:
    """The graph of integers, node by node."""

    def __init__(self, source: Graph, kinds: Kinds, types: dict[Value, TensorType]) -> None:
        self.source, self.kinds, self.types = source, kinds, types
        self.nodes: list[Node] = []
        self.reads_whole = any(
            isinstance(n.op, Cast) and n not in kinds.exact and as_integer_type(n)
            for n in source.nodes
        )
        self.known: dict[tuple[Value, TensorType], Value] = {}

    def graph(self) -> Graph:
        inputs = tuple(map(self.own, self.source.inputs))
        for node in self.source.nodes:
            if node in self.kinds.same and node.outputs[0] not in self.kinds.regions:
                continue
            end = node.outputs[0] in self.kinds.regions
            self.nodes.append(self.end(node) if end else self.node(node))
        outputs = tuple(map(self.own, self.source.outputs))
        states = tuple(map(self.state, self.source.states))
        nodes = tuple(self.nodes)
        return replace(self.source, nodes=nodes, inputs=inputs, outputs=outputs, states=states)

    def state(self, state: State) -> State:
        """``state``, which is left as it is entered: both ends get the type of its entry."""
        entry, initial = self.own(state.entry), state.initial
        if is_float(entry) or not is_float(state.entry):
            return State(entry, self.as_float(state.exit), initial)
        quant = quant_in(entry.type)
        return State(entry, self.as_integer(state.exit, quant), rounded(initial, quant))

    def own(self, value: Value) -> Value:
        """What stands for ``value`` where it is defined."""
        if value.data is not None and is_float(value):
            return self.constant(value, None)
        type = value.type
        if not is_float(value):
            type = whole(type) if self.reads_whole else type
        elif value not in self.kinds.wide:
            type = self.types[value]
        if type == value.type:
            return value
        return self.known.setdefault((value, type), replace(value, type=type))

    def constant(self, value: Value, quant: Quant | None) -> Value:
        """A float32 constant as int8, by its own range unless ``quant`` is given."""
        low, high = float(value.array.min()), float(value.array.max())
        quant = quant or quant_of(min(0.0, low), max(0.0, high))
        type = TensorType(value.type.shape, DType.I8, quant)
        if (value, type) not in self.known:
            data = rounded(value.array, quant)
            self.known[value, type] = replace(value, type=type, data=data)
        return self.known[value, type]

    def as_float(self, value: Value) -> Value:
        """``value`` for a node that computes with float32."""
        if not is_float(value):
            return self.own(value)
        own = value if value.constant else self.own(value)
        return own if is_float(own) else self.converted(own, Dequantize(), value.type)

    def as_integer(self, value: Value, quant: Quant | None = None) -> Value:
        """``value`` for a node that computes with integers; float32 becomes int8, of ``quant`` if
        that is given."""
        if not is_float(value):
            return self.own(value)
        if value.constant:
            return self.constant(value, quant)
        own, type = self.own(value), self.types[value]
        if is_float(own):
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

    def end(self, node: Node) -> Node:
        """The last node of a region: what it computes is quantized."""
        if node in self.kinds.same:
            source = self.own(self.kinds.regions[node.output].source)
            return Node(Reinterpret(), (source,), (self.own(node.output),), node.origin)
        inputs = tuple(map(self.as_float, node.inputs))
        real = replace(node.output, name=f"{node.output.name}/f32")
        self.nodes.append(replace(node, inputs=inputs, outputs=(real,)))
        return Node(Quantize(), (real,), (self.own(node.output),), node.origin)

    def node(self, node: Node) -> Node:
        """``node`` on integers. Raises CompileError E308 where its rule does not allow that."""
        op, made = node.op, tuple(map(self.own, node.outputs))
        narrow = is_float(node.outputs[0]) and not is_float(made[0])
        if narrow and not op.calibrates:
            raise CompileError(
                "E308", node.origin, "cannot be calibrated here",
                "convert the model with full integer quantization (a representative_dataset): its "
                "int8 form is supported; or keep float32",
            )  # fmt: skip
        reads = [v for v in node.variable_inputs if is_float(v)]
        if node in self.kinds.exact or (not narrow and self.kinds.wide.issuperset(reads)):
            inputs = tuple(map(self.as_float, node.inputs))
        elif as_integer_type(node) is not None:
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
            op = op.narrowed(quant_in(made[0].type))
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
    data = np.moveaxis(weights.array.astype(np.float64), axis, -1)
    magnitude = np.abs(data).reshape(-1, data.shape[-1]).max(0)
    # a bias that dwarfs its channel's weights must still fit 30 bits
    floor = np.abs(bias.array.ravel()) * 127 / (x.type.scale * (1 << 30))
    scales = np.maximum(np.maximum(magnitude, floor) / 127, 2.0**-100).astype(np.float32)
    whole = np.clip(np.round(data / scales), -127, 127).astype(np.int8)
    quant = Quant(tuple(map(float, scales)), (0,) * len(scales), axis if len(scales) > 1 else 0)
    terms = np.round(bias.array.ravel() / (scales.astype(np.float64) * x.type.scale))
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
