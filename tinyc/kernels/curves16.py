"""What kernels of curves16 share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Node
from ..ops._curves16 import TABLE, input_multiplier
from .base import Constant

SUPPORT16 = ("tinyc_curves16.h",)
SIGMOID = Constant("sigmoid", TABLE.astype(np.uint16), "65536 / (1 + exp(-i / 24))")


def logistic_params16(node: Node) -> dict[str, Any]:
    return _params(node, 0)


def tanh_params16(node: Node) -> dict[str, Any]:
    return _params(node, 1)


def _params(node: Node, most: int) -> dict[str, Any]:
    multiplier, shift = input_multiplier(node.inputs[0].type, most)
    return {"multiplier": multiplier, "half": 1 << shift - 1 if shift else 0, "shift": shift}
