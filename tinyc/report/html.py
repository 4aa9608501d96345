"""Reports as a page of HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..plan import Plan
from ..target.boards import Board
from .drawing import arena, graph
from .facts import Report
from .shown import outputs, worst
from .table import is_worst_case
from .templates import rendered
from .verdicts import Verdict


def page(reports: Mapping[str, Report], checks: Sequence[Verdict] = ()) -> str:
    """A build and what else is known of it as one HTML page that needs no other file. reports:
    ``build``, and of the others of `tinyc.report.json.SECTIONS` those that there are; checks: what
    was expected."""
    known = (reports.get(key) for key in ("build", "test", "profile", "verify"))
    build, test, profile, verify = known
    assert build is not None
    counted = profile or test or {}
    found = arena(build)
    weighted = [layer for layer in build["layers"] if "weights" in layer]
    most = max((layer["constant_bytes"] for layer in weighted), default=0) or 1
    title = f"{build['model']} on {build['board_title']}"
    parts = {
        "verdict": "Verdict",
        "sizes": "Sizes",
        "time": "Time" if profile else "",
        "memory": "Memory" if found else "",
        "stack": "Stack",
        "weights": "Weights" if weighted else "",
        "outputs": "Outputs" if test else "",
        "stages": "Stages" if verify else "",
        "graph": "Graph",
        "kernels": "Kernels",
        "sources": "Sources",
    }
    return rendered(
        "report",
        title=title,
        build=build,
        test=test,
        verify=verify,
        outputs=outputs(test) if test else [],
        worst=worst(test) if test else [],
        checks=checks,
        failed=[check for check in checks if check.error is not None],
        parts=[(id, text) for id, text in parts.items() if text],
        cards=list(_cards(build, test, counted)),
        warnings=list(dict.fromkeys([*build["warnings"], *(test or {}).get("warnings", [])])),
        memories=[_memory(memory) for memory in build["memories"] if memory["used_bytes"]],
        time=_time(profile) if profile else None,
        arena=found,
        seen_stack=(test or {}).get("stack_bytes"),
        weights=[{**layer, "part": layer["constant_bytes"] / most} for layer in weighted],
        graph=graph(build),
        sources=list(_sources(build, test, counted)),
        missing=list(_missing(build, test, profile, verify)),
    )


def _cards(
    build: Report, test: Report | None, counted: Mapping[str, Any]
) -> Iterator[dict[str, str]]:
    """What one asks first."""

    def card(name: str, value: str, note: str = "") -> dict[str, str]:
        return {"name": name, "value": value, "note": note}

    for key, name in (("flash", "flash"), ("ram", "RAM")):
        yield card(name, f"{build[f'{key}_bytes']:,}", "bytes")
    worst = ", worst case" if is_worst_case(counted) else ""
    if counted.get("cycles") is not None:
        yield card(f"cycles{worst}", f"{counted['cycles']:,}", "modelled, zero wait states")
    spent = counted.get("board_milliseconds", counted.get("milliseconds"))
    if spent is not None:
        yield card(f"time{worst}", f"{spent:.3g} ms", f"at {counted['clock_hz'] / 1e6:g} MHz")
    if counted.get("measured_milliseconds") is not None:
        error = counted.get("model_error_percent")
        note = "on the board" + ("" if error is None else f", the model is {error:+.1f} % off")
        yield card("time measured", f"{counted['measured_milliseconds']:.3g} ms", note)
    if counted.get("energy_microjoules") is not None:
        yield card("energy", f"{counted['energy_microjoules']:,.0f} \u00b5J", "estimated")
    if test is None:
        return
    if test["accuracy"] is not None:
        yield card("accuracy", f"{100 * test['accuracy']:.1f} %", f"{test['samples']:,} samples")
    elif "agreement" in test:
        yield card("agreement", f"{100 * test['agreement']:.1f} %", "with the model as given")
    yield card("mismatches", f"{test['mismatches']:,}", f"of {test['samples']:,} samples")


_COLORS = {
    "code": "a", "constants": "c", "initial values": "e", "arena": "b", "variables": "e",
    "stack": "d",
}  # fmt: skip


def _memory(memory: Mapping[str, Any]) -> dict[str, Any]:
    """With the place of each part on a bar of 1,000."""
    parts, at = [], 0.0
    for part in memory["parts"]:
        width = round(1000 * part["bytes"] / memory["size_bytes"], 2)
        parts.append({**part, "x": round(at, 2), "width": width, "color": _COLORS[part["name"]]})
        at += width
    return {**memory, "parts": parts}


def _time(profile: Report) -> dict[str, Any]:
    """Cycles of each layer, or instructions where the emulator counts no cycles."""
    key = "instructions" if profile["cycles"] is None else "cycles"
    source = (
        profile["cycles_source"] if key == "cycles" else f"instructions ({profile['emulator']})"
    )
    layers = []
    for layer in profile["layers"]:
        macs = layer["macs"] + layer.get("binary_macs", 0)
        count = layer[key] or 0
        layers.append(
            {**layer, "macs": macs, "count": count, "each": count / macs if macs else None}
        )
    total = sum(layer["count"] for layer in layers) or 1
    most = max((layer["count"] for layer in layers), default=0) or 1
    slowest = max((layer["each"] or 0 for layer in layers), default=0) or 1
    for layer in layers:
        layer |= {
            "share": layer["count"] / total,
            "part": layer["count"] / most,
            "each_part": (layer["each"] or 0) / slowest,
        }
    rest = f"; {profile[key] - total:,} lie between the layers" if profile[key] else ""
    return {"unit": key, "caption": f"{source}, of one inference{rest}.", "layers": layers}


def _sources(
    build: Report, test: Report | None, counted: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What is said of where numbers come from, by what they are."""
    yield "flash, RAM", f"the ELF as linked by {build['toolchain']}"
    yield "stack", "the call graph of the image's machine code, from reset on"
    yield "arena", "the plan, which the firmware's array is as large as"
    if counted.get("instructions") is not None:
        counter = counted.get("counted_by") or counted["emulator"]
        yield "instructions", f"executed ones, counted by {counter}"
    for key, what in (
        ("cycles_source", "cycles"),
        ("board_cycles_source", "cycles of the board"),
        ("energy_source", "energy"),
        ("measured_source", "cycles measured"),
    ):
        if counted.get(key):
            yield what, counted[key]
    if test is not None:
        where = f"in {test['emulator']}, {test['samples']:,} samples"
        yield "outputs", f"the firmware {where} of {test['data'] or 'seeded random numbers'}"
        yield "mismatches", "against the numpy reference of the network"


def _missing(
    build: Report, test: Report | None, profile: Report | None, verify: Report | None
) -> Iterator[tuple[str, str]]:
    """What the report could tell besides, and the command that measures it."""
    rest = f"MODEL --board {build['board']}"
    if profile is None:
        yield "time by layer", f"tinyc profile {rest}"
    if verify is None:
        yield "where a wrong number comes from", f"tinyc verify {rest} --bisect"
    if test is None or test["data"] is None:
        yield "accuracy", f"tinyc test {rest} --data samples.npz"


def summary(plan: Plan, board: Board, reports: Mapping[str, Report]) -> str:
    """What a notebook shows of a model on a board: its sizes, what is known of its accuracy and
    cycles, its layers. reports: ``build``, ``test`` and ``profile``, of those that were made."""
    build, test, profile = (reports.get(key, {}) for key in ("build", "test", "profile"))
    facts = [("arena", f"{plan.arena_bytes:,} bytes")]
    facts += [
        (key, f"{build[f'{key}_bytes']:,} bytes")
        for key in ("flash", "ram", "stack")
        if f"{key}_bytes" in build
    ]
    if test:
        facts.append(("mismatches", f"{test['mismatches']:,} of {test['samples']:,} samples"))
        if "early_exit" in test:
            facts.append(("left early", f"{test['early_exit']['share']:.2%}"))
        known = ((key, test.get(key)) for key in ("accuracy", "agreement"))
        facts += [(key, f"{value:.4f}") for key, value in known if value is not None]
    counts = ("instructions", "cycles")
    if profile:
        facts += [(key, f"{profile[key]:,}") for key in counts]
    layers = [
        [step.name, type(step.node.op).__name__, step.kernel.name, f"{step.macs:,}"]
        for step in plan.steps
    ]
    for cells, layer in zip(layers, profile.get("layers", []), strict=False):
        cells += [f"{layer[key]:,}" for key in counts]
    heading = ["layer", "operator", "kernel", "MACs", *(counts if profile else ())]
    title = html.escape(f"{plan.graph.name} on {board.title}")
    return f"<b>{title}</b>{_table([], [list(f) for f in facts])}{_table(heading, layers)}"


def _table(heading: list[str], table: list[list[str]]) -> str:
    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    head = row(heading, "th") if heading else ""
    return f"<table>{head}{''.join(row(cells, 'td') for cells in table)}</table>"
