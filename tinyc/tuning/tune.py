"""The fastest kernel and schedule for each layer, under limits of flash and RAM, by measurement.

Every kernel that a layer could have is measured alone on the emulated core, in parallel, once for
layers that are alike, and kept in a file (`tinyc.tuning.database`). Over these numbers the search
is exact; what it finds is then built and measured whole, since layers share code.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..emit.emitter import emit
from ..errors import CompileError
from ..files.paths import kernel_file
from ..image.build import BuildOptions, build
from ..ir import Array, Graph, Node, interpret, verify
from ..kernels.base import AIMS, Binding
from ..kernels.support import needed
from ..kernels.tvm import check
from ..ops._bits import random_words
from ..ops.lce_bconv2d import LceBconv2d
from ..plan import Choice, Plan, Step, choices, kernel_of, plan, workload
from ..plan.arena import layout
from ..plan.heads import deviation, rules, split_outputs
from ..run import run
from ..run.data import Samples, random_samples
from ..run.forks import each
from ..target.boards import Board
from ..target.toolchain import Toolchain, find_toolchain
from .database import Record, extended, read
from .search import Cost, Picks, cost, front, nearest, spread

_WHOLE, _ROUNDS, _EACH = 12, 3, 4
"""Images that are measured first; how often more follow, and how many then."""

Started = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Told what begins and of how many parts; within it, what it gives is called after each."""


@dataclass(frozen=True)
class Task:
    """What is tuned: ``graph`` for ``board``, by the kernels of ``backend`` (see
    `tinyc.plan.choices`), so that ``optimize`` is best within ``limits``: bytes of flash and of
    RAM of the firmware that ``options`` are of."""

    graph: Graph
    board: Board
    backend: str = "templates"
    optimize: str = "balanced"
    limits: tuple[float, float] = (float("inf"), float("inf"))
    toolchain: str | None = None
    options: BuildOptions = field(default_factory=BuildOptions)

    def plan(self, **more: Any) -> Plan:
        return plan(self.graph, self.board.core.title, self.board.core.features, **more)


@dataclass(frozen=True)
class Way:
    """A way to compute a layer. binding: as far as the arena depends on it; record: what was
    measured, None of what is the only way."""

    choice: Choice
    binding: Binding
    record: Record | None = None


@dataclass(frozen=True)
class Layer:
    """A step of the plan and the ways to compute it."""

    step: Step
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Point:
    """Firmware of a way for each layer, measured. layers: cycles of each."""

    picks: Picks
    cost: Cost
    layers: tuple[int, ...]


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
        pairs = zip(self.layers, point.picks, strict=True)
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
    costs = _costs(task, layers)
    known: dict[Picks, Point | None] = {}

    def build_all(wanted: Sequence[Picks]) -> None:
        fresh = [picks for picks in dict.fromkeys(wanted) if picks not in known]
        with started("building", len(fresh)) as advance:
            for index, point in each(lambda picks: _whole(task, layers, picks), fresh):
                known[fresh[index]] = point
                advance()

    usual = {aim: _usual(task, layers, aim) for aim in AIMS}
    found = front(costs)
    first = spread(found, [cost(costs, picks) for picks in found], _WHOLE)
    build_all([*(picks for picks in usual.values() if picks), *first])
    for _ in range(_ROUNDS):
        more = _promising(task, costs, found, known)
        if not more:
            break
        build_all(more)
    points = [point for point in known.values() if point is not None]
    if not points:
        raise CompileError(
            "E401", f"{task.graph.name} on {task.board.name}", "does not fit with any kernels",
            "choose a larger board (`tinyc boards`)",
        )  # fmt: skip
    best = _best(task, points)
    unbeaten = [p for p in points if p is best or not any(q.cost.beats(p.cost) for q in points)]
    unbeaten.sort(key=lambda point: point.cost.by("speed"))
    taken = usual[task.optimize]
    title = find_toolchain(task.toolchain).title
    return Tuned(layers, tuple(unbeaten), best, known.get(taken) if taken else None, title)


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


def _promising(
    task: Task,
    costs: Sequence[Sequence[Cost]],
    found: Sequence[Picks],
    known: dict[Picks, Point | None],
) -> list[Picks]:
    """What would be better than all that is measured, if it differs from the nearest measured one
    by what the layers tell."""
    measured = {picks: point for picks, point in known.items() if point is not None}
    if not measured:
        return []

    def expected(picks: Picks) -> Cost:
        near = nearest(picks, measured)
        mine, theirs, real = cost(costs, picks), cost(costs, near), measured[near].cost
        return Cost(
            real.cycles + mine.cycles - theirs.cycles,
            real.flash + mine.flash - theirs.flash,
            real.ram + mine.ram - theirs.ram,
        )

    fitting = [p.cost.by(task.optimize) for p in measured.values() if p.cost.within(*task.limits)]
    limit = min(fitting, default=(float("inf"),))
    hopes = [(expected(picks), picks) for picks in found if picks not in known]
    better = [
        (hope.by(task.optimize), picks)
        for hope, picks in hopes
        if hope.within(*task.limits) and hope.by(task.optimize) < limit
    ]
    if not better and not fitting:  # as near to the limits as can be

        def excess(hope: Cost) -> float:
            return max(hope.flash / task.limits[0], hope.ram / task.limits[1])

        better = [((excess(hope),), picks) for hope, picks in hopes]
    return [picks for _, picks in sorted(better)[:_EACH]]


def _usual(task: Task, layers: Sequence[Layer], aim: str) -> Picks | None:
    """What the planner takes for a goal; None where that is not among the ways."""
    picks = []
    for layer, step in zip(layers, task.plan(optimize=aim).steps, strict=True):
        known = [way.choice for way in layer.ways]
        if (choice := Choice(step.kernel.name)) not in known:
            return None
        picks.append(known.index(choice))
    return tuple(picks)


def _costs(task: Task, layers: Sequence[Layer]) -> list[list[Cost]]:
    """What each way of each layer costs. Its RAM is that of the arena where all other layers take
    the way of the least working memory."""
    lean = [
        replace(layer.step, binding=min((way.binding for way in layer.ways), key=_working_memory))
        for layer in layers
    ]
    graph = task.plan().graph
    least = layout(graph, tuple(lean)).bytes

    def of(index: int, way: Way) -> Cost:
        if way.record is None:
            return Cost(0, 0, least)
        steps = list(lean)
        steps[index] = replace(steps[index], binding=way.binding)
        ram = layout(graph, tuple(steps)).bytes
        return Cost(way.record.cycles, way.record.flash, ram)

    return [[of(i, way) for way in layer.ways] for i, layer in enumerate(layers)]


def _working_memory(binding: Binding) -> tuple[int, bool, bool]:
    return binding.scratch, binding.inplace is None, not binding.ordered


# Layers alone --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    node: Node
    choice: Choice
    binding: Binding | None  # of a template
    record: Record  # its numbers are not known yet

    def way(self, record: Record) -> Way:
        return Way(self.choice, self.binding or Binding(scratch=record.scratch), record)


def measured(
    task: Task, database: Path, started: Started = lambda *_: nullcontext(lambda: None)
) -> tuple[Layer, ...]:
    """The layers, with what each way of those costs that have several. Ways that do not fit the
    board are left out, unless none does. Raises what `tune` does for them."""
    tools = find_toolchain(task.toolchain)
    known = {record.key: record for record in read(database)}
    steps = task.plan().steps
    features = task.board.core.features
    ways = [tuple(choices(step.node, features, task.backend)) for step in steps]
    jobs = [
        [_job(step.node, choice, task, tools) for choice in found] if len(found) > 1 else []
        for step, found in zip(steps, ways, strict=True)
    ]
    missing = {j.record.key: j for layer in jobs for j in layer if j.record.key not in known}
    with started("measuring", len(missing)) as advance:
        for record in extended(database, _records(list(missing.values()), task)):
            known[record.key] = record
            advance()
    layers = []
    for step, found, layer in zip(steps, ways, jobs, strict=True):
        fitting = [j.way(known[j.record.key]) for j in layer if j.record.key in known]
        layers.append(Layer(step, tuple(fitting or [Way(found[0], step.binding)])))
    return tuple(layers)


def _job(node: Node, choice: Choice, task: Task, tools: Toolchain) -> _Job:
    kernel = kernel_of(node, choice)
    name = workload(node, kernel, task.board.core.title)
    binding: Binding | None = None
    support: tuple[str, ...] = ()
    if choice.schedule is None:  # TVM's are bound in the processes alone
        binding = kernel.bind(node)
        support = needed(binding.support)
        # What is packed may depend on the weights: as many constants, as many cycles.
        name += f", {' + '.join(str(c.data.nbytes) for c in binding.constants) or 'no'} bytes"
    source = hashlib.sha256(tools.title.encode())
    for kind, files in (("templates", (kernel.template,)), ("firmware", support)):
        for file in files:
            source.update(kernel_file(kind, file).read_bytes())
    digest = source.hexdigest()[:16]
    record = Record(name, tools.kind, dict(choice.schedule or {}), 0, digest)
    return _Job(node, choice, binding, record)


def _records(jobs: Sequence[_Job], task: Task) -> Iterator[Record]:
    """The records of those that fit, in the order in which they end."""
    for _, record in each(lambda job: _alone(job, task), jobs):
        if record is not None:
            yield record


def _alone(job: _Job, task: Task) -> Record | None:
    """A node alone, whose outputs must be the reference's; None if it does not fit the board."""
    node = job.node
    sources = tuple(dict.fromkeys(node.variable_inputs))
    alone = replace(task, graph=verify(Graph("layer", sources, node.outputs, (node,))))
    lowered = alone.plan(forced={0: job.choice})
    samples = _samples(alone.graph, node)
    ran = _run(alone, lowered, samples)
    if ran is None:
        return None
    flash, outputs, _, (cycles,) = ran
    expected = interpret(alone.graph, samples.at(0))
    _check(alone.graph, outputs, expected, node.origin, lowered.steps)
    scratch = lowered.steps[0].binding.scratch
    return replace(job.record, cycles=cycles, flash=flash, scratch=scratch)


def _samples(graph: Graph, node: Node) -> Samples:
    """One random sample; of packed signs, those past the last channel are clear."""
    if isinstance(node.op, LceBconv2d):
        shape = (*node.inputs[0].type.shape[:-1], node.op.channels)
        return Samples((random_words(np.random.default_rng(0), shape)[None],))
    return random_samples(graph, 1, 0)


# Whole images --------------------------------------------------------------------------------


def _whole(task: Task, layers: Sequence[Layer], picks: Picks) -> Point | None:
    """The firmware of a way for each layer, whose outputs must be the reference's; None if it
    does not fit the board."""
    pairs = enumerate(zip(layers, picks, strict=True))
    forced = {i: layer.ways[pick].choice for i, (layer, pick) in pairs}
    lowered = task.plan(forced=forced)
    samples = random_samples(task.graph, 1, 0)
    ran = _run(task, lowered, samples)
    if ran is None:
        return None
    _, outputs, cycles, by_layer = ran
    expected = interpret(task.graph, samples.at(0))
    _check(task.graph, outputs, expected, task.graph.name, lowered.steps)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / task.graph.name
        image = build(emit(lowered), task.board, task.toolchain, out, task.options)
    return Point(picks, Cost(cycles, image.flash_bytes, image.ram_bytes), by_layer)


def _run(
    task: Task, lowered: Plan, samples: Samples
) -> tuple[int, Array, int, tuple[int, ...]] | None:
    """(flash bytes, outputs, cycles, cycles of each layer) of a plan with the test harness; None
    if that does not fit the board."""
    symbols = tuple(step.symbol for step in lowered.steps)
    options = replace(task.options, main="test")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / task.graph.name
        try:
            image = build(emit(lowered), task.board, task.toolchain, out, options)
        except CompileError as error:
            if error.id != "E401":
                raise
            return None
        rows = samples.bytes(bool(lowered.graph.states))
        trace = run(image, rows, profile=True, layers=symbols)
    assert trace.cycles is not None
    layers = tuple(trace.layers[symbol].cycles for symbol in symbols)
    return image.flash_bytes, trace.outputs, trace.cycles, layers


def _check(graph: Graph, rows: Array, expected: Any, place: str, steps: Sequence[Step]) -> None:
    """Raise E501 unless an inference gave what the reference does."""
    outputs = split_outputs(graph, rows)
    for value, rule, ours in zip(graph.outputs, rules(graph), outputs, strict=True):
        truth = value.data if value.constant else expected[value]
        wrong, _ = deviation(ours, np.asarray(truth)[None], rule)
        if wrong.any():
            names = ", ".join(dict.fromkeys(step.kernel.name for step in steps))
            raise CompileError(
                "E501", place, f"{names} give other outputs than the reference",
                "this is a bug in tinyc or its compiler: report it with the model",
            )  # fmt: skip
