"""Import Transpose, Concat, Split, Slice, Pad, Gather, GatherND, Tile, Expand, Identity."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ....ir import DType, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.concat import Concat
from ....ops.gather import Gather, GatherComputed
from ....ops.gather_nd import GatherNd
from ....ops.mirror_pad import MirrorPad
from ....ops.pad import Pad
from ....ops.reshape import Reshape
from ....ops.slice import Slice
from ....ops.split import Split
from ....ops.transpose import Transpose
from ..rule import OnnxOp, rule


@rule(Reshape, "Identity", "Dropout")
def identity(src: OnnxOp) -> Value:
    """Nothing: the value itself. Of a dropout nothing is dropped when the network is used."""
    if src.name == "Dropout" and src.outputs > 1:
        raise src.fail("its mask is read", "export the model for inference")
    if src.present(2) and src.constant(2).any():
        raise src.fail("it is in training mode", "export the model for inference")
    return src.value(0)


@rule(Transpose, "Transpose")
def transpose(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    rank = len(x.type.shape)
    axes = src.integers("perm", tuple(range(rank)[::-1]))
    if sorted(axes) != list(range(rank)):
        raise src.fail(f"{list(axes)} is no order of {rank} axes", CONVERT_AGAIN, "E301")
    return src.transposed(x, axes)


@rule(Concat, "Concat")
def concat(src: OnnxOp) -> Value:
    values = src.values(1, len(src.operands))
    axis = src.axis(src.integer("axis"), len(values[0].type.shape))
    kept = [v for v in values if v.type.shape[axis]]
    total = sum(v.type.shape[axis] for v in kept)
    shape = kept[0].type.shape
    return src.emit(Concat(axis), kept, (*shape[:axis], total, *shape[axis + 1 :]))


@rule(Split, "Split")
def split(src: OnnxOp) -> Sequence[Value]:
    x = src.value(0)
    axis, count = src.axis(src.integer("axis", 0), len(x.type.shape)), len(src.proto.output)
    extent = x.type.shape[axis]
    if src.present(1):
        sizes = src.constant_integers(1)
    else:
        size = -(-extent // count)
        sizes = (*(size,) * (count - 1), extent - size * (count - 1))
    if sum(sizes) != extent or min(sizes) < 1 or len(sizes) != count:
        raise src.fail(f"splits {extent} into {list(sizes)}", CONVERT_AGAIN, "E301")
    shapes = [(*x.type.shape[:axis], size, *x.type.shape[axis + 1 :]) for size in sizes]
    return src.emit_all(Split(axis, sizes), [x], [(shape, x.type.dtype) for shape in shapes])


@rule(Slice, "Slice")
def slice_(src: OnnxOp) -> Value:
    """The bounds are those of a slice of Python."""
    x = src.value(0)
    shape, rank = x.type.shape, len(x.type.shape)
    starts, ends = src.constant_integers(1), src.constant_integers(2)
    axes = src.constant_integers(3) if src.present(3) else tuple(range(len(starts)))
    steps = src.constant_integers(4) if src.present(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise src.fail("its bounds do not fit", CONVERT_AGAIN, "E301")
    spans = [range(size) for size in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = src.axis(axis, rank)
        # What counts from the end does so once: an end before the first element is that.
        stop = None if step < 0 and end + (shape[at] if end < 0 else 0) < 0 else end
        spans[at] = range(shape[at])[start:stop:step]
    sizes = tuple(map(len, spans))
    if 0 in sizes:
        raise src.fail("takes nothing", "take the slice out")
    return src.emit(
        Slice(tuple(s.start for s in spans), tuple(s.step for s in spans), sizes), [x], sizes
    )


@rule(Pad, "Pad")
def pad(src: OnnxOp) -> Value:
    """Negative pads cut."""
    x, given = src.value(0), src.constant_integers(1)
    rank = len(x.type.shape)
    axes = list(range(rank))
    if src.present(3):
        axes = [src.axis(a, rank) for a in src.constant_integers(3)]
    if len(given) != 2 * len(axes):
        raise src.fail(f"its pads are {list(given)}", CONVERT_AGAIN, "E301")
    pads = [(0, 0)] * rank
    for axis, before, after in zip(axes, given, given[len(axes) :], strict=False):
        pads[axis] = (before, after)
    mode = src.text("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        raise src.fail(f"its mode is {mode!r}", "pad with a constant, or by mirroring")
    begin = tuple(max(0, -before) for before, _ in pads)
    sizes = tuple(
        d + min(0, before) + min(0, after)
        for d, (before, after) in zip(x.type.shape, pads, strict=True)
    )
    if min(sizes, default=1) < 1:
        raise src.fail("cuts all of its input", CONVERT_AGAIN, "E301")
    if sizes != x.type.shape:
        x = src.emit(Slice(begin, (1,) * rank, sizes), [x], sizes)
    paddings = tuple((max(0, before), max(0, after)) for before, after in pads)
    shape = [d + sum(pair) for d, pair in zip(sizes, paddings, strict=True)]
    if mode == "constant":
        value = src.constant_number(2, 0.0)
        whole = x.type.dtype is not DType.F32
        return src.emit(Pad(paddings, int(value) if whole else value), [x], shape)
    if mode == "reflect":
        return src.emit(MirrorPad(paddings, False), [x], shape)
    for axis, pair in enumerate(paddings):
        at = np.pad(np.arange(sizes[axis]), pair, mode="edge")
        x = taken(src, x, axis, at.tolist())
    return x


def taken(src: OnnxOp, x: Value, axis: int, indices: Sequence[int]) -> Value:
    """The elements ``indices`` of an axis."""
    shape = x.type.shape
    if list(indices) == list(range(shape[axis])):
        return x
    out = (*shape[:axis], len(indices), *shape[axis + 1 :])
    return src.emit(Gather(axis, tuple(indices)), [x], out)


@rule(Gather, "Gather")
def gather(src: OnnxOp) -> Value:
    x, indices = src.value(0), src.value(1)
    shape = x.type.shape
    axis = src.axis(src.integer("axis", 0), len(shape))
    out = (*shape[:axis], *indices.type.shape, *shape[axis + 1 :])
    if indices.data is None:
        return src.emit(GatherComputed(axis), [x, indices], out)
    at = src.constant_integers(1)
    if not all(-shape[axis] <= i < shape[axis] for i in at):
        raise src.fail(f"an index lies outside of {shape[axis]} elements", CONVERT_AGAIN, "E301")
    return src.emit(Gather(axis, tuple(i % shape[axis] for i in at)), [x], out)


@rule(GatherNd, "GatherND")
def gather_nd(src: OnnxOp) -> Value:
    x, indices = src.values(2)
    if src.integer("batch_dims", 0):
        raise src.fail("batch dimensions are not supported", "gather without batch_dims")
    depth = indices.type.shape[-1] if indices.type.shape else 0
    if not 1 <= depth <= len(x.type.shape):
        raise src.fail(f"{indices.type} are no places in {x.type}", CONVERT_AGAIN, "E301")
    if indices.data is not None:  # which may count from the end
        sizes = np.array(x.type.shape[:depth])
        at = np.where(indices.data < 0, indices.data + sizes, indices.data)
        indices = src.const("indices", at.astype(indices.data.dtype))
    return src.emit(GatherNd(), [x, indices], (*indices.type.shape[:-1], *x.type.shape[depth:]))


@rule(Gather, "Tile")
def tile(src: OnnxOp) -> Value:
    x, repeats = src.value(0), src.constant_integers(1)
    if len(repeats) != len(x.type.shape) or min(repeats, default=1) < 1:
        raise src.fail(f"repeats {list(x.type.shape)} by {list(repeats)}", CONVERT_AGAIN, "E301")
    for axis, (size, count) in enumerate(zip(x.type.shape, repeats, strict=True)):
        x = taken(src, x, axis, list(range(size)) * count)
    return x


@rule(Gather, "Expand")
def expand(src: OnnxOp) -> Value:
    x = src.value(0)
    shape = src.broadcast(x.type.shape, src.constant_integers(1))
    return expanded(src, x, shape)


def expanded(src: OnnxOp, x: Value, shape: tuple[int, ...]) -> Value:
    """``x`` broadcast to ``shape``."""
    x = src.reshaped(x, (1,) * (len(shape) - len(x.type.shape)) + x.type.shape)
    for axis, (size, wanted) in enumerate(itertools.zip_longest(x.type.shape, shape)):
        x = taken(src, x, axis, [0] * wanted if size == 1 else range(size))
    return x
