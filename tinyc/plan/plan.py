"""What the planner hands to the emitter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..ir import Graph, Value
from ..ir.printer import Names, few, line
from .chain import Chain
from .step import Step

ALIGN = 8
"""Alignment in bytes of the arena and of every buffer in it."""


def aligned(size: int) -> int:
    """So many bytes, up to where the next buffer may begin."""
    return -(-size // ALIGN) * ALIGN


@dataclass(frozen=True, eq=False)
class Buffer:
    """A piece of the arena, ``bytes`` from ``offset`` on, in use from the step ``first`` through
    ``last``: -1 stands for what is there before a run, the number of steps for what is read after
    it. values: what lies there, one after the other; none in the working memory of a step, where
    rows of a value wait for the next turn of a chain: parked, or where a chain that is fed keeps
    which rows there are: counted."""

    offset: int
    bytes: int
    first: int
    last: int
    values: tuple[Value, ...]
    parked: Value | None = None
    counted: bool = False


@dataclass(frozen=True, eq=False)
class Plan:
    """What the emitter prints. offsets: byte offset in the arena of each value that is not a
    constant; carries: (exit, entry) of each state that is copied when a run has ended, in an
    order in which none is read after it was written; peak: the step in which most of the arena is
    alive, and how many bytes of it, which no arena can be smaller than; buffers: what the arena
    holds; chains: which steps go by rows, in their order; parked: where, in bytes, rows of a value
    wait between turns; counted: where a chain that is fed, the first one then, keeps which rows
    there are; small: whether its code is to be small rather than fast; features: what the core has;
    prefix: of every public symbol."""

    graph: Graph
    core: str
    features: frozenset[str]
    steps: tuple[Step, ...]
    offsets: dict[Value, int]
    arena_bytes: int
    carries: tuple[tuple[Value, Value], ...] = ()
    peak: tuple[int, int] = (0, 0)
    buffers: tuple[Buffer, ...] = ()
    chains: tuple[Chain, ...] = ()
    parked: Mapping[Value, int] = field(default_factory=dict)
    counted: int = 0
    small: bool = False

    @property
    def prefix(self) -> str:
        return self.graph.name

    @property
    def fed(self) -> Value | None:
        """The input whose rows come one at a time; None where it comes as a whole."""
        return self.chains[0].fed if self.chains else None

    def __repr__(self) -> str:
        return f"<plan {self.prefix} for {self.core} of {len(self.steps)} layers>"

    def __str__(self) -> str:
        """As text that a person reads: its layers with the kernels and forms that were not taken,
        what lies where in the arena and while which layers run, and what is alive where that is
        most. Values are called as in the graph's own text."""
        names = self.graph.names()
        features = ", ".join(sorted(self.features)) or "no extensions"
        calls = "1 layer" if len(self.steps) == 1 else f"{len(self.steps)} layers"
        lines = [line(f"plan {self.prefix} for {self.core} ({features}): {calls}", indent=0)]
        begins = {chain.first: chain for chain in self.chains}
        for step in self.steps:
            if step.index in begins:
                lines.append(_chain(begins[step.index], names))
            lines.append(_step(step, names))
            if step.rejected:
                reasons = "; ".join(f"{form}: {reason}" for form, reason in step.rejected)
                lines.append(line(f"not {reasons}", indent=6))
        lines.append(f"  arena of {self.arena_bytes:,} bytes")
        for buffer in sorted(self.buffers, key=lambda b: (b.offset, b.first)):
            lines.append(_buffer(buffer, names, len(self.steps)))
        lines += [
            f"  copy {names[exit]} to {names[entry]} after a run" for exit, entry in self.carries
        ]
        if self.steps:
            lines.append(_peak(self, names))
        return "\n".join(lines)


def _chain(chain: Chain, names: Names) -> str:
    text = f"{chain.first} to {chain.last} by rows, {chain.most} at most at a time"
    if chain.fed is not None:
        text += f", fed with those of {names[chain.fed]}"
    held = ", ".join(f"{ring.rows} of {names[value]}" for value, ring in chain.rings.items())
    return line(f"{text}, holding {held}" if held else text)


def _step(step: Step, names: Names) -> str:
    read = few([names[v] for v in step.node.variable_inputs])
    made = few([names[v] for v in step.node.outputs])
    facts = []
    if step.schedule:
        facts.append("tvm " + " ".join(f"{k}={v}" for k, v in step.schedule.items()))
    if constants := sum(c.data.nbytes for c in step.binding.constants):
        facts.append(f"{constants:,} bytes of constants")
    if step.macs:
        facts.append(f"{step.macs:,} {'binary ' if step.binary_macs else ''}MACs")
    more = "".join(f", {fact}" for fact in facts)
    return line(f"{step.index} {step.kernel.name}: {read or 'nothing'} -> {made}{more}", step.name)


def _buffer(buffer: Buffer, names: Names, end: int) -> str:
    first = "start" if buffer.first < 0 else str(buffer.first)
    last = "end" if buffer.last >= end else str(buffer.last)
    alive = first if first == last else f"{first}..{last}"
    place = f"{buffer.offset:>9,}  {buffer.bytes:>9,} bytes  {alive:<11}"
    return line(f"{place}  {held(buffer, names)}", indent=4)


def _peak(plan: Plan, names: Names) -> str:
    index, most = plan.peak
    alive = [b for b in plan.buffers if b.first <= index <= b.last and b.bytes]
    alive.sort(key=lambda b: -b.bytes)
    parts = few([f"{b.bytes:,} for {held(b, names)}" for b in alive])
    common = sum(aligned(b.bytes) for b in alive) - most
    if common:
        parts += f", {common:,} in common"
    return line(f"most at once: {most:,} bytes in layer {index}: {parts}", plan.steps[index].name)


def held(buffer: Buffer, names: Names) -> str:
    """What lies in a piece of the arena, one after the other."""
    if buffer.counted:
        return "which rows there are"
    if buffer.parked is not None:
        return f"rows of {names[buffer.parked]} that wait"
    return " then ".join(names[v] for v in buffer.values) or "scratch"
