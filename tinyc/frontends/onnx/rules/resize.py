"""Import Resize, SpaceToDepth, DepthToSpace."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....ir import Array, Node, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.gather import Gather
from ....ops.resize_bilinear import ResizeBilinear
from ....ops.resize_nearest import ResizeNearest
from ....ops.space_to_depth import DepthToSpace, SpaceToDepth
from ..rule import OnnxOp, family, rule
from .layout import from_image, to_image
from .move import taken

_ROUND: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@rule(ResizeBilinear, "Resize", "Upsample")
def resize(src: OnnxOp) -> Value:
    """``nearest`` in any way picks elements of each axis; ``linear`` is that of height and width
    whose coordinates TFLite knows too."""
    x, rank = src.value(0), len(src.value(0).type.shape)
    sizes, scales = _target(src, x)
    mode = src.text("mode", "nearest")
    how = src.text("coordinate_transformation_mode", "half_pixel")
    if how == "tf_crop_and_resize":
        raise src.fail("crops as it resizes", "slice before it")
    if mode == "nearest":
        return _nearest(src, x, sizes, scales, how)
    if mode != "linear":
        raise src.fail(f"its mode is {mode!r}", "resize by nearest or linear")
    if src.integer("antialias", 0) and min(scales) < 1:
        raise src.fail("it is antialiased", "resize without antialiasing")
    if rank not in (3, 4) or sizes[:2] != x.type.shape[:2]:
        raise src.fail("resizes other axes than height and width", "resize those alone")
    exact = all(
        out == size * scale for out, size, scale in zip(sizes, x.type.shape, scales, strict=True)
    )
    known = {
        "half_pixel": (False, True),
        "pytorch_half_pixel": (False, True),
        "align_corners": (True, False),
        "asymmetric": (False, False),
    }
    one = how == "pytorch_half_pixel" and 1 in sizes[2:]
    if how not in known or (not exact) or one:
        raise src.fail(
            f"its coordinates ({how}, by {list(scales[2:])}) are not supported",
            "resize to a size, by half_pixel, align_corners or asymmetric",
        )
    align, half = known[how]
    target = (sizes[2], sizes[3]) if rank == 4 else (1, sizes[2])
    image = to_image(src, x)
    op = ResizeBilinear(target, align, half)
    shape = (sizes[0], *target, sizes[1])
    return from_image(src, src.emit(op, [image], shape), rank)


def _target(src: OnnxOp, x: Value) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(sizes, scales) of all axes."""
    shape, rank = x.type.shape, len(x.type.shape)
    axes = [src.axis(a, rank) for a in src.integers("axes", tuple(range(rank)))]
    scales, sizes = [1.0] * rank, list(shape)
    place = 1 if src.name == "Upsample" else 2
    if src.present(place) and src.constant(place).size:
        given = src.constant(place).ravel()
        for axis, scale in zip(axes, given, strict=True):
            scales[axis] = float(scale)
            sizes[axis] = math.floor(shape[axis] * float(scale))
    else:
        wanted = list(src.constant_integers(3))
        policy = src.text("keep_aspect_ratio_policy", "stretch")
        ratios = [w / shape[a] for a, w in zip(axes, wanted, strict=True)]
        if policy != "stretch":
            ratio = (min if policy == "not_larger" else max)(ratios)
            ratios = [ratio] * len(ratios)
            wanted = [math.floor(ratio * shape[a] + 0.5) for a in axes]
        for axis, size, ratio in zip(axes, wanted, ratios, strict=True):
            scales[axis], sizes[axis] = ratio, size
    if min(sizes, default=1) < 1:
        raise src.fail(f"resizes to {sizes}", CONVERT_AGAIN, "E301")
    return tuple(sizes), tuple(scales)


def _nearest(
    src: OnnxOp, x: Value, sizes: tuple[int, ...], scales: tuple[float, ...], how: str
) -> Value:
    """TFLite's operator where it picks the same pixels, else a GATHER of each axis."""
    rounding = src.text("nearest_mode", "round_prefer_floor")
    if rounding not in _ROUND:
        raise src.fail(f"its nearest_mode is {rounding!r}", CONVERT_AGAIN, "E301")
    picked = [
        np.clip(_ROUND[rounding](_places(size, out, scale, how)), 0, size - 1).astype(np.int64)
        for size, out, scale in zip(x.type.shape, sizes, scales, strict=True)
    ]
    if len(sizes) == 4 and sizes[:2] == x.type.shape[:2]:
        n, c, h, w = sizes
        image = to_image(src, x)
        for align, half in ((False, False), (False, True), (True, False)):
            op = ResizeNearest((h, w), align, half)
            tables = op.tables(Node(op, (image,), (image,), src.origin))
            if all(map(np.array_equal, tables[1:3], picked[2:])):
                return from_image(src, src.emit(op, [image], (n, h, w, c)), 4)
    for axis, places in enumerate(picked):
        x = taken(src, x, axis, places.tolist())
    return x


def _places(size: int, out: int, scale: float, how: str) -> Array:
    """Where each of ``out`` elements lies in an axis of ``size``, as the operator's specification
    has it."""
    at = np.arange(out, dtype=np.float64)
    if how == "asymmetric":
        return at / scale
    if how == "align_corners":
        return at * (size - 1) / (out - 1) if out > 1 else at * 0
    if how == "half_pixel_symmetric":
        adjusted = out / (scale * size)
        return size / 2 * (1 - adjusted) + (at + 0.5) / scale - 0.5
    if how == "pytorch_half_pixel" and out == 1:
        return at * 0
    return (at + 0.5) / scale - 0.5


@family({"SpaceToDepth": SpaceToDepth, "DepthToSpace": DepthToSpace})
def blocks(cls: type[SpaceToDepth] | type[DepthToSpace], src: OnnxOp) -> Value:
    (x,) = src.values(1)
    b = src.integer("blocksize")
    if len(x.type.shape) != 4 or b < 1:
        raise src.fail(f"takes {x.type} in blocks of {b}", CONVERT_AGAIN, "E301")
    n, c, h, w = x.type.shape
    image = to_image(src, x)
    if cls is SpaceToDepth:
        y = src.emit(cls(b), [image], (n, h // b, w // b, c * b * b))
        return from_image(src, _blocks_together(src, y, (b * b, c)), 4)
    image = _blocks_together(src, image, (c // (b * b), b * b))
    return from_image(src, src.emit(cls(b), [image], (n, h * b, w * b, c // (b * b))), 4)


def _blocks_together(src: OnnxOp, image: Value, channels: tuple[int, int]) -> Value:
    """``image`` with its channels, as a matrix, transposed, where the file (mode CRD) has the
    pixels of a channel's block side by side."""
    if src.text("mode", "DCR") != "CRD" or min(channels) == 1:
        return image
    order = np.arange(math.prod(channels)).reshape(channels).T.ravel()
    return src.emit(Gather(3, tuple(order.tolist())), [image], image.type.shape)
