"""Import MIRROR_PAD."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.mirror_pad import MirrorPad
from ..rule import TfliteOp, rule
from .pad import import_paddings


@rule(MirrorPad, "MIRROR_PAD")
def mirror_pad(src: TfliteOp) -> list[Node]:
    x, operand = src.operands(2)
    mode = src.option("mode")
    if mode not in (0, 1):
        raise src.fail(f"its mode {mode} is unknown", CONVERT_AGAIN, "E301")
    return [src.node(MirrorPad(import_paddings(src, x, operand), mode == 1), [x])]
