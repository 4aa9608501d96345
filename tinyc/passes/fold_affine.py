"""Fold products and sums with constants of each channel into the layer that they follow.

What is left of a batch normalization, y = x * s + t, goes into the multiplier and bias of a
binary convolution, or into the weights and bias of another layer; where there is none it
becomes, where channels differ, a 1x1 depthwise convolution, whose int8 form has a scale for each
channel. Not exact in float32's last bits: done before a network is calibrated, or as one of ONNX is
read, not to one whose numbers are fixed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, DType, Graph, Node, TensorType, Value, applies
from ..ops._conv import NO_PADDING
from ..ops._mixins import Weighted
from ..ops.add import Add, Sub
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.lce_bconv2d import LceBconv2d
from ..ops.mul import Mul
from ..ops.relu import Relu
from ..ops.reshape import Reshape


def fold_affine(graph: Graph, leave: Collection[Node] = (), layers: bool = False) -> Graph:
    """Every MUL, ADD and SUB of a float32 value and a constant of one number a channel, but those
    that ``leave`` holds. layers: only where there is a layer that takes it up; without, those
    that are the same for all channels are left all the same: they need no convolution."""
    uses, outputs = graph.uses(), frozenset(graph.results)
    done: dict[Value, Node] = {}  # what computes a value now
    order: dict[Value, None] = {}  # a set that keeps its order

    def add(node: Node) -> None:
        done.update(dict.fromkeys(node.outputs, node))
        order[node.outputs[0]] = None

    for node in graph.nodes:
        affine = _Affine.of(node) if node not in leave else None
        x = affine.x if affine else node.inputs[0] if node.inputs else None
        before = done.get(x) if x is not None else None
        alone = x is not None and uses.get(x) == [node] and x not in outputs
        if affine is not None:
            way = _way(affine.x, done, uses, outputs)
            merged = affine.merged(way[-1]) if way else None
            if merged is not None:
                for old in way:
                    del done[old.output], order[old.output]
                add(merged if len(way) == 1 else replace(merged, outputs=way[-1].outputs))
                for view in way[-2::-1]:
                    add(view if view is not way[0] else replace(view, outputs=node.outputs))
            else:
                for new in [node] if layers or affine.uniform else affine.nodes():
                    add(new)
        elif (
            applies(node, Relu) and applies(before, LceBconv2d) and alone and _clamps(node, before)
        ):
            assert x is not None
            del order[done.pop(x).outputs[0]]
            op = replace(before.op, inner_activation=node.op.activation)
            add(Node(op, before.inputs, node.outputs, before.origin))
        else:
            add(node)
    return replace(graph, nodes=tuple(done[v] for v in order))


def _way(
    x: Value,
    done: Mapping[Value, Node],
    uses: Mapping[Value, list[Node]],
    outputs: Collection[Value],
) -> list[Node]:
    """The views of what keeps its channels, from ``x`` up, and the node before them; empty where
    more than one node reads something there."""
    way: list[Node] = []
    # What was made here is read once.
    while (node := done.get(x)) and len(uses.get(x, [node])) == 1 and x not in outputs:
        way.append(node)
        if not applies(node, Reshape) or node.inputs[0].type.shape[-1:] != x.type.shape[-1:]:
            return way
        (x,) = node.inputs
    return []


def _clamps(node: Node[Relu], before: Node[LceBconv2d]) -> bool:
    """Whether a RELU clamps sums of a binary convolution that are scaled by a positive number
    and nothing else: then the sums themselves can be clamped."""
    if node.output.type.dtype is not DType.F32 or before.op.inner_activation != "none":
        return False
    multiplier, bias = (np.asarray(v.data) for v in before.inputs[2:])
    unit = bool(np.all(multiplier == 1))
    return bool(np.all(bias == 0) and np.all(multiplier > 0)) and (
        node.op.activation == "relu" or unit
    )


@dataclass(frozen=True)
class _Affine:
    """y = activation(x * scale + term), float64 [channels] each."""

    node: Node[Add] | Node[Mul]
    x: Value
    scale: Array
    term: Array

    @classmethod
    def of(cls, node: Node) -> _Affine | None:
        if not (applies(node, Add) or applies(node, Mul)) or len(node.variable_inputs) != 1:
            return None
        (x,) = node.variable_inputs
        constants = [v for v in node.inputs if v.constant]
        if x.type.dtype is not DType.F32 or len(constants) != 1 or not x.type.shape:
            return None
        data, channels = constants[0].data, x.type.shape[-1]
        assert data is not None
        per_channel = data.size == 1 or (data.size == channels and data.shape[-1] == channels)
        if not per_channel or node.output.type.shape != x.type.shape:
            return None
        number = np.broadcast_to(data.astype(np.float64).ravel(), channels)
        zero, one = np.zeros(channels), np.ones(channels)
        if applies(node, Mul):
            return cls(node, x, number, zero)
        if not isinstance(node.op, Sub):
            return cls(node, x, one, number)
        first = node.inputs[0] is x
        return cls(node, x, one if first else -one, -number if first else number)

    @property
    def uniform(self) -> bool:
        """Whether it does the same to all channels."""
        return bool(np.ptp(self.scale) == 0 and np.ptp(self.term) == 0)

    @property
    def activation(self) -> str:
        return self.node.op.activation

    def merged(self, before: Node) -> Node | None:
        """``before``, which computes x, computing y instead; None if it cannot."""
        op = before.op
        if isinstance(op, LceBconv2d) and before.output.type.dtype is DType.F32:
            if self.activation != "none":
                return None
            multiplier, bias = (np.asarray(v.data, np.float64) for v in before.inputs[2:])
            constants = (
                self._const("multiplier", multiplier * self.scale),
                self._const("bias", bias * self.scale + self.term),
            )
            return replace(
                before, inputs=(*before.inputs[:2], *constants), outputs=self.node.outputs
            )
        if not isinstance(op, Weighted) or op.activation != "none":
            return None
        weights, bias = (np.asarray(v.data, np.float64) for v in before.inputs[1:])
        shape = [1] * weights.ndim
        shape[op.weight_axis] = -1
        constants = (
            self._const("weights", weights * self.scale.reshape(shape)),
            self._const("bias", bias.ravel() * self.scale + self.term),
        )
        changed = replace(op, activation=self.activation)
        return replace(
            before, op=changed, inputs=(before.inputs[0], *constants), outputs=self.node.outputs
        )

    def nodes(self) -> list[Node]:
        """A 1x1 depthwise convolution, between views where x has no four axes."""
        one = (1, 1)
        op = DepthwiseConv2d(one, one, NO_PADDING, self.activation)
        channels = len(self.scale)
        constants = (
            self._const("weights", self.scale.reshape(1, 1, 1, -1)),
            self._const("bias", self.term),
        )
        shape = self.x.type.shape
        if len(shape) == 4:
            return [Node(op, (self.x, *constants), self.node.outputs, self.node.origin)]
        image = TensorType((1, 1, self.x.type.elements // channels, channels), DType.F32)
        name, origin = self.node.output.name, self.node.origin
        x, y = (Value(f"{name}/{end}", image, origin) for end in ("in", "out"))
        return [
            Node(Reshape(), (self.x,), (x,), origin),
            Node(op, (x, *constants), (y,), origin),
            Node(Reshape(), (y,), self.node.outputs, origin),
        ]

    def _const(self, suffix: str, data: Array) -> Value:
        name = f"{self.node.output.name}/{suffix}"
        return Value(
            name, TensorType(data.shape, DType.F32), self.node.origin, data.astype(np.float32)
        )
