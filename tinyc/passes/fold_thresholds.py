"""Fold what stands between a number and its sign into one comparison.

Batch normalization, scales and activations between a binary convolution and the next one's
sign become an integer threshold for each channel: the chain is evaluated for every value that a
sum of K products can take, at a border of zeros too, and the sign changes at one place. A
channel whose sign falls instead of rising gets its weights inverted. Maximum pooling goes behind
the sign; a channel that then falls takes the minimum. From an int8 number the same becomes a
threshold of LceQuantize. Exact: no bit of any sign changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, DType, Graph, Missed, Node, TensorType, Value, applies
from ..ops._bits import pack, words
from ..ops.lce_bconv2d import LceBconv2d, possible
from ..ops.lce_bmaxpool2d import LceBMaxPool2d
from ..ops.lce_quantize import LceQuantize
from ..ops.max_pool import MaxPool2d
from ._channels import evaluate, maps_channels, step


def fold_thresholds(graph: Graph) -> Graph:
    """Each LceQuantize whose input a chain of channel-wise operators computes. A note tells of one
    behind a binary convolution that is left though nothing else reads the chain."""
    uses, producers = graph.uses(), graph.producers()
    nodes: list[Node] = []
    missed = list(graph.missed)
    for node in graph.nodes:
        folded = None
        if isinstance(node.op, LceQuantize) and len(node.inputs) == 1:
            path = _Path.to(node, producers)
            alone = all(uses[v] == [n] and v not in graph.results for v, n in path.links())
            if path.source is not None:
                folded = path.into_sums() if alone else None
                if alone and folded is None:
                    reason = "a sign changes more than once along the sums in front of it"
                    missed.append(Missed(node.origin, LceQuantize, "thresholds", reason))
            elif path.after and path.start.type.dtype is DType.I8:
                folded = path.into_int8()
        nodes += folded or [node]
    return replace(graph, nodes=tuple(nodes), missed=tuple(dict.fromkeys(missed)))


@dataclass(frozen=True)
class _Path:
    """start -> before -> pool -> after -> sign; ``source`` is the binary convolution that
    computes ``start``, if one does. There is no pool, nor anything before it, without it."""

    sign: Node
    start: Value
    source: Node[LceBconv2d] | None
    before: tuple[Node, ...]
    pool: Node[MaxPool2d] | None
    after: tuple[Node, ...]

    @classmethod
    def to(cls, sign: Node, producers: dict[Value, Node]) -> _Path:
        def chain(value: Value) -> tuple[tuple[Node, ...], Value, Node | None]:
            found: list[Node] = []
            while (node := producers.get(value)) is not None and maps_channels(node):
                found.insert(0, node)
                value = node.variable_inputs[0]
            return tuple(found), value, node

        def sums(node: Node | None) -> Node[LceBconv2d] | None:
            if not applies(node, LceBconv2d) or node.output.type.dtype is DType.I32:
                return None
            return node

        after, start, source = chain(sign.inputs[0])
        if applies(source, MaxPool2d):
            before, below, beneath = chain(source.inputs[0])
            if (conv := sums(beneath)) is not None and source.op.activation == "none":
                return cls(sign, below, conv, before, source, after)
        return cls(sign, start, sums(source), (), None, after)

    def links(self) -> Iterator[tuple[Value, Node]]:
        """Each value on the way and the node of the path that reads it."""
        value = self.start
        for node in (*self.before, *([self.pool] if self.pool else []), *self.after, self.sign):
            yield value, node
            value = node.output

    def negative(self, numbers: Array) -> Array:
        """The signs that ``after`` makes of [n, channels]."""
        numbers = evaluate(self.after, numbers)
        return np.asarray(numbers < numbers.dtype.type(self.sign.inputs[0].type.zero_point))

    def into_int8(self) -> list[Node] | None:
        """The sign with a threshold for each channel of ``start``, which is int8."""
        channels = self.start.type.shape[-1]
        every = np.arange(-128, 128)
        negative = self.negative(np.repeat(every.astype(np.int8)[:, None], channels, 1))
        lead = step(negative)
        if lead is None:
            return None
        # (x < -128 + lead) ^ flip, where the first of the leading bits is not inverted
        thresholds, flips = lead - 128, pack(~negative[0])
        constants = (
            self._const("thresholds", thresholds.astype(np.int32)),
            self._const("flips", flips),
        )
        return [replace(self.sign, inputs=(self.start, *constants))]

    def into_sums(self) -> list[Node] | None:
        """The binary convolution, and the pooling, with a packed output; None where the sign
        changes more than once."""
        conv = self.source
        assert conv is not None
        bare = replace(conv.op, inner_activation="none")
        sums, twice_depth = possible(replace(conv, op=bare)), 2 * conv.op.depth(conv)
        outs = len(conv.op.transform(conv)[0])
        y = conv.op.finish(conv, np.broadcast_to(sums[:, None], (len(sums), outs)))
        y = evaluate(self.before, y)
        negative = self.negative(y)
        lead = step(negative)
        if lead is None:
            return None
        # Negative from the place on where the sum passes; a channel that is negative up to it
        # counts the other products instead.
        constant = lead == len(sums)
        falls = negative[0] & ~constant
        last, beyond = sums[lead - 1], sums[np.minimum(lead, len(sums) - 1)]
        threshold = np.where(falls, twice_depth - beyond, last)
        threshold = np.where(constant, np.where(negative[0], -1, twice_depth), threshold)
        weights = conv.inputs[1]
        if falls.any():
            weights = self._const("weights", conv.op.inverted(conv, falls))
        operands = (
            conv.inputs[0],
            weights,
            self._const("threshold", threshold.astype(np.int32)),
        )
        if self.pool is None:
            return [replace(conv, op=bare, inputs=operands, outputs=self.sign.outputs)]
        minimum = _falls_with(y, negative)
        if minimum is None:
            return None
        shape = (*conv.output.type.shape[:3], words(outs))
        bits = Value(f"{self.sign.output.name}/bits", TensorType(shape, DType.I32), conv.origin)
        pooled: tuple[Value, ...] = (bits,)
        if minimum.any():
            pooled += (self._const("minimum", pack(minimum)),)
        op = LceBMaxPool2d(self.pool.op.stride, self.pool.op.padding, self.pool.op.kernel)
        return [
            replace(conv, op=bare, inputs=operands, outputs=(bits,)),
            Node(op, pooled, self.sign.outputs, self.pool.origin),
        ]

    def _const(self, suffix: str, data: Array) -> Value:
        name = f"{self.sign.output.name}/{suffix}"
        return Value(name, TensorType(data.shape, DType.I32), self.sign.origin, data)


def _falls_with(y: Array, negative: Array) -> Array | None:
    """For what is pooled, y [n, channels], and its signs: the channels of which the greatest
    number is negative and the least is not; None if a sign neither rises nor falls with y."""
    order = np.argsort(y, axis=0, kind="stable")
    y, negative = (np.take_along_axis(a, order, 0) for a in (y, negative))
    differs = negative[1:] != negative[:-1]
    if step(negative) is None or np.any(differs & (y[1:] == y[:-1])):
        return None
    return np.asarray(negative[-1] & ~negative[0])
