"""Import CUSTOM LceBconv2d."""

from __future__ import annotations

import numpy as np

from ....ir import DType, Node
from ....ops._conv import NO_PADDING
from ....ops.base import CONVERT_AGAIN
from ....ops.lce_bconv2d import LARGEST_DEPTH, LceBconv2d
from ..rule import TfliteOp, rule
from .conv import same_padding


@rule(LceBconv2d, "CUSTOM LceBconv2d")
def lce_bconv2d(src: TfliteOp) -> list[Node]:
    if len(src.inputs) != 5 or len(src.outputs) != 1:
        counts = f"has {len(src.inputs)} inputs and {len(src.outputs)} outputs, not 5 and 1"
        raise src.fail(counts, CONVERT_AGAIN, "E301")
    packed = src.outputs[0].type.dtype is DType.I32
    operands = [src.inputs[i] for i in ((0, 1, 4) if packed else (0, 1, 2, 3))]
    present = [v for v in operands if v is not None]
    if packed and len(present) == 3 and (threshold := present[2].data) is not None:
        most = 2 * LARGEST_DEPTH
        twice = np.clip(2 * threshold.astype(np.int64), -1, most).astype(np.int32)
        present[2] = src.const("threshold", twice)
    if len(present) != len(operands):
        needs = "a threshold" if packed else "a multiplier and a bias"
        raise src.fail(f"lacks an operand: it needs {needs}", CONVERT_AGAIN, "E301")
    x, weights = present[:2]
    o = src.custom_options(
        "stride_height", "stride_width", "dilation_height_factor", "dilation_width_factor",
        "padding", "pad_values", "channels_in", "fused_activation_function",
    )  # fmt: skip
    stride = (o["stride_height"], o["stride_width"])
    dilation = (o["dilation_height_factor"], o["dilation_width_factor"])
    if min(stride + dilation) < 1 or o["pad_values"] not in (0, 1) or o["channels_in"] < 1:
        raise src.fail(
            f"its stride is {list(stride)}, its dilation {list(dilation)}, it pads with "
            f"{o['pad_values']} and has {o['channels_in']} channels", CONVERT_AGAIN, "E301"
        )  # fmt: skip
    if len(x.type.shape) != 4 or len(weights.type.shape) != 4:
        raise src.fail("input or weights are not of rank 4", CONVERT_AGAIN, "E301")
    padding = NO_PADDING
    if src.padding_name(o["padding"]) == "same":
        rows, columns = (
            same_padding(size, k, s, d, -(-size // s))
            for size, k, s, d in zip(
                x.type.shape[1:3], weights.type.shape[1:3], stride, dilation, strict=True
            )
        )
        padding = (rows, columns)
    activation = src.activation_name(o["fused_activation_function"])
    op = LceBconv2d(
        stride, dilation, padding, o["pad_values"], o["channels_in"],
        "none" if packed else activation,
    )  # fmt: skip
    return [src.node(op, present)]
