"""Import TILE and BROADCAST_TO, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....ir import Node, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.gather import Gather
from ....ops.reshape import Reshape
from ..rule import TfliteOp, rule


@rule(Gather, "TILE")
def tile(src: TfliteOp) -> list[Node]:
    x, counts = src.operands(2)
    repeats, sizes = src.constant_ints(counts), x.type.shape
    if len(repeats) != len(sizes) or min(repeats, default=1) < 1:
        raise src.fail(f"repeats {list(sizes)} by {list(repeats)}", CONVERT_AGAIN, "E301")
    return _taken(src, x, [tuple(range(d)) * n for d, n in zip(sizes, repeats, strict=True)])


@rule(Gather, "BROADCAST_TO")
def broadcast_to(src: TfliteOp) -> list[Node]:
    x, wanted = src.operands(2)
    shape, sizes = src.constant_ints(wanted), x.type.shape
    sizes = (1,) * (len(shape) - len(sizes)) + sizes
    if len(sizes) != len(shape) or any(
        d != n and (d != 1 or n < 1) for d, n in zip(sizes, shape, strict=True)
    ):
        what = f"broadcasts {list(x.type.shape)} to {list(shape)}"
        raise src.fail(what, CONVERT_AGAIN, "E301")
    return _taken(
        src, x, [(0,) * n if d == 1 else tuple(range(d)) for d, n in zip(sizes, shape, strict=True)]
    )


def _taken(src: TfliteOp, x: Value, indices: Sequence[tuple[int, ...]]) -> list[Node]:
    """Those of each axis; `x` may lack the first ones, of one element."""
    shape = (1,) * (len(indices) - len(x.type.shape)) + x.type.shape
    ops: list[tuple[Gather | Reshape, tuple[int, ...]]] = []
    if shape != x.type.shape:
        ops.append((Reshape(), shape))
    for axis, at in enumerate(indices):
        if at != tuple(range(shape[axis])):
            shape = (*shape[:axis], len(at), *shape[axis + 1 :])
            ops.append((Gather(axis, at), shape))
    if not ops:
        ops.append((Reshape(), shape))
    (out,) = src.outputs
    nodes: list[Node] = []
    for i, (op, shape) in enumerate(ops):
        last = i == len(ops) - 1
        y = (
            out
            if last
            else replace(x, name=f"{out.name}/{i}", type=replace(x.type, shape=shape), data=None)
        )
        nodes.append(Node(op, (x,), (y,), src.origin))
        x = y
    return nodes
