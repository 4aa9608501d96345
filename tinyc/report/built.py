"""What a build came to: its sizes, and what the plan says of layers, arena and graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ..ir import Graph, Value
from ..ir.ports import Port, input_ports, output_ports
from ..plan.arena import aliases
from ..plan.plan import Buffer, held
from ..plan.rows import height, row_bytes
from .exits import early_exit
from .facts import Report, layer_facts, port_facts
from .schema import SCHEMA_VERSION
from .weights import weights

if TYPE_CHECKING:
    from ..image.build import Image
    from ..plan import Plan, Step
    from ..target.boards import Board


class _Names:
    """The numbers of values in a graph's text; a view of another has that one's."""

    def __init__(self, graph: Graph) -> None:
        self.views, self.names = aliases(graph), graph.names()

    def source(self, value: Value) -> Value:
        return self.views.get(value, value)

    def __getitem__(self, value: Value) -> str:
        return self.names[self.source(value)]


def build_report(plan: Plan, image: Image, board: Board) -> Report:
    """The object of ``tinyc build --json``; sizes in bytes, of the linked ELF."""
    binary = any(s.binary_macs for s in plan.steps)
    lowered = any(s.backend == "tvm" or s.cycles for s in plan.steps)
    fed, names = plan.fed, _Names(plan.graph)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": plan.graph.name,
        "board": board.name,
        "board_title": board.title,
        "core": board.core.name,
        "core_title": board.core.title,
        "toolchain": image.toolchain,
        "flash_bytes": image.flash_bytes,
        "ram_bytes": image.ram_bytes,
        "arena_bytes": plan.arena_bytes,
        "stack_bytes": image.stack_bytes,
        "fits": image.fits,
        "inputs": [
            {**port_facts(port), "value": names[port.value]} for port in input_ports(plan.graph)
        ],
        "outputs": [
            {**port_facts(port), "value": names[port.value]} for port in output_ports(plan.graph)
        ],
        **({"frames": asdict(plan.graph.frames)} if plan.graph.frames else {}),
        **({"feed": {"rows": height(fed), "row_bytes": row_bytes(fed)}} if fed else {}),
        **early_exit(plan),
        "memories": [
            {
                "name": m.name,
                "kind": m.kind,
                "used_bytes": image.used[m.name],
                "size_bytes": m.size,
                "parts": [{"name": k, "bytes": v} for k, v in image.parts[m.name].items() if v],
            }
            for m in board.memory
        ],
        "arena": _arena(plan, names),
        "calls": [asdict(frame) for frame in image.calls],
        "layers": [
            {
                **layer_facts(step, binary),
                **(_backend(step) if lowered else {}),
                "constant_bytes": sum(c.data.nbytes for c in step.binding.constants),
                **_flow(step, names),
                **({"weights": asdict(known)} if (known := weights(step)) else {}),
                "rejected": [{"kernel": k, "reason": r} for k, r in step.rejected],
            }
            for step in plan.steps
        ],
    }


def _ports(ports: Sequence[Port], names: _Names) -> list[dict[str, Any]]:
    return [{**port_facts(port), "value": names[port.value]} for port in ports]


def _arena(plan: Plan, names: _Names) -> dict[str, Any]:
    """What lies where in the arena, and while which layers run."""
    layer, most = plan.peak
    return {
        "peak_layer": layer if plan.steps else None,
        "peak_bytes": most,
        "buffers": [
            {
                "offset": buffer.offset,
                "bytes": buffer.bytes,
                "first": buffer.first,
                "last": buffer.last,
                "holds": held(_without_views(buffer, names), names.names),
                "values": [v.name for v in buffer.values],
            }
            for buffer in sorted(plan.buffers, key=lambda b: (b.offset, b.first))
            if buffer.bytes
        ],
        "by_rows": [{"first": c.first, "last": c.last} for c in plan.chains],
    }


def _without_views(buffer: Buffer, names: _Names) -> Buffer:
    return replace(buffer, values=tuple(dict.fromkeys(map(names.source, buffer.values))))


def _flow(step: Step, names: _Names) -> dict[str, Any]:
    """What a layer reads and what it makes, by the numbers that values have."""
    return {
        "reads": [names[v] for v in step.node.variable_inputs],
        "writes": [
            {
                "value": names[v],
                "name": v.name,
                "shape": list(v.type.shape),
                "dtype": v.type.dtype.numpy.name,
            }
            for v in step.node.outputs
        ],
    }


def _backend(step: Step) -> dict[str, Any]:
    """What lowered a layer and with which schedule, where TVM was asked; for ``auto`` also the
    cycles of both."""
    schedule = step.schedule or {}
    return {
        "backend": step.backend,
        "schedule": ", ".join(f"{k} {v}" for k, v in schedule.items()),
        **{f"{name}_cycles": cycles for name, cycles in step.cycles.items()},
    }
