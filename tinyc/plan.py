"""Plan: Graph -> kernels, order and arena offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np

from .errors import CompileError
from .frontends.tflite import identifier
from .ir import Graph, Node, Value
from .op import Binding, Constant, Kernel, Schedule

ALIGN = 8
"""Alignment in bytes of the arena and of every buffer in it."""


@dataclass(frozen=True, eq=False)
class Step:
    """One call of the generated code.

    index: position in the order; name: short name for captions; symbol: the C function;
    rejected: (kernel, reason) of each faster kernel that was not taken, and of each form that
    a pass could not bring the node into;
    scratch_offset: where its working memory lies in the arena, in bytes;
    schedule: what TVM lowered it with, None for a template; cycles: of each backend, measured,
    where the backend was chosen by them.
    """

    index: int
    node: Node
    kernel: Kernel
    binding: Binding
    rejected: tuple[tuple[str, str], ...]
    name: str
    symbol: str
    scratch_offset: int = 0
    schedule: Schedule | None = None
    cycles: Mapping[str, int] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        """``tvm`` or ``templates``: what makes the C."""
        return "templates" if self.schedule is None else "tvm"

    @property
    def macs(self) -> int:
        return self.node.op.macs(self.node)

    @property
    def binary_macs(self) -> int:
        return self.node.op.binary_macs(self.node)


@dataclass(frozen=True, eq=False)
class Plan:
    """What the emitter prints. offsets: byte offset in the arena of each value that is not a
    constant; carries: (exit, entry) of each state that is copied when a run has ended, in an
    order in which none is read after it was written; peak: the step in which most of the arena is
    alive, and how many bytes of it; features: what the core has; prefix: of every public symbol."""

    graph: Graph
    core: str
    features: frozenset[str]
    steps: tuple[Step, ...]
    offsets: dict[Value, int]
    arena_bytes: int
    carries: tuple[tuple[Value, Value], ...] = ()
    peak: tuple[int, int] = (0, 0)

    @property
    def prefix(self) -> str:
        return self.graph.name


@dataclass(eq=False)
class _Buffer:
    """A piece of the arena: alive from step ``first`` through ``last``."""

    bytes: int
    first: int
    last: int
    offset: int = -1


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
    steps = _choose(graph, core, features, backend, schedules or {})
    offsets, scratch, size, peak = _layout(graph, steps)
    steps = tuple(replace(s, scratch_offset=scratch.get(s, 0)) for s in steps)
    carries = _carries(graph, offsets)
    return Plan(graph, core, features, steps, offsets, size, carries, peak)


def workload(node: Node, kernel: Kernel, core: str) -> str:
    """What the cycles of a TVM kernel depend on: the kernel, the core, the operator with its
    attributes and the shapes."""
    shapes = ", ".join(str(v.type) for v in node.inputs)
    return f"{kernel.name} on {core}: {node.op} of {shapes} -> {node.output.type}"


def _choose(
    graph: Graph,
    core: str,
    features: frozenset[str],
    backend: str | Sequence[str],
    schedules: Mapping[str, Schedule],
) -> tuple[Step, ...]:
    steps: list[Step] = []
    known: dict[tuple[str, bytes], np.ndarray] = {}

    def shared(constant: Constant) -> Constant:
        """With the array of an equal one before it, if there is any: it is held once."""
        data = known.setdefault(constant.contents, constant.data)
        return constant if data is constant.data else replace(constant, data=data)

    for node in graph.nodes:
        if node.op.view:
            continue
        index = len(steps)
        by_tvm = (backend if isinstance(backend, str) else backend[index]) == "tvm"
        rejected = [
            (note.form, note.reason)
            for note in graph.missed
            if note.origin == node.origin and isinstance(node.op, note.op)
        ]
        if by_tvm and not node.op.tir:
            rejected.append(("tvm", f"{type(node.op).__name__} has no TIR form"))
        for kernel in (*(node.op.tir if by_tvm else ()), *node.op.kernels):
            missing = kernel.requires - features
            reason = (
                f"the core has no {', '.join(sorted(missing))}" if missing else kernel.reject(node)
            )
            if reason is None:
                break
            rejected.append((kernel.name, reason))
        else:
            raise CompileError(
                "E306", node.origin,
                "no kernel computes it: " + "; ".join(f"{n}: {r}" for n, r in rejected),
                "use int8 or float32 types as docs/operators.md lists them",
            )  # fmt: skip
        schedule: Schedule | None = None
        if kernel.schedules is None or kernel.scheduled is None:
            binding = kernel.bind(node)
        else:
            schedule = _schedule(node, kernel, core, schedules)
            binding = kernel.scheduled(node, schedule)
        binding = replace(binding, constants=tuple(shared(c) for c in binding.constants))
        name = _layer_name(node)
        symbol = f"{graph.name}_{index}_{name}"
        steps.append(
            Step(
                index, node, kernel, binding, tuple(rejected), name, symbol, schedule=schedule
            )
        )  # fmt: skip
    return tuple(steps)


def _schedule(node: Node, kernel: Kernel, core: str, schedules: Mapping[str, Schedule]) -> Schedule:
    """The schedule found for a workload if it is still one of the kernel's, else the default."""
    assert kernel.schedules is not None
    allowed = kernel.schedules(node)
    found = schedules.get(workload(node, kernel, core))
    return found if found in allowed else allowed[0]


def _layer_name(node: Node) -> str:
    """A short identifier: the last telling part of the output's name, else the operator's."""
    parts = [p for p in node.outputs[0].name.split(";")[0].split("/") if p]
    op = identifier(type(node.op).__name__)
    generic = (
        "biasadd",
        "relu",
        "relu6",
        "conv2d",
        "matmul",
        "add",
        "fusedbatchnormv3",
        "fusedbatchnorm",
    )
    telling = [p for p in parts if identifier(p) not in generic]
    return identifier(telling[-1])[:24].strip("_") if telling else op


def _aliases(graph: Graph) -> dict[Value, Value]:
    """Value -> the value whose bytes it shares because its node only renames them."""
    aliases: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op.view and not node.inputs[0].constant:
            source = node.inputs[0]
            aliases[node.output] = aliases.get(source, source)
    return aliases


def _layout(
    graph: Graph, steps: tuple[Step, ...]
) -> tuple[dict[Value, int], dict[Step, int], int, tuple[int, int]]:
    """Offsets of values and of steps' scratch, the arena's bytes, and `Plan.peak`."""
    aliases = _aliases(graph)

    def root(value: Value) -> Value:
        return aliases.get(value, value)

    end = len(steps)
    buffers: dict[Value, _Buffer] = {}
    for value in graph.sources:
        buffers[value] = _Buffer(value.type.bytes, -1, -1)
    scratch: dict[Step, _Buffer] = {}
    last_use: dict[Value, int] = {}
    for step in steps:
        for value in step.node.variable_inputs:
            last_use[root(value)] = step.index
    outputs = {root(v) for v in graph.results}
    for value in graph.outputs:
        if value.constant:  # written once at the end of the run
            buffers[value] = _Buffer(value.type.bytes, -1, end)
    entries = {state.entry: last_use.get(state.entry, -1) for state in graph.states}
    for value in (*outputs, *entries):
        last_use[value] = end
    for step in steps:
        for value in step.node.outputs:
            first = step.index
            buffers[value] = _Buffer(value.type.bytes, first, first)
        if step.binding.scratch:
            scratch[step] = _Buffer(step.binding.scratch, step.index, step.index)
    for value, buffer in buffers.items():
        buffer.last = max(last_use.get(value, buffer.first), buffer.first)

    # A state's exit is written where its entry lies, if that has been read by then.
    merged: dict[Value, Value] = {}
    for state in graph.states:
        target = root(state.exit)
        if (
            target in buffers
            and target not in merged
            and buffers[target].first > entries[state.entry]
        ):
            merged[target] = state.entry

    # An output takes over the buffer of an input that dies there.

    def home(value: Value) -> Value:
        value = root(value)
        while value in merged:
            value = merged[value]
        return value

    for step in steps:
        if step.binding.inplace is None:
            continue
        source = home(step.node.variable_inputs[step.binding.inplace])
        target = step.node.outputs[0]
        if target in merged:
            continue
        a, b = buffers[source], buffers[target]
        if a.last == step.index and b.bytes <= a.bytes and source not in outputs:
            a.last = b.last
            merged[target] = source
            if target in outputs:
                outputs.add(source)
    live = [b for v, b in buffers.items() if v not in merged] + list(scratch.values())
    size = _pack(live)
    offsets = {}
    for value in [*buffers, *aliases]:
        offsets[value] = buffers[home(value)].offset
    when, alive = _most_alive(live)
    peak = min(max(when, 0), max(end - 1, 0)), alive
    return offsets, {s: b.offset for s, b in scratch.items()}, size, peak


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


def _pack(buffers: list[_Buffer]) -> int:
    """Give each buffer the lowest offset at which nothing alive beside it lies, trying several
    orders and keeping the best. Returns the size of the arena in bytes."""
    _, lower = _most_alive(buffers)
    orders = [
        lambda b: (-b.bytes, b.first),
        lambda b: (-(b.last - b.first), -b.bytes),
        lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.bytes),
        lambda b: (-b.last, -b.bytes),
    ]
    best: tuple[int, list[int]] | None = None
    for key in orders:
        _place(sorted(buffers, key=key))
        size = max((_round(b.offset + b.bytes) for b in buffers), default=0)
        if best is None or size < best[0]:
            best = size, [b.offset for b in buffers]
        if size == lower:
            break
    assert best is not None
    for buffer, offset in zip(buffers, best[1], strict=True):
        buffer.offset = offset
    return best[0]


def _most_alive(buffers: Sequence[_Buffer]) -> tuple[int, int]:
    """The first step in which most bytes are alive, and their number: no arena is smaller."""
    change: dict[int, int] = {}
    for b in buffers:
        change[b.first] = change.get(b.first, 0) + _round(b.bytes)
        change[b.last + 1] = change.get(b.last + 1, 0) - _round(b.bytes)
    times = sorted(change)
    alive = accumulate(change[t] for t in times)
    return max(zip(times, alive, strict=True), key=lambda pair: pair[1], default=(0, 0))


def _place(buffers: Sequence[_Buffer]) -> None:
    """Give each buffer in turn the lowest offset beside those before it.

    In numpy, since each meets all before it: with thousands of layers that is what counts.
    """
    # Columns of what is placed, sorted by offset: offset, end, first, last.
    placed = np.empty((4, len(buffers)), np.int64)
    for count, buffer in enumerate(buffers):
        offset, end, first, last = placed[:, :count]
        beside = (first <= buffer.last) & (last >= buffer.first)
        # Below each neighbour it may start where all neighbours before that one have ended.
        starts = np.maximum.accumulate(np.append(0, end[beside]))
        fits = starts[:-1] + buffer.bytes <= offset[beside]
        buffer.offset = int(starts[fits.argmax() if fits.any() else -1])
        at = int(offset.searchsorted(buffer.offset, "right"))
        placed[:, at + 1 : count + 1] = placed[:, at:count]
        placed[:, at] = (
            buffer.offset, _round(buffer.offset + buffer.bytes), buffer.first, buffer.last
        )  # fmt: skip


def _round(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
