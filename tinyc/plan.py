"""Plan: Graph -> kernels, order and arena offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .errors import CompileError
from .frontends.tflite import identifier
from .ir import Graph, Node, Value
from .op import Binding, Kernel, Schedule

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
    constant; features: what the core has; prefix: of every public symbol."""

    graph: Graph
    core: str
    features: frozenset[str]
    steps: tuple[Step, ...]
    offsets: dict[Value, int]
    arena_bytes: int

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
    offsets, scratch, size = _layout(graph, steps)
    steps = tuple(replace(s, scratch_offset=scratch.get(s, 0)) for s in steps)
    return Plan(graph, core, features, steps, offsets, size)


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
    names: set[str] = set()
    for node in graph.nodes:
        if node.op.view:
            continue
        index = len(steps)
        by_tvm = (backend if isinstance(backend, str) else backend[index]) == "tvm"
        rejected = [
            (note.form, note.reason)
            for note in graph.notes
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
        name = _layer_name(node, names)
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


def _layer_name(node: Node, names: set[str]) -> str:
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
    name = identifier(telling[-1])[:24].strip("_") if telling else op
    names.add(name)
    return name


def _aliases(graph: Graph) -> dict[Value, Value]:
    """Value -> the value whose bytes it shares because its node only renames them."""
    aliases: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op.view and not node.inputs[0].constant:
            source = node.inputs[0]
            aliases[node.output] = aliases.get(source, source)
    return aliases


def _layout(graph: Graph, steps: tuple[Step, ...]) -> tuple[dict[Value, int], dict[Step, int], int]:
    aliases = _aliases(graph)

    def root(value: Value) -> Value:
        return aliases.get(value, value)

    end = len(steps)
    buffers: dict[Value, _Buffer] = {}
    for value in graph.inputs:
        buffers[value] = _Buffer(value.type.bytes, -1, -1)
    scratch: dict[Step, _Buffer] = {}
    last_use: dict[Value, int] = {}
    for step in steps:
        for value in step.node.variable_inputs:
            last_use[root(value)] = step.index
    outputs = {root(v) for v in graph.outputs}
    for value in outputs:
        if value.constant:  # written once at the end of the run
            buffers[value] = _Buffer(value.type.bytes, -1, end)
    for value in outputs:
        last_use[value] = end
    for step in steps:
        for value in step.node.outputs:
            first = step.index
            buffers[value] = _Buffer(value.type.bytes, first, first)
        if step.binding.scratch:
            scratch[step] = _Buffer(step.binding.scratch, step.index, step.index)
    for value, buffer in buffers.items():
        buffer.last = max(last_use.get(value, buffer.first), buffer.first)

    # An output takes over the buffer of an input that dies there.
    merged: dict[Value, Value] = {}

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
    return offsets, {s: b.offset for s, b in scratch.items()}, size


def _pack(buffers: list[_Buffer]) -> int:
    """Give each buffer the lowest offset at which nothing alive beside it lies, trying several
    orders and keeping the best. Returns the size of the arena in bytes."""
    lower = max(
        (
            sum(_round(b.bytes) for b in buffers if b.first <= t <= b.last)
            for t in {b.first for b in buffers}
        ),
        default=0,
    )
    orders = [
        lambda b: (-b.bytes, b.first),
        lambda b: (-(b.last - b.first), -b.bytes),
        lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.bytes),
        lambda b: (-b.last, -b.bytes),
    ]
    best: tuple[int, list[int]] | None = None
    for key in orders:
        placed: list[_Buffer] = []
        for buffer in sorted(buffers, key=key):
            offset = 0
            for other in sorted(
                (o for o in placed if o.first <= buffer.last and buffer.first <= o.last),
                key=lambda o: o.offset,
            ):
                if offset + buffer.bytes <= other.offset:
                    break
                offset = max(offset, _round(other.offset + other.bytes))
            buffer.offset = offset
            placed.append(buffer)
        size = max((_round(b.offset + b.bytes) for b in buffers), default=0)
        if best is None or size < best[0]:
            best = size, [b.offset for b in buffers]
        if size == lower:
            break
    assert best is not None
    for buffer, offset in zip(buffers, best[1], strict=True):
        buffer.offset = offset
    return best[0]


def _round(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
