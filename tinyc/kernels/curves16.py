"""What kernels of curves16 share."""

from __future__ import annotations

import numpy as np

from ..ir import Node
from ..ops._curves16 import TABLE, input_multiplier
from .base import Constant
from .formula import Formula

SIGMOID = Constant("sigmoid", TABLE.astype(np.uint16), "65536 / (1 + exp(-i / 24))")


def curve16(function: str, node: Node, most: int) -> Formula:
    """A function of tinyc_curves16.h; most: as of `input_multiplier`."""
    numbers = input_multiplier(node.inputs[0].type, most)
    return Formula(function, "tinyc_curves16.h", (SIGMOID,), numbers)
