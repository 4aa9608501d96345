"""What it costs in cycles that layers go by rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..kernels.cost import cycles
from .chain import Chain
from .rows import Stage, height
from .step import Step

TURN = 85
"""Cycles that a layer's turn takes besides its kernel."""
ROW = 16
"""Of each row of a layer that makes them one by one."""
MOVE, BYTE = 45, 0.83
"""Of rows that are moved, and of each byte of them."""
SUM = 20
"""Of each channel that is summed in each turn, or of so many as are summed together."""


class Prices:
    """core: by whose prices, see `tinyc.kernels.cost.core_of`; whole: cycles of each layer at
    once."""

    def __init__(self, steps: Sequence[Step], core: str) -> None:
        self.core = core
        self.whole = [cycles(s.node, s.kernel, s.binding, core) for s in steps]
        self._known: dict[tuple[int, int], float] = {}

    def of(self, chain: Chain) -> float:
        """What a chain costs more than its layers one by one, by the turns that it takes."""
        moves, bytes = chain.moved
        cost = MOVE * moves + BYTE * bytes
        for stage in chain.stages:
            for rows, count in Counter(chain.made[stage]).items():
                cost += count * self._turn(stage, rows)
            cost -= self._saved(stage)
        return cost

    def strips(self, stage: Stage, rows: int) -> float:
        """What strips of so many rows cost more than the whole layer."""
        key = stage.step.index, rows
        if key not in self._known:
            image = stage.images[0] if stage.part == "sum" else stage.output
            turns = height(image) / rows
            self._known[key] = turns * self._turn(stage, rows) - self._saved(stage)
        return self._known[key]

    def _saved(self, stage: Stage) -> float:
        """Of the layer at once, unless a turn is counted by what it takes more."""
        return 0 if stage.part == "sum" else self.whole[stage.step.index]

    def _turn(self, stage: Stage, rows: int) -> float:
        """Of so many rows; of a sum, what it takes more."""
        step = stage.step
        if stage.part == "sum":
            return TURN + SUM * stage.output.type.elements / step.binding.lanes
        if stage.part == "row":
            return rows * (ROW + cycles(step.node, step.kernel, step.binding, self.core, 1))
        return TURN + cycles(step.node, step.kernel, step.binding, self.core, rows)
