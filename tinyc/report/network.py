"""Graphs and plans as JSON objects: what ``tinyc show`` prints, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir import Graph, Value
from ..ir.printer import attributes, operator
from ..plan import Plan


def facts(stages: Mapping[str, Graph | Plan]) -> dict[str, Any]:
    """The object of ``tinyc show --json``: each stage by its name, with what it left."""
    return {
        "stages": [
            {"stage": name, **(_plan(made) if isinstance(made, Plan) else _graph(made))}
            for name, made in stages.items()
        ]
    }


def _graph(graph: Graph) -> dict[str, Any]:
    names = graph.names()
    return {
        "graph": {
            "model": graph.name,
            "inputs": [names[v] for v in graph.inputs],
            "outputs": [names[v] for v in graph.outputs],
            "states": [{"entry": names[s.entry], "exit": names[s.exit]} for s in graph.states],
            "nodes": [
                {
                    "op": operator(node.op),
                    "attributes": attributes(node.op),
                    "inputs": [names[v] for v in node.inputs],
                    "outputs": [names[v] for v in node.outputs],
                    "origin": node.origin,
                }
                for node in graph.nodes
            ],
            "values": {name: _value(value) for value, name in names.items()},
        }
    }


def _value(value: Value) -> dict[str, Any]:
    type, quant = value.type, value.type.quant
    facts = {"name": value.name, "shape": list(type.shape), "dtype": type.dtype.numpy.name}
    if quant is None:
        return facts
    return {**facts, "scale": list(quant.scale), "zero_point": list(quant.zero_point)}


def _plan(plan: Plan) -> dict[str, Any]:
    names = plan.graph.names()
    return {
        "plan": {
            "model": plan.prefix,
            "core": plan.core,
            "features": sorted(plan.features),
            "layers": [
                {
                    "index": step.index,
                    "name": step.name,
                    "kernel": step.kernel.name,
                    "inputs": [names[v] for v in step.node.variable_inputs],
                    "outputs": [names[v] for v in step.node.outputs],
                    "macs": step.macs,
                    "constant_bytes": sum(c.data.nbytes for c in step.binding.constants),
                    "rejected": [{"kernel": k, "reason": r} for k, r in step.rejected],
                }
                for step in plan.steps
            ],
            "chains": [
                {
                    "first_layer": chain.first,
                    "last_layer": chain.last,
                    "rows": chain.most,
                    "held": {names[value]: ring.rows for value, ring in chain.rings.items()},
                }
                for chain in plan.chains
            ],
            "arena_bytes": plan.arena_bytes,
            "peak_bytes": plan.peak[1],
            "peak_layer": plan.peak[0],
            "buffers": [
                {
                    "offset": buffer.offset,
                    "bytes": buffer.bytes,
                    "first_layer": buffer.first,
                    "last_layer": buffer.last,
                    "values": [names[v] for v in buffer.values],
                }
                for buffer in plan.buffers
            ],
        }
    }
