"""Import BatchNormalization."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ops.add import Add
from ....ops.base import CONVERT_AGAIN
from ....ops.mul import Mul
from ..rule import OnnxOp, rule


@rule(Mul, "BatchNormalization")
def batch_normalization(src: OnnxOp) -> Value:
    """A product and a sum, which the layer before it may take up, see `fold_affine`."""
    x = src.value(0)
    if src.integer("training_mode", 0):
        raise src.fail("it is in training mode", "export the model for inference")
    scale, bias, mean, variance = (src.numbers(i).astype(np.float64) for i in range(1, 5))
    channels = x.type.shape[1] if len(x.type.shape) > 1 else 1
    if any(a.shape != (channels,) for a in (scale, bias, mean, variance)):
        raise src.fail("its operands are not one for each channel", CONVERT_AGAIN, "E301")
    factor = scale / np.sqrt(variance + src.number("epsilon", 1e-5))
    shift = bias - mean * factor
    shape = (channels, *(1,) * (len(x.type.shape) - 2))
    product = src.const("factor", factor.reshape(shape).astype(np.float32))
    summand = src.const("shift", shift.reshape(shape).astype(np.float32))
    y = src.emit(Mul("none"), [x, product], x.type.shape)
    return src.emit(Add("none"), [y, summand], x.type.shape)
