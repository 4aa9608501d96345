"""Plans as text that a person reads: the kernel of each layer, then the arena.

The numbers of values are those that the plan's graph has in its own text.
"""

from __future__ import annotations

from ..ir.printer import Names, few, line
from .plan import Buffer, Plan, Step


def text(plan: Plan) -> str:
    """All of a plan: its layers with the kernels and forms that were not taken, what lies where
    in the arena and while which layers run, and what is alive where that is most."""
    names = Names(plan.graph)
    features = ", ".join(sorted(plan.features)) or "no extensions"
    calls = "1 layer" if len(plan.steps) == 1 else f"{len(plan.steps)} layers"
    lines = [line(f"plan {plan.prefix} for {plan.core} ({features}): {calls}", indent=0)]
    for step in plan.steps:
        lines.append(_step(step, names))
        if step.rejected:
            reasons = "; ".join(f"{form}: {reason}" for form, reason in step.rejected)
            lines.append(line(f"not {reasons}", indent=6))
    lines.append(f"  arena of {plan.arena_bytes:,} bytes")
    for buffer in sorted(plan.buffers, key=lambda b: (b.offset, b.first)):
        lines.append(_buffer(buffer, names, len(plan.steps)))
    lines += [f"  copy {names[exit]} to {names[entry]} after a run" for exit, entry in plan.carries]
    if plan.steps:
        lines.append(_peak(plan, names))
    return "\n".join(lines)


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
    return line(f"{place}  {_held(buffer, names)}", indent=4)


def _peak(plan: Plan, names: Names) -> str:
    index, most = plan.peak
    alive = [b for b in plan.buffers if b.first <= index <= b.last and b.bytes]
    alive.sort(key=lambda b: -b.bytes)
    parts = few([f"{b.bytes:,} for {_held(b, names)}" for b in alive])
    return line(f"most at once: {most:,} bytes in layer {index}: {parts}", plan.steps[index].name)


def _held(buffer: Buffer, names: Names) -> str:
    """What lies in a piece of the arena, one after the other."""
    return " then ".join(names[v] for v in buffer.values) or "scratch"
