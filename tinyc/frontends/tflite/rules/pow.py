"""Import POW."""

from __future__ import annotations

from ....ir import Node
from ....ops.pow import Pow
from ..rule import TfliteOp, rule


@rule(Pow, "POW")
def import_pow(src: TfliteOp) -> list[Node]:
    return [src.node(Pow(), src.operands(2))]
