"""Import Reshape, Flatten, Squeeze, Unsqueeze."""

from __future__ import annotations

import math

from ....ir import Value
from ....ops.base import CONVERT_AGAIN
from ....ops.reshape import Reshape
from ..rule import OnnxOp, rule


@rule(Reshape, "Reshape")
def reshape(src: OnnxOp) -> Value:
    x = src.value(0)
    wanted = list(src.constant_integers(1))
    if not src.integer("allowzero", 0):
        kept = x.type.shape
        if any(d == 0 and i >= len(kept) for i, d in enumerate(wanted)):
            raise src.fail(f"keeps axes that {list(kept)} lacks", CONVERT_AGAIN, "E301")
        wanted = [kept[i] if d == 0 else d for i, d in enumerate(wanted)]
    known = math.prod(d for d in wanted if d != -1)
    if wanted.count(-1) == 1 and known > 0:
        wanted[wanted.index(-1)] = x.type.elements // known
    if math.prod(wanted) != x.type.elements or min(wanted, default=1) < 1:
        raise src.fail(
            f"{list(x.type.shape)} cannot be given the shape {wanted}",
            "a batch that stands in its constant shape must be 1", "E301",
        )  # fmt: skip
    return src.reshaped(x, wanted)


@rule(Reshape, "Flatten")
def flatten(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    axis = src.integer("axis", 1)
    axis = src.axis(axis, len(x.type.shape) + (axis >= 0))
    shape = x.type.shape
    return src.reshaped(x, (math.prod(shape[:axis]), math.prod(shape[axis:])))


@rule(Reshape, "Squeeze")
def squeeze(src: OnnxOp) -> Value:
    x, shape = src.value(0), src.value(0).type.shape
    axes = {i for i, d in enumerate(shape) if d == 1}
    if src.present(1):
        axes = {src.axis(a, len(shape)) for a in src.constant_integers(1)}
    if any(shape[a] != 1 for a in axes):
        what = f"squeezes the axes {sorted(axes)} of {list(shape)}"
        raise src.fail(what, CONVERT_AGAIN, "E301")
    return src.reshaped(x, [d for i, d in enumerate(shape) if i not in axes])


@rule(Reshape, "Unsqueeze")
def unsqueeze(src: OnnxOp) -> Value:
    x, given = src.value(0), src.constant_integers(1)
    rank = len(x.type.shape) + len(given)
    axes = {src.axis(a, rank) for a in given}
    if len(axes) != len(given):
        raise src.fail(f"its axes {list(given)} repeat", CONVERT_AGAIN, "E301")
    sizes = iter(x.type.shape)
    return src.reshaped(x, [1 if i in axes else next(sizes) for i in range(rank)])
