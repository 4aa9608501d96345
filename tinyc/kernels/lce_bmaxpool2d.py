"""How C computes CUSTOM LceBMaxPool2d."""

from __future__ import annotations

import numpy as np

from ..ir import Node
from ..ops.lce_bmaxpool2d import LceBMaxPool2d
from .base import Binding, Constant, Kernel, provide
from .conv import window_params
from .lce_bconv2d import SUPPORT


def _bind(node: Node[LceBMaxPool2d]) -> Binding:
    constants: tuple[Constant, ...] = ()
    if len(node.inputs) == 2:
        mask = node.inputs[1].array
        note = "channels of which the minimum is taken"
        constants = (Constant("minimum", mask.view(np.uint32), note),)
    return Binding(window_params(node, node.op.kernel), constants, support=SUPPORT)


provide(
    LceBMaxPool2d,
    Kernel("lce_bmaxpool2d", "lce_bmaxpool2d.c.j2", frozenset(), lambda node: None, _bind),
)
