"""Fuse SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND into the dilated convolution that
they stand for.

The convolution, of stride 1 and without padding, runs on every n-th row and column by itself,
which are those that one dilated by n reads.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, applies
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.space_to_batch import BatchToSpace, SpaceToBatch


def fuse_dilation(graph: Graph) -> Graph:
    """Exact: each output is the same sum, of the same products in the same order. Only where
    the three read nothing but each other."""
    uses, producers = graph.uses(), graph.producers()
    results = set(graph.results)
    changed: dict[Node, Node] = {}
    dropped: set[Node] = set()
    for after in graph.nodes:
        if not applies(after, BatchToSpace):
            continue
        conv = producers.get(after.inputs[0])
        before = producers.get(conv.inputs[0]) if conv is not None and conv.inputs else None
        if (
            conv is not None
            and applies(before, SpaceToBatch)
            and uses[before.output] == [conv]
            and uses[conv.output] == [after]
            and not results & {before.output, conv.output}
            and (dilated := _dilated(before, conv, after)) is not None
        ):
            changed[after] = dilated
            dropped |= {before, conv}
    nodes = tuple(changed.get(n, n) for n in graph.nodes if n not in dropped)
    return replace(graph, nodes=nodes)


def _dilated(before: Node[SpaceToBatch], conv: Node, after: Node[BatchToSpace]) -> Node | None:
    op, x = conv.op, before.inputs[0]
    if not isinstance(op, (Conv2d, DepthwiseConv2d)) or len(x.type.shape) != 4:
        return None
    # Blocks of one axis alone are those of the rows.
    height, width = (*before.op.block, 1)[:2]
    block = (height, width)
    paddings = (*before.op.paddings, (0, 0))[:2]
    crops = (*after.op.crops, (0, 0))[:2]
    if (
        (*after.op.block, 1)[:2] != block
        or op.stride != (1, 1)
        or op.dilation != (1, 1)
        or any(map(any, op.padding))
    ):
        return None
    # What is cropped at the start, less of the padding was there to begin with; what is cropped
    # at the end follows from the output's size.
    kernel = conv.inputs[1].type.shape[1:3]
    padding = []
    for size, out, k, d, (first, _), (cut, _) in zip(
        x.type.shape[1:3], after.output.type.shape[1:3], kernel, block, paddings, crops, strict=True
    ):
        start = first - cut
        end = out + (k - 1) * d - size - start
        if start < 0 or end < 0:
            return None
        padding.append((start, end))
    dilated = replace(op, dilation=block, padding=(padding[0], padding[1]))
    return replace(conv, op=dilated, inputs=(x, *conv.inputs[1:]), outputs=after.outputs)
