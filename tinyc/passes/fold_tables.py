"""Fold a chain of elementwise nodes between bytes into one table.

The TFLite converter computes in float32 what has no int8 kernel (DEQUANTIZE, ELU, QUANTIZE). Such
a chain has 256 inputs: the table holds what the nodes' own references make of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..ir import Graph, Node, TensorType, Value
from ..ops._unary import BYTES
from ..ops.byte_table import ByteTable


def fold_tables(graph: Graph) -> Graph:
    """Exact. Each chain as long as it can be, of two nodes or more, where nothing else reads what
    is between them."""
    uses, producers, results = graph.uses(), graph.producers(), frozenset(graph.results)
    changed: dict[Node, Node] = {}
    dropped: set[Node] = set()
    for last in reversed(graph.nodes):
        if last in dropped or not _foldable(last) or last.output.type.dtype not in BYTES:
            continue
        chain: list[Node] = []
        node: Node | None = last
        while node is not None and _foldable(node):
            chain.insert(0, node)
            (x,) = node.variable_inputs
            alone = x not in results and len(uses[x]) == 1
            node = producers.get(x) if alone else None
        while chain and chain[0].variable_inputs[0].type.dtype not in BYTES:
            chain.pop(0)
        if len(chain) > 1:
            changed[last] = _as_table(chain)
            dropped.update(chain[:-1])
    nodes = tuple(changed.get(n, n) for n in graph.nodes if n not in dropped)
    return replace(graph, nodes=nodes)


def _foldable(node: Node) -> bool:
    """Whether one input varies and each output element is a function of its element there."""
    if not node.op.elementwise or len(node.outputs) != 1:
        return False
    varying = node.variable_inputs
    return (
        len(varying) == 1
        and varying[0].type.elements == node.output.type.elements
        and all(v.type.elements == 1 for v in node.inputs if v.constant)
    )


def _as_table(chain: Sequence[Node]) -> Node:
    first, last = chain[0].variable_inputs[0], chain[-1].output
    data = np.arange(256, dtype=np.uint8).view(first.type.dtype.numpy)
    for node in chain:
        inputs = tuple(_flat(v) for v in node.inputs)
        flat = replace(node, inputs=inputs, outputs=(_flat(node.output),))
        with np.errstate(all="ignore"):
            (data,) = node.op.evaluate(flat, *(data if v.data is None else v.data for v in inputs))
    kind = TensorType((256,), last.type.dtype, last.type.quant)
    entries = Value(f"{last.name}/table", kind, last.origin, data)
    names = tuple(type(node.op).__name__ for node in chain)
    return replace(chain[-1], op=ByteTable(names), inputs=(first, entries))


def _flat(value: Value) -> Value:
    """``value`` for all bytes at once; a constant of one element as a scalar."""
    if value.data is None:
        return replace(value, type=replace(value.type, shape=(256,)))
    return replace(value, type=replace(value.type, shape=()), data=value.data.reshape(()))
