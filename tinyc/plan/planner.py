"""Plan: Graph -> kernels, order and arena offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..ir import Graph
from ..kernels.base import Schedule
from .arena import carries, layout
from .choose import choose
from .plan import Plan


def plan(
    graph: Graph,
    core: str,
    features: frozenset[str],
    backend: str | Sequence[str] = "templates",
    schedules: Mapping[str, Schedule] | None = None,
) -> Plan:
    """Choose a kernel for each node and lay out the arena.

    backend: ``templates`` or ``tvm``, for all steps or for each; a node that TVM cannot be given
    falls to the templates. schedules: by `workload`, those that TVM uses in the place of its
    default ones. Raises CompileError E306 where no kernel fits a node, E706 and E708 (no TVM).
    """
    steps = choose(graph, core, features, backend, schedules or {})
    arena = layout(graph, steps)
    steps = tuple(replace(s, scratch_offset=arena.scratch.get(s, 0)) for s in steps)
    carried = carries(graph, arena.offsets)
    return Plan(
        graph, core, features, steps, arena.offsets, arena.bytes, carried, arena.peak,
        arena.buffers,
    )  # fmt: skip
