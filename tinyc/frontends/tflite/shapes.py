"""The shapes of an operator's outputs where the file leaves sizes open (-1), from its operands.

The operators' own rules verify what is found here: a wrong shape is refused and never compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import EllipsisType

import numpy as np

from ...ir import Array, Value
from .rule import TfliteOp

Shape = tuple[int, ...]
DETECTIONS = "CUSTOM TFLite_Detection_PostProcess"
"""An operator of whose outputs converters may state no shape, which reads as that of a scalar."""


def result_shapes(src: TfliteOp) -> list[Shape] | None:
    """A shape for each output; None where an operand is not known or does not fit."""
    try:
        found = _RULES.get(src.name, _like_inputs)(src)
    except (ValueError, IndexError, TypeError, ZeroDivisionError):
        return None
    shapes = found if isinstance(found, list) else [found]
    return shapes if len(shapes) == len(src.outputs) else None


def _shape(src: TfliteOp, index: int = 0) -> Shape:
    return _value(src, index).type.shape


def _value(src: TfliteOp, index: int) -> Value:
    value = src.inputs[index]
    if value is None:
        raise IndexError(index)
    return value


def _ints(src: TfliteOp, index: int) -> Shape:
    """A constant operand; raises ValueError where it is none."""
    data = _value(src, index).data
    if data is None or data.dtype.kind not in "iu":
        raise ValueError("no constant")
    return tuple(int(i) for i in data.ravel())


def _stand_in(src: TfliteOp, index: int = 0) -> Array:
    """An array of an operand's shape that takes no memory."""
    return np.broadcast_to(np.int8(0), _shape(src, index))


def _like_inputs(src: TfliteOp) -> Shape:
    return np.broadcast_shapes(*(v.type.shape for v in src.inputs if v is not None))


def _like_first(src: TfliteOp) -> Shape:
    return _shape(src)


def _reshape(src: TfliteOp) -> Shape:
    wanted = _ints(src, 1) if len(src.inputs) > 1 else src.ints_option("new_shape")
    rest = math.prod(d for d in wanted if d != -1)
    return tuple(math.prod(_shape(src)) // rest if d == -1 else d for d in wanted)


def _fully_connected(src: TfliteOp) -> Shape:
    x, (rows, depth) = _shape(src), _shape(src, 1)
    if src.option("keep_num_dims"):
        return (*x[:-1], rows)
    return (math.prod(x) // depth, rows)


def _squeeze(src: TfliteOp) -> Shape:
    return np.squeeze(_stand_in(src), src.ints_option("squeeze_dims") or None).shape


def _strided_slice(src: TfliteOp) -> Shape:
    def on(mask: str, i: int) -> bool:
        return bool(src.option(f"{mask}_mask") >> i & 1)

    index: list[slice | int | EllipsisType | None] = []
    for i, (begin, end, step) in enumerate(zip(*(_ints(src, k) for k in (1, 2, 3)), strict=True)):
        if on("ellipsis", i):
            index.append(Ellipsis)
        elif on("new_axis", i):
            index.append(None)
        elif on("shrink_axis", i):
            index.append(0 if on("begin", i) else begin)
        else:
            end = end + begin if src.option("offset") else end
            bounds = None if on("begin", i) else begin, None if on("end", i) else end
            index.append(slice(*bounds, step))
    return _stand_in(src)[tuple(index)].shape


def _slice(src: TfliteOp) -> Shape:
    bounds = zip(_shape(src), _ints(src, 1), _ints(src, 2), strict=True)
    return tuple(d - begin if size == -1 else size for d, begin, size in bounds)


def _concatenation(src: TfliteOp) -> Shape:
    shapes = [v.type.shape for v in src.inputs if v is not None]
    axis = src.option("axis") % len(shapes[0])
    return tuple(sum(s[i] for s in shapes) if i == axis else d for i, d in enumerate(shapes[0]))


def _pack(src: TfliteOp) -> Shape:
    x = _shape(src)
    axis = src.option("axis") % (len(x) + 1)
    return (*x[:axis], len(src.inputs), *x[axis:])


def _without(shape: Shape, axis: int) -> Shape:
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def _unpack(src: TfliteOp) -> list[Shape]:
    return [_without(_shape(src), src.option("axis"))] * len(src.outputs)


def _split(src: TfliteOp) -> list[Shape]:
    x, axis = _shape(src, 1), _ints(src, 0)[0]
    count = len(src.outputs)
    return [_with(x, axis, x[axis] // count)] * count


def _split_v(src: TfliteOp) -> list[Shape]:
    x, sizes, axis = _shape(src), _ints(src, 1), _ints(src, 2)[0]
    rest = x[axis] - sum(s for s in sizes if s != -1)
    return [_with(x, axis, rest if s == -1 else s) for s in sizes]


def _with(shape: Shape, axis: int, size: int) -> Shape:
    axis %= len(shape)
    return (*shape[:axis], size, *shape[axis + 1 :])


def _gather(src: TfliteOp) -> Shape:
    x, axis = _shape(src), src.option("axis") % len(_shape(src))
    return (*x[:axis], *_shape(src, 1), *x[axis + 1 :])


def _reduce(src: TfliteOp) -> Shape:
    x = _shape(src)
    axes = {a % len(x) for a in _ints(src, 1)}
    if src.option("keep_dims"):
        return tuple(1 if i in axes else d for i, d in enumerate(x))
    return tuple(d for i, d in enumerate(x) if i not in axes)


def _pad(src: TfliteOp) -> Shape:
    flat = _ints(src, 1)
    sides = zip(_shape(src), flat[::2], flat[1::2], strict=True)
    return tuple(d + before + after for d, before, after in sides)


def _window(src: TfliteOp) -> Shape:
    n, *sizes, channels = _shape(src)
    dilation = (1, 1)
    kernel: Shape
    if src.name.endswith("POOL_2D"):
        kernel = (src.option("filter_h"), src.option("filter_w"))
    else:
        weights = _shape(src, 1)
        channels = weights[0] if src.name == "CONV_2D" else weights[3]
        kernel = weights[1:3]
        dilation = (src.option("dilation_h"), src.option("dilation_w"))
    strides = (src.option("stride_h"), src.option("stride_w"))
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    if src.padding() == "same":
        reach = [0, 0]
    height, width = (-(-(size - r) // s) for size, r, s in zip(sizes, reach, strides, strict=True))
    return (n, height, width, channels)


def _resize(src: TfliteOp) -> Shape:
    return (_shape(src)[0], *_ints(src, 1), _shape(src)[3])


def _blocks(src: TfliteOp) -> Shape:
    n, h, w, c = _shape(src)
    block = src.option("block_size")
    if src.name == "SPACE_TO_DEPTH":
        return (n, h // block, w // block, c * block * block)
    return (n, h * block, w * block, c // (block * block))


def _batches(src: TfliteOp) -> Shape:
    (n, *sizes), block, flat = _shape(src), _ints(src, 1), _ints(src, 2)
    spatial = zip(sizes, block, flat[::2], flat[1::2], strict=False)
    rest = sizes[len(block) :]
    if src.name == "SPACE_TO_BATCH_ND":
        whole = ((before + d + after) // b for d, b, before, after in spatial)
        return (n * math.prod(block), *whole, *rest)
    return (n // math.prod(block), *(d * b - cut - end for d, b, cut, end in spatial), *rest)


def _batch_matmul(src: TfliteOp) -> Shape:
    a, b = _shape(src), _shape(src, 1)
    rows, columns = a[-1 if src.option("adj_x") else -2], b[-2 if src.option("adj_y") else -1]
    return (*np.broadcast_shapes(a[:-2], b[:-2]), rows, columns)


def _detections(src: TfliteOp) -> list[Shape]:
    o = src.custom_options("max_detections", "max_classes_per_detection")
    total = o["max_detections"] * o["max_classes_per_detection"]
    return [(1, total, 4), (1, total), (1, total), (1,)]


_RULES: dict[str, Callable[[TfliteOp], Shape | list[Shape]]] = {
    DETECTIONS: _detections,
    "RESHAPE": _reshape,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE": lambda src: _stand_in(src).transpose(_ints(src, 1)).shape,
    "EXPAND_DIMS": lambda src: np.expand_dims(_stand_in(src), _ints(src, 1)[0]).shape,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "CONCATENATION": _concatenation,
    "PACK": _pack,
    "UNPACK": _unpack,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "GATHER": _gather,
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"),
        _reduce,
    ),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"), _window),
    "TRANSPOSE_CONV": lambda src: _ints(src, 0),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), _blocks),
    **dict.fromkeys(("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"), _batches),
    "BATCH_MATMUL": _batch_matmul,
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), lambda src: _without(_shape(src), _ints(src, 1)[0])),
    **dict.fromkeys(("PRELU", "L2_NORMALIZATION", "LOG_SOFTMAX", "REVERSE_V2"), _like_first),
    "SELECT": lambda src: _shape(src, 1),
}
