"""Plan: Graph -> kernels, order and arena offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import CompileError
from ..ir import Graph, Node, Value
from ..kernels.base import Schedule
from ..kernels.cost import core_of
from ..ops.transpose import Transpose
from .arena import aliases, layout
from .choose import Choice, choose
from .feed import row_by_row
from .packing import SPARE, bound, few_levels, packed
from .plan import Plan
from .schedule import Schedule as Order
from .schedule import Span, by_rows, schedule


def plan(
    graph: Graph,
    core: str,
    features: frozenset[str],
    backend: str | Sequence[str] = "templates",
    schedules: Mapping[str, Schedule] | None = None,
    optimize: str = "balanced",
    forced: Mapping[int, Choice] | None = None,
    limit: int | None = None,
    feed: str = "whole",
    spans: Sequence[Span] | None = None,
) -> Plan:
    """Choose a kernel for each node and lay out the arena.

    backend: ``templates`` or ``tvm``, for all steps or for each; a node that TVM cannot be given
    falls to the templates. schedules: by `workload`, those that TVM uses in the place of its
    default ones. optimize: one of `tinyc.kernels.base.AIMS`. forced: of steps by their index, what
    computes them in any case. limit, feed: bytes that the arena may have, and how the input comes,
    see `tinyc.plan.schedule`; spans: the chains in the place of those that it would choose.
    Raises CompileError E306 where no kernel fits a node, or the one that is forced does not, E355
    (it cannot be fed by rows), E706 and E708 (no TVM).
    """
    graph = _apart(graph)
    steps = choose(graph, core, features, backend, schedules or {}, optimize, forced or {})
    fed, priced = feed == "rows", core_of(core, features)
    if fed and (able := row_by_row(graph, steps, features)):
        wanted = able | dict(forced or {})
        steps = choose(graph, core, features, backend, schedules or {}, optimize, wanted)
    if spans is None:
        found = schedule(graph, steps, optimize, priced, limit, feed)
    else:
        found = by_rows(graph, steps, spans)
    if optimize == "flash" and (fed or not found.chains):
        # Layers that go by rows would be unpacked for each strip.
        strips = {stage.step.index for chain in found.chains for stage in chain.stages}
        chains = [(chain.first, chain.last) for chain in found.chains]
        for spare in SPARE:
            both = zip(steps, packed(steps, spare), strict=True)
            lean = tuple(step if step.index in strips else small for step, small in both)
            small = schedule(graph, lean, optimize, priced, limit, feed)
            if [(chain.first, chain.last) for chain in small.chains] == chains:
                found = small
                break
    if optimize != "flash":
        found = _leveled(graph, found, optimize, priced, limit)
    arena = found.arena
    steps = tuple(replace(s, scratch_offset=arena.scratch.get(s, 0)) for s in found.steps)
    carried = _carries(graph, arena.offsets)
    return Plan(
        graph, core, features, steps, arena.offsets, arena.bytes, carried, arena.peak,
        arena.buffers, found.chains, arena.parked, arena.counted, optimize == "flash",
    )  # fmt: skip


MORE = {"balanced": 1024, "speed": 1024, "ram": 0}
"""Bytes by which constants of few levels may make the arena grow."""


def _leveled(graph: Graph, found: Order, optimize: str, core: str, limit: int | None) -> Order:
    """The same order, with constants of few levels in fewer bytes where there is room for them in
    the arena; where there is not, in smaller pieces, or as they were."""
    room = found.arena.bytes + MORE[optimize]
    if limit is not None:
        room = max(found.arena.bytes, min(room, limit))
    ways = few_levels(found.steps, optimize, core, room)
    while bindings := bound({step: parts[0] for step, parts in ways.items()}):
        steps = tuple(replace(s, binding=bindings[s]) if s in bindings else s for s in found.steps)
        arena = layout(graph, steps, found.chains)
        if arena.bytes <= room:
            return replace(found, steps=steps, arena=arena)
        peak = found.steps[arena.peak[0]]
        large = max(bindings, key=lambda step: bindings[step].scratch)
        step = peak if peak in ways and arena.peak[1] > room else large
        ways[step].pop(0)
        if not ways[step]:
            del ways[step]
    return found


def _apart(graph: Graph) -> Graph:
    """``graph`` with a copy in the place of each output that is a state as the run found it: where
    that lies, the run leaves the state's next value."""
    roots = aliases(graph)
    entries = {state.entry for state in graph.states}
    copies: dict[Value, Node] = {}
    for value in graph.outputs:
        if roots.get(value, value) in entries and value not in copies:
            copy = replace(value, name=f"{value.name}/copy")
            axes = tuple(range(len(value.type.shape)))
            copies[value] = Node(Transpose(axes), (value,), (copy,), value.origin)
    outputs = tuple(copies[v].output if v in copies else v for v in graph.outputs)
    return replace(graph, nodes=(*graph.nodes, *copies.values()), outputs=outputs)


def _carries(graph: Graph, offsets: Mapping[Value, int]) -> tuple[tuple[Value, Value], ...]:
    """See `Plan`; raises CompileError E306 for states that exchange their values."""
    waiting = [
        (state.exit, state.entry)
        for state in graph.states
        if state.exit.constant or offsets[state.exit] != offsets[state.entry]
    ]
    ordered: list[tuple[Value, Value]] = []
    while waiting:
        read = [offsets[exit] for exit, _ in waiting if not exit.constant]
        ready = [pair for pair in waiting if offsets[pair[1]] not in read]
        if not ready:
            raise CompileError(
                "E306", waiting[0][1].origin, "its states exchange their values",
                "keep both in one tensor",
            )  # fmt: skip
        ordered += ready
        waiting = [pair for pair in waiting if pair not in ready]
    return tuple(ordered)
