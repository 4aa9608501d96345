"""Reports and verdicts: Plan, Image, Trace -> JSON objects, Markdown, HTML, JUnit.

A report is a dictionary of JSON's own types. Its keys are an interface (``schema_version``);
the other forms are printed from it.
"""

from __future__ import annotations

import html
import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import dequantize
from .errors import CompileError, disk_error
from .folder import held, make_folder, mark, written

if TYPE_CHECKING:
    from .boards import Board
    from .build import Image
    from .config import Expect
    from .data import Samples
    from .ir import Graph
    from .plan import Plan, Step
    from .run import Trace

SCHEMA_VERSION = 1
Report = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One check of a test: passed if ``error`` is None."""

    name: str
    detail: str
    error: CompileError | None = None


def build_report(plan: Plan, image: Image, board: Board) -> Report:
    """The object of ``tinyc build --json``; sizes in bytes, of the linked ELF."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": plan.graph.name,
        "board": board.name,
        "core": board.core.name,
        "toolchain": image.toolchain,
        "flash_bytes": image.flash_bytes,
        "ram_bytes": image.ram_bytes,
        "arena_bytes": plan.arena_bytes,
        "stack_bytes": image.stack_bytes,
        "fits": image.fits,
        "memories": [
            {"name": m.name, "kind": m.kind, "used_bytes": image.used[m.name], "size_bytes": m.size}
            for m in board.memory
        ],
        "layers": [
            {
                **_layer(plan, step),
                **_backend(plan, step),
                "constant_bytes": sum(c.data.nbytes for c in step.binding.constants),
                "rejected": [{"kernel": k, "reason": r} for k, r in step.rejected],
            }
            for step in plan.steps
        ],
    }


def _backend(plan: Plan, step: Step) -> dict[str, Any]:
    """What lowered a layer and with which schedule, where TVM was asked; for ``auto`` also the
    cycles of both."""
    if all(s.backend == "templates" and not s.cycles for s in plan.steps):
        return {}
    schedule = step.schedule or {}
    return {
        "backend": step.backend,
        "schedule": ", ".join(f"{k} {v}" for k, v in schedule.items()),
        **{f"{name}_cycles": cycles for name, cycles in step.cycles.items()},
    }


def _layer(plan: Plan, step: Step) -> dict[str, Any]:
    """What every list of layers states; the bits of operands and the binary part of the MACs
    only for networks that have binary layers."""
    facts = {
        "index": step.index,
        "name": step.name,
        "op": type(step.node.op).__name__,
        "kernel": step.kernel.name,
    }
    if not any(s.binary_macs for s in plan.steps):
        return {**facts, "macs": step.macs}
    bits = 1 if step.binary_macs else 8 * step.node.inputs[0].type.dtype.size
    return {
        **facts,
        "bits": bits,
        "macs": step.macs - step.binary_macs,
        "binary_macs": step.binary_macs,
    }


def milliseconds(cycles: int | None, board: Board) -> float | None:
    """Modelled cycles at the board's clock, in ms."""
    return None if cycles is None else cycles / board.clock_hz * 1e3


def test_report(
    plan: Plan,
    board: Board,
    emulator: str,
    trace: Trace,
    samples: Samples,
    reference: Sequence[np.ndarray],
    original: Sequence[np.ndarray] | None = None,
) -> Report:
    """The object of ``tinyc test --json``.

    reference: for each output of the graph an array [n, *shape]; a mismatch is a sample of
    which any output differs in any bit. original: the same, as float32, of the float network
    that the graph was made from; agreement is the part of the samples whose greatest score
    stands at the same place, largest_difference is over all outputs. Instructions and cycles
    are of the first sample's inference, stack_bytes is the greatest depth seen.
    """
    outputs = split_outputs(plan.graph, trace.outputs)
    differs = np.zeros(len(samples), bool)
    for ours, truth in zip(outputs, reference, strict=True):
        a, b = (
            np.ascontiguousarray(x).reshape(len(samples), -1).view(np.uint8) for x in (ours, truth)
        )
        differs |= np.any(a != b, axis=1)
    report: Report = {
        "schema_version": SCHEMA_VERSION,
        "model": plan.graph.name,
        "board": board.name,
        "core": board.core.name,
        "emulator": emulator,
        "samples": len(samples),
        "mismatches": int(differs.sum()),
        "first_mismatch": int(differs.argmax()) if differs.any() else None,
        "accuracy": accuracy(outputs[0], samples.labels),
        "reference_accuracy": accuracy(reference[0], samples.labels),
        **_agreement(plan.graph, reference, original),
        "instructions": trace.instructions,
        "cycles": trace.cycles,
        "cycles_source": trace.cycles_source,
        "clock_hz": board.clock_hz,
        "milliseconds": milliseconds(trace.cycles, board),
        "stack_bytes": trace.stack_bytes,
    }
    return report


def _agreement(
    graph: Graph, reference: Sequence[np.ndarray], original: Sequence[np.ndarray] | None
) -> dict[str, float]:
    if original is None:
        return {}
    reals = [dequantize(y, v.type) for y, v in zip(reference, graph.outputs, strict=True)]
    tops = [np.reshape(y, (len(y), -1)).argmax(1) for y in (reals[0], original[0])]
    return {
        "agreement": float(np.mean(tops[0] == tops[1])),
        "largest_difference": max(
            float(np.abs(a - b.reshape(a.shape)).max())
            for a, b in zip(reals, original, strict=True)
        ),
    }


def profile_report(plan: Plan, board: Board, emulator: str, trace: Trace) -> Report:
    """The object of ``tinyc profile --json``: totals and each layer, of one inference."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": plan.graph.name,
        "board": board.name,
        "core": board.core.name,
        "emulator": emulator,
        **macs(plan),
        "instructions": trace.instructions,
        "cycles": trace.cycles,
        "cycles_source": trace.cycles_source,
        "clock_hz": board.clock_hz,
        "milliseconds": milliseconds(trace.cycles, board),
        "stack_bytes": trace.stack_bytes,
        "layers": [
            {
                **_layer(plan, step),
                "instructions": layer.instructions,
                "cycles": layer.cycles,
                **_per_binary_mac(plan, step, layer.cycles),
            }
            for step, layer in ((s, trace.layers[s.symbol]) for s in plan.steps)
        ],
    }


def macs(plan: Plan) -> dict[str, int | None]:
    """Multiply-accumulates of one inference: those of numbers, and those of signs if any."""
    binary = sum(step.binary_macs for step in plan.steps)
    return {"macs": sum(step.macs for step in plan.steps) - binary, "binary_macs": binary or None}


def _per_binary_mac(plan: Plan, step: Step, cycles: int | None) -> dict[str, Any]:
    """The cycles of each binary MAC, where a network has any; None for other layers."""
    if not any(s.binary_macs for s in plan.steps):
        return {}
    per_mac = round(cycles / step.binary_macs, 3) if step.binary_macs and cycles else None
    return {"cycles_per_binary_mac": per_mac}


def split_outputs(graph: Graph, rows: np.ndarray) -> list[np.ndarray]:
    """uint8 [n, bytes] -> for each output of ``graph`` an array [n, *shape] of its dtype."""
    arrays, at = [], 0
    for value in graph.outputs:
        piece = np.ascontiguousarray(rows[:, at : at + value.type.bytes])
        at += value.type.bytes
        little = value.type.dtype.numpy.newbyteorder("<")
        array = piece.view(little).astype(value.type.dtype.numpy)
        arrays.append(array.reshape(len(rows), *value.type.shape))
    assert at == rows.shape[1], (at, rows.shape)
    return arrays


def accuracy(output: np.ndarray, labels: np.ndarray | None) -> float | None:
    """The part of the samples whose greatest score (the first of equals) stands at the label;
    an output of one element is itself the class. None without labels."""
    if labels is None:
        return None
    scores = output.reshape(len(output), -1)
    if scores.shape[1] == 1:
        return float(np.mean(scores[:, 0] == labels))
    return float(np.mean(scores.argmax(axis=1) == labels))


def verdicts(expect: Expect, build: Report, test: Report | None = None) -> list[Verdict]:
    """Every check that the thresholds ask for, over a build and, if there was one, its test."""
    origin = f"{build['model']} on {build['board']}"
    found = []
    if test is not None:
        wrong, count = test["mismatches"], test["samples"]
        error = wrong and CompileError(
            "E501", origin,
            f"{wrong} of {count} samples differ from the reference, the first is "
            f"{test['first_mismatch']}",
            "this is a bug in tinyc or its compiler: report it with the model",
        )  # fmt: skip
        found.append(Verdict("bit_exact", f"{count - wrong} of {count} samples", error or None))
        if expect.min_accuracy is not None:
            found.append(_accuracy(origin, test["accuracy"], expect.min_accuracy))
        if expect.max_cycles is not None:
            found.append(_budget("E601", origin, "cycles", test["cycles"], expect.max_cycles))
        if expect.max_instructions is not None:
            name, most = "instructions", expect.max_instructions
            found.append(_budget("E604", origin, name, test[name], most))
    for id, name, key, limit in (
        ("E602", "flash", "flash_bytes", expect.max_flash),
        ("E603", "ram", "ram_bytes", expect.max_ram),
    ):
        if limit is not None:
            found.append(_budget(id, origin, name, build[key], limit))
    return found


def _accuracy(origin: str, value: float | None, least: float) -> Verdict:
    if value is None:
        error = CompileError(
            "E503", origin, "an accuracy is expected, the data has no labels",
            "pass --data with an array 'y'",
        )  # fmt: skip
        return Verdict("accuracy", "no labels", error)
    detail = f"{value:.4f} of at least {least:.4f}"
    error = CompileError("E502", origin, f"accuracy {value:.4f} is below {least:.4f}")
    return Verdict("accuracy", detail, error if value < least else None)


def _budget(id: str, origin: str, name: str, value: int | None, limit: int) -> Verdict:
    if value is None:
        error = CompileError(
            id, origin, f"this emulator counts no {name}", "use --emulator unicorn"
        )
        return Verdict(name, "not counted", error)
    over = value > limit
    what = f"{name} {value:,} is over the budget of {limit:,} by {value - limit:,}"
    return Verdict(
        name, f"{value:,} of at most {limit:,}", CompileError(id, origin, what) if over else None
    )


# Forms of a report -------------------------------------------------------------------------


def rows(report: Report) -> list[tuple[str, str]]:
    """The scalar entries of a report as (label, text), numbers with their unit and source."""
    source = report.get("cycles_source") or ""
    counted = f" ({report['emulator']})" if "emulator" in report else ""
    # The source is written as conventions have it: "cycles (modelled, ...)".
    notes = {"cycles": source.removeprefix("cycles"), "instructions": counted}
    found = []
    for key, value in report.items():
        if key == "memories":
            found += [
                (f"in {m['name']}", f"{m['used_bytes']:,} of {m['size_bytes']:,} bytes")
                for m in value
                if m["used_bytes"]
            ]
        if isinstance(value, (list, dict)) or key in (
            "schema_version",
            "cycles_source",
            "clock_hz",
        ):
            continue
        if value is None:
            continue
        name = key.removesuffix("_bytes").replace("_", " ")
        text = (
            f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        )
        if isinstance(value, bool):
            text = "yes" if value else "no"
        elif isinstance(value, float):
            text = f"{value:.4f}" if "accuracy" in key or key == "agreement" else f"{value:.3f}"
        if key.endswith("_bytes"):
            text += " bytes"
        if key == "milliseconds":
            text += f" (at {report['clock_hz'] / 1e6:g} MHz)"
        found.append((name, text + notes.get(key, "")))
    return found


def layer_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """The layers as a heading and rows of text; empty where there are none."""
    layers = report.get("layers", [])
    if not layers:
        return [], []
    heading = [key for key in layers[0] if key != "rejected"]
    has_notes = any(layer.get("rejected") for layer in layers)
    table = []
    for layer in layers:
        row = [_table_cell(k, v) for k, v in layer.items() if k != "rejected"]
        if has_notes:
            row.append("; ".join(f"{r['kernel']}: {r['reason']}" for r in layer["rejected"]))
        table.append(row)
    return [*heading, *(["not taken"] if has_notes else [])], table


def _table_cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if key == "accuracy" else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def comparison(reports: Sequence[tuple[Report, Report, Mapping[str, int | None]]]) -> Report:
    """The object of ``tinyc compare --json`` out of each model's build and test, and `macs`."""
    builds = [build for build, _, _ in reports]
    return {
        "schema_version": SCHEMA_VERSION,
        "board": builds[0]["board"],
        "core": builds[0]["core"],
        "toolchain": builds[0]["toolchain"],
        "emulator": reports[0][1]["emulator"],
        "samples": reports[0][1]["samples"],
        "cycles_source": reports[0][1]["cycles_source"],
        "models": [
            {
                "model": build["model"],
                "macs": counts["macs"],
                "binary_macs": counts["binary_macs"] or 0,
                "accuracy": test["accuracy"],
                "mismatches": test["mismatches"],
                "flash_bytes": build["flash_bytes"],
                "ram_bytes": build["ram_bytes"],
                "cycles": test["cycles"],
                "milliseconds": test["milliseconds"],
            }
            for build, test, counts in reports
        ],
    }


def markdown(reports: Mapping[str, Report]) -> str:
    """``reports`` (title -> report) as Markdown."""
    lines = []
    for title, report in reports.items():
        lines += [f"## {title}", "", "| what | value |", "| --- | --- |"]
        lines += [f"| {k} | {_cell(v)} |" for k, v in rows(report)]
        heading, table = layer_table(report)
        if table:
            lines += ["", f"| {' | '.join(heading)} |", f"|{' --- |' * len(heading)}"]
            lines += [f"| {' | '.join(map(_cell, row))} |" for row in table]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(reports: Mapping[str, Report]) -> str:
    """``reports`` as one HTML page that needs no other file."""
    body = []
    for title, report in reports.items():
        body.append(f"<h2>{html.escape(title)}</h2>{_table([], [list(r) for r in rows(report)])}")
        heading, table = layer_table(report)
        if table:
            body.append(_table(heading, table))
    style = "body{font:15px sans-serif;margin:2em}td,th{padding:2px 10px;text-align:left}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>tinyc</title>'
        f"<style>{style}</style>{''.join(body)}</html>\n"
    )


def _table(heading: list[str], table: list[list[str]]) -> str:
    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    head = row(heading, "th") if heading else ""
    return f"<table>{head}{''.join(row(cells, 'td') for cells in table)}</table>"


def junit(suite: str, checks: Sequence[Verdict]) -> str:
    """The verdicts as one JUnit test suite."""
    failures = sum(check.error is not None for check in checks)
    root = ET.Element(
        "testsuite", name=suite, tests=str(len(checks)), failures=str(failures), errors="0"
    )
    for check in checks:
        case = ET.SubElement(root, "testcase", classname=suite, name=check.name)
        if check.error is not None:
            ET.SubElement(case, "failure", type=check.error.id, message=str(check.error))
        ET.SubElement(case, "system-out").text = check.detail
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def write(
    folder: Path, reports: Mapping[str, Report], checks: Sequence[Verdict], suite: str
) -> None:
    """Write report.json, report.md, report.html and junit.xml; each appears whole or not at all.
    Other files in ``folder`` stay. Raises CompileError E8xx (the disk)."""
    texts = {
        "report.json": json.dumps(reports, indent=2) + "\n",
        "report.md": markdown(reports),
        "report.html": page(reports),
        "junit.xml": junit(suite, checks),
    }
    try:
        make_folder(folder.parent)
        with held(folder.parent):  # the build around it stays the one that it is of
            make_folder(folder)
            for name, text in texts.items():
                with written(folder / name) as file:
                    file.write(text.encode())
            mark(folder, "report", texts)
    except OSError as error:
        raise disk_error(error, folder) from None
