"""Fold elementwise nodes between bytes into one table.

The TFLite converter computes in float32 what has no int8 kernel (DEQUANTIZE, ELU, QUANTIZE), and an
activation by several operators (LOGISTIC, MUL). What is a function of one byte has 256 inputs: the
table holds what the nodes' own references make of each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Graph, Node, TensorType, Value
from ..ops._unary import BYTES
from ..ops.byte_table import ByteTable
from ..ops.dequantize import Dequantize
from ..ops.reinterpret import Reinterpret
from ._pointwise import Region, Regions


def fold_tables(graph: Graph) -> Graph:
    """Exact. Each region as large as it can be, of two nodes or more, where nothing else reads what
    is between them, but for what is dequantized. One that changes no byte is none."""
    regions = Regions(graph, lambda node: isinstance(node.op, Dequantize))
    changed: dict[Node, Node] = {}
    dropped: set[Node] = set()
    for last in reversed(graph.nodes):
        if last in dropped or last.outputs[0].type.dtype not in BYTES:
            continue
        region = regions.largest(last, lambda x: x.type.dtype in BYTES)
        folded = None if region is None else _folded(region)
        if region is not None and folded is not None:
            changed[last] = folded
            dropped.update(region.nodes[:-1])
    nodes = [changed.get(n, n) for n in graph.nodes]
    read = {v for n in nodes if n not in dropped for v in n.inputs}.union(graph.results)
    kept = (n for n in nodes if n not in dropped or not read.isdisjoint(n.outputs))
    return replace(graph, nodes=tuple(kept))


def _folded(region: Region) -> Node | None:
    source, last = region.source, region.output
    every = np.arange(256, dtype=np.uint8).view(source.type.dtype.numpy)
    data = region.evaluate(every)
    quantized = source.type.quant is not None and last.type.quant is not None
    if quantized and source.type.dtype is last.type.dtype and np.array_equal(data, every):
        return replace(region.nodes[-1], op=Reinterpret(), inputs=(source,))
    if len(region.nodes) == 1:
        return None
    kind = TensorType((256,), last.type.dtype, last.type.quant)
    entries = Value(f"{last.name}/table", kind, last.origin, data)
    names = tuple(type(node.op).__name__ for node in region.nodes)
    return replace(region.nodes[-1], op=ByteTable(names), inputs=(source, entries))
