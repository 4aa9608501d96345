"""Which way a network is lowered: by templates, by TVM, or layer by layer by what is faster."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..errors import CompileError
from ..ir import Graph
from ..kernels.base import Binding, Schedule
from ..plan import Choice, Plan, Step, plan
from ..run.data import random_samples
from ..target.boards import Board
from .measure import Measured, measure

BACKENDS = ("templates", "tvm")
BESIDE = 1024
"""Bytes of RAM that a program takes beside the arena, its stack in the first place."""
CODE = 32 * 1024
"""Bytes of flash that are kept for code."""


def lower(
    graph: Graph,
    board: Board,
    backend: str = "templates",
    schedules: Mapping[str, Schedule] | None = None,
    toolchain: str | None = None,
    max_flash: int | None = None,
    optimize: str = "balanced",
    max_ram: int | None = None,
    feed: str = "whole",
) -> Plan:
    """Plan ``graph`` for the core of ``board``.

    backend: ``templates``, ``tvm``, or ``auto``: of each layer the one that takes fewer cycles on
    the emulated core, as long as the image fits the flash (``max_flash`` bytes of it, if that is
    given); schedules, optimize, feed: see `tinyc.plan.plan`; toolchain: what ``auto`` builds with;
    max_ram: as many bytes of RAM, or the board's largest memory, the arena must leave room in, by
    `tinyc.plan.schedule` if need be. For ``speed``, kernels that take much flash are left out of
    as many layers as that demands. Raises CompileError E306, E355, E4xx (``auto``: nothing fits),
    E706 and E708 (no TVM), E8xx.
    """
    limit = min(board.flash_bytes, max_flash or board.flash_bytes)
    if backend != "auto":
        room = arena_room(board, max_ram)

        def planned(optimize: str, forced: Mapping[int, Choice] | None = None) -> Plan:
            return plan(
                graph, board.core.title, board.core.features, backend, schedules, optimize,
                forced, room, feed,
            )  # fmt: skip

        found = planned(optimize)
        if optimize == "speed" and backend == "templates":
            spared = _spared(found, planned("balanced"), limit - CODE)
            return planned(optimize, spared) if spared else found
        return found
    return _fastest(graph, board, schedules or {}, toolchain, limit, optimize, feed)


def arena_room(board: Board, max_ram: int | None = None) -> int:
    """Bytes that the arena may have: of the largest RAM, or of ``max_ram``."""
    home = max(m.size for m in board.memory if m.kind == "ram")
    return min(home, max_ram or home) - BESIDE


def _spared(fast: Plan, usual: Plan, room: int) -> dict[int, Choice]:
    """Layers of ``fast`` that have to take the kernels of ``usual``, so that all constants, and the
    code of single layers, lie in ``room`` bytes of flash: those with the fewest MACs for each byte
    that they spare."""
    chosen = {step.index: step.binding for step in fast.steps}
    rates: list[tuple[float, Step]] = []
    for dear, cheap in zip(fast.steps, usual.steps, strict=True):
        spared = _own_bytes([dear.binding]) - _own_bytes([cheap.binding])
        if spared > 0:
            rates.append((dear.macs / spared, cheap))
    forced: dict[int, Choice] = {}
    for _, cheap in sorted(rates, key=lambda rate: rate[0]):
        if _own_bytes(chosen.values()) <= room:
            break
        chosen[cheap.index] = cheap.binding
        forced[cheap.index] = Choice(cheap.kernel.name)
    return forced


def _own_bytes(bindings: Collection[Binding]) -> int:
    """Of the code and constants of layers, arrays that are one counted once."""
    arrays = {id(c.data): c.data.nbytes for binding in bindings for c in binding.constants}
    return sum(arrays.values()) + sum(binding.code for binding in bindings)


def _fastest(
    graph: Graph,
    board: Board,
    schedules: Mapping[str, Schedule],
    toolchain: str | None,
    limit: int,
    optimize: str,
    feed: str,
) -> Plan:
    def planned(backend: str | Sequence[str]) -> Plan:
        return plan(
            graph, board.core.title, board.core.features, backend, schedules, optimize, feed=feed
        )

    samples = random_samples(graph, 1, 0)
    pure: dict[str, Measured] = {}
    refused: list[CompileError] = []
    for backend in BACKENDS:
        lowered = planned(backend)
        try:
            pure[backend] = measure(lowered, board, toolchain, samples)
        except CompileError as error:
            if error.id != "E401":
                raise
            refused.append(error)
    if not pure:
        raise refused[0]
    if len(pure) == 1:
        return next(iter(pure.values())).plan
    known = [
        {name: found.layers[i] for name, found in pure.items()}
        for i in range(len(pure["tvm"].plan.steps))
    ]
    chosen = [min(BACKENDS, key=layer.__getitem__) for layer in known]
    # What shares code with its neighbours may change a little in other company: the mixture is
    # measured as well, and has to be the best.
    rivals = list(pure.values())
    sizes = {name: _sizes(found) for name, found in pure.items()}
    while True:
        mixed = planned(chosen)
        try:
            measured = measure(mixed, board, toolchain, samples)
        except CompileError as error:
            if error.id != "E401":
                raise
            measured = None
        if measured is not None and measured.image.flash_bytes <= limit:
            rivals.append(measured)
            break
        smaller = _smaller(chosen, known, sizes)
        if smaller is None:
            break
        chosen[smaller] = _other(chosen[smaller])
    fitting = [r for r in rivals if r.image.flash_bytes <= limit] or rivals[:1]
    best = min(fitting, key=lambda r: r.cycles).plan
    steps = tuple(replace(s, cycles=c) for s, c in zip(best.steps, known, strict=True))
    return replace(best, steps=steps)


def _other(backend: str) -> str:
    return BACKENDS[1 - BACKENDS.index(backend)]


def _smaller(
    chosen: list[str], known: list[dict[str, int]], sizes: dict[str, list[int]]
) -> int | None:
    """The layer whose other backend saves flash at the least cost of cycles for each byte."""
    costs = {}
    for i, name in enumerate(chosen):
        saved = sizes[name][i] - sizes[_other(name)][i]
        if saved > 0:
            costs[i] = (known[i][_other(name)] - known[i][name]) / saved
    return min(costs, key=lambda i: costs[i]) if costs else None


def _sizes(found: Measured) -> list[int]:
    """Bytes of each layer's own code and constants."""
    return [
        found.image.symbols[step.symbol][1] + sum(c.data.nbytes for c in step.binding.constants)
        for step in found.plan.steps
    ]
