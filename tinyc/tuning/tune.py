"""The best kernel, schedule and order for each layer under limits of flash and RAM, by measurement.

Over what each way to compute each layer costs alone (`tinyc.tuning.layers`) the search is exact;
what it finds is then built and measured whole, since layers share code.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from ..emit.emitter import emit
from ..errors import CompileError
from ..image.build import build
from ..ir import interpret
from ..kernels.base import AIMS
from ..kernels.cost import core_of
from ..kernels.tvm import check
from ..plan import Choice, Step, kernel_of
from ..plan.packing import packed
from ..plan.schedule import schedule
from ..run.data import random_samples
from ..run.forks import each
from ..target.toolchain import find_toolchain
from .backend import lower
from .layers import ONE_BY_ONE, Layer, Started, Task, Way, measured
from .measure import measure, refuse_wrong
from .search import Cost, Picks, cost, front, nearest, spread, unbeaten

_WHOLE, _ROUNDS, _EACH = 12, 3, 4
"""Images that are measured first; how often more follow, and how many then."""

ORDERS = (ONE_BY_ONE, "balanced", "ram", "flash")
"""How the same kernels may be planned: what `tinyc.plan.plan` optimizes then."""

Combination = tuple[str, Picks]
"""One of `ORDERS`, and for each layer the index of its way."""


@dataclass(frozen=True)
class Point:
    """Firmware of a combination, measured. layers: cycles of each."""

    combination: Combination
    cost: Cost
    layers: tuple[int, ...]

    @property
    def order(self) -> str:
        return self.combination[0]


@dataclass(frozen=True)
class Tuned:
    """layers: with their ways; points: those that nothing beats, by cycles; best: one of them;
    usual: what the planner takes by itself; compiler: its name and version."""

    layers: tuple[Layer, ...]
    points: tuple[Point, ...]
    best: Point
    usual: Point | None
    compiler: str

    def choices(self, point: Point) -> list[Choice]:
        return _choices(self.layers, point.combination)


def _choices(layers: Sequence[Layer], combination: Combination) -> list[Choice]:
    pairs = zip(layers, combination[1], strict=True)
    return [layer.ways[pick].choice for layer, pick in pairs]


def tune(
    task: Task, database: Path, started: Started = lambda *_: nullcontext(lambda: None)
) -> Tuned:
    """Measure what ``database`` does not know, search, and measure what was found.

    Raises CompileError E240, E401 (nothing fits the board), E602 and E603 (nothing keeps the
    limits), E706 and E708 (no TVM), E70x, E80x.
    """
    if task.backend != "templates":
        check()  # TVM itself is loaded in the processes alone: its threads would not survive a fork
    layers = measured(task, database, started)
    search = _Search(task, layers)
    known: dict[Combination, Point | None] = {}

    def build_all(wanted: Sequence[Combination]) -> None:
        fresh = [one for one in dict.fromkeys(wanted) if one not in known]
        with started("building", len(fresh)) as advance:
            for index, point in each(lambda one: _whole(task, layers, one), fresh):
                known[fresh[index]] = point
                advance()

    usual = {aim: _usual(task, layers, aim) for aim in AIMS}
    build_all([*(found for found in usual.values() if found), *search.leanest()])
    build_all(spread(search.expected(_fitting(known)), _WHOLE))
    for _ in range(_ROUNDS):
        more = search.promising(known)
        if not more:
            break
        build_all(more)
    points = _fitting(known)
    if not points:
        raise CompileError(
            "E401", f"{task.graph.name} on {task.board.name}", "does not fit with any kernels",
            "choose a larger board (`tinyc boards`)",
        )  # fmt: skip
    best = _best(task, points)
    shown = unbeaten({p: p.cost for p in points})
    if best not in shown:  # equal to another
        shown[[p.cost for p in shown].index(best.cost)] = best
    taken = usual[task.optimize]
    title = find_toolchain(task.toolchain).title
    return Tuned(layers, tuple(shown), best, known.get(taken) if taken else None, title)


def _fitting(known: Mapping[Combination, Point | None]) -> list[Point]:
    return [point for point in known.values() if point is not None]


def _best(task: Task, points: Sequence[Point]) -> Point:
    """The best within the limits. Raises CompileError E602 and E603."""
    fitting = [point for point in points if point.cost.within(*task.limits)]
    if fitting:
        return min(fitting, key=lambda point: point.cost.by(task.optimize))
    flash, ram = task.limits
    least = min(point.cost.flash for point in points)
    id, what, limit = "E602", "flash", flash
    if least <= flash:
        id, what, limit = "E603", "RAM", ram
        least = min(point.cost.ram for point in points if point.cost.flash <= flash)
    raise CompileError(
        id, f"{task.graph.name} on {task.board.name}",
        f"no kernels keep {what} within {limit:,} bytes: the least that was found is {least:,}",
        f"allow more, as --max-{what.lower()} {least}",
    )  # fmt: skip


def _usual(task: Task, layers: Sequence[Layer], aim: str) -> Combination | None:
    """What a build takes for a goal by itself, in what the board and the limits have room for; None
    where that is not among the ways."""
    flash, ram = (None if limit == float("inf") else int(limit) for limit in task.limits)
    found = lower(
        task.graph, task.board, max_flash=flash, optimize=aim, max_ram=ram, feed=task.feed
    )  # fmt: skip
    picks = []
    for layer, step in zip(layers, found.steps, strict=True):
        kernels = [kernel_of(layer.step.node, way.choice) for way in layer.ways]
        taken = [i for i, kernel in enumerate(kernels) if step.kernel in (kernel, kernel.by_rows)]
        if not taken:
            return None
        picks.append(taken[0])
    forced = dict(enumerate(_choices(layers, (aim, tuple(picks)))))
    free = task.plan(optimize=aim, forced=forced, feed=task.feed)
    return "ram" if free.arena_bytes > found.arena_bytes else aim, tuple(picks)


class _Search:
    """What combinations are to be expected to cost, from layers alone and from whole firmware."""

    def __init__(self, task: Task, layers: Sequence[Layer]) -> None:
        self.task = task
        steps = tuple(layer.step for layer in layers)
        self.packs = any(step.binding.packing for step in packed(steps))
        self.costs = {order: _costs(task, layers, order) for order in ORDERS}
        every = [(order, picks) for order in ORDERS for picks in front(self.costs[order])]
        self.found = [one for one in every if one[0] == ONE_BY_ONE or self._saves(one)]

    def _saves(self, one: Combination) -> bool:
        """Whether its order makes the arena smaller, or constants."""
        order, picks = one
        if order == "flash":
            return self.packs
        return self._sum(one).ram < self._sum((ONE_BY_ONE, picks)).ram

    def _sum(self, one: Combination) -> Cost:
        return cost(self.costs[one[0]], one[1])

    def leanest(self) -> list[Combination]:
        """Of each order that of the least RAM."""
        return [
            min((one for one in self.found if one[0] == order), key=lambda one: self._sum(one).ram)
            for order in dict.fromkeys(order for order, _ in self.found)
        ]

    def expected(self, points: Sequence[Point]) -> dict[Combination, Cost]:
        """The combinations that nothing would beat, if each differs from the nearest of ``points``
        of its order by what its layers tell."""
        real = {point.combination: point.cost for point in points}
        hopes: dict[Combination, Cost] = {}
        for one in self.found:
            picks = [other[1] for other in real if other[0] == one[0]]
            if picks:
                near = one[0], nearest(one[1], picks)
                mine, theirs, known = self._sum(one), self._sum(near), real[near]
                hopes[one] = Cost(
                    known.cycles + mine.cycles - theirs.cycles,
                    known.flash + mine.flash - theirs.flash,
                    known.ram + mine.ram - theirs.ram,
                )
        return {one: hopes[one] for one in unbeaten(hopes)}

    def promising(self, known: Mapping[Combination, Point | None]) -> list[Combination]:
        """What may be better than all that is measured."""
        goal, limits, points = self.task.optimize, self.task.limits, _fitting(known)
        hopes = {o: c for o, c in self.expected(points).items() if o not in known}
        least = min((p.cost.by(goal) for p in points if p.cost.within(*limits)), default=None)
        if least is None:  # as near to the limits as can be
            keys = {o: max(c.flash / limits[0], c.ram / limits[1]) for o, c in hopes.items()}
            return sorted(keys, key=keys.__getitem__)[:_EACH]
        better = [o for o, c in hopes.items() if c.within(*limits) and c.by(goal) < least]
        return sorted(better, key=lambda one: hopes[one].by(goal))[:_EACH]


def _costs(task: Task, layers: Sequence[Layer], order: str) -> list[list[Cost]]:
    """What each way of each layer costs. Its RAM is that of the arena where all other layers take
    the way of the least working memory."""
    graph = task.plan(optimize=ONE_BY_ONE).graph
    lean = [_step(layer, min(layer.ways, key=_working_memory)) for layer in layers]
    core = core_of(task.board.core.title, task.board.core.features)
    least = schedule(graph, tuple(lean), order, core, feed=task.feed).arena.bytes

    def of(index: int, way: Way) -> Cost:
        if way.record is None:
            return Cost(0, 0, least)
        steps = list(lean)
        steps[index] = _step(layers[index], way)
        ram = schedule(graph, tuple(steps), order, core, feed=task.feed).arena.bytes
        return Cost(way.record.cycles, way.record.flash, ram)

    return [[of(i, way) for way in layer.ways] for i, layer in enumerate(layers)]


def _step(layer: Layer, way: Way) -> Step:
    if way.record is None:
        return layer.step
    kernel = kernel_of(layer.step.node, way.choice)
    return replace(layer.step, kernel=kernel, binding=way.binding, schedule=way.choice.schedule)


def _working_memory(way: Way) -> tuple[int, bool, bool]:
    return way.binding.scratch, way.binding.inplace is None, not way.binding.ordered


# Whole images --------------------------------------------------------------------------------


def _whole(task: Task, layers: Sequence[Layer], one: Combination) -> Point | None:
    """The firmware of a combination, whose outputs must be the reference's; None if it does not
    fit the board."""
    forced = dict(enumerate(_choices(layers, one)))
    lowered = task.plan(optimize=one[0], forced=forced, feed=task.feed)
    samples = random_samples(task.graph, 1, 0)
    try:
        found = measure(lowered, task.board, task.toolchain, samples, task.options)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / task.graph.name
            image = build(emit(lowered), task.board, task.toolchain, out, task.options)
    except CompileError as error:
        if error.id != "E401":
            raise
        return None
    refuse_wrong(task.graph, found, interpret(task.graph, samples.at(0)), task.graph.name)
    return Point(one, Cost(found.cycles, image.flash_bytes, image.ram_bytes), found.layers)
