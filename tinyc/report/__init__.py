"""Reports and verdicts: Plan, Image, Trace -> JSON objects, Markdown, HTML, JUnit.

A report is a dictionary of JSON's own types. Its keys are an interface (``schema_version``);
the other forms are printed from it.
"""

from __future__ import annotations

import html
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CompileError, disk_error, printable
from ..files.folder import held, make_folder, mark, written
from ..ir.ports import Port, input_ports, output_ports
from ..ir.quant import dequantize
from ..plan.heads import RULES, Head, classifiers, deviation, heads, norms, rules

if TYPE_CHECKING:
    from ..compile import Compiled
    from ..image.build import Image
    from ..ir import Graph
    from ..plan import Plan, Step
    from ..run import Trace
    from ..run.data import Samples
    from ..settings import Expect
    from ..target.boards import Board

SCHEMA_VERSION = 1
Report = dict[str, Any]
_FEW = 10
"""Different inputs of which one answer to all is nothing odd."""


@dataclass(frozen=True)
class Verdict:
    """One check of a test: passed if ``error`` is None."""

    name: str
    detail: str
    error: CompileError | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What ``--json`` states of it."""
        return {
            "name": self.name,
            "passed": self.error is None,
            "detail": self.detail,
            "error": None if self.error is None else self.error.facts,
        }


def build_report(plan: Plan, image: Image, board: Board) -> Report:
    """The object of ``tinyc build --json``; sizes in bytes, of the linked ELF."""
    binary = any(s.binary_macs for s in plan.steps)
    lowered = any(s.backend == "tvm" or s.cycles for s in plan.steps)
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
        "inputs": [_port(port) for port in input_ports(plan.graph)],
        "outputs": [_port(port) for port in output_ports(plan.graph)],
        "memories": [
            {"name": m.name, "kind": m.kind, "used_bytes": image.used[m.name], "size_bytes": m.size}
            for m in board.memory
        ],
        "layers": [
            {
                **_layer(step, binary),
                **(_backend(step) if lowered else {}),
                "constant_bytes": sum(c.data.nbytes for c in step.binding.constants),
                "rejected": [{"kernel": k, "reason": r} for k, r in step.rejected],
            }
            for step in plan.steps
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


def _layer(step: Step, binary: bool) -> dict[str, Any]:
    """What every list of layers states; the bits of operands and the binary part of the MACs
    only for networks that have binary layers."""
    facts = {
        "index": step.index,
        "name": step.name,
        "op": type(step.node.op).__name__,
        "kernel": step.kernel.name,
    }
    if not binary:
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
    compiled: Compiled,
    board: Board,
    emulator: str,
    trace: Trace,
    samples: Samples,
    reference: Sequence[np.ndarray],
    original: Sequence[np.ndarray] | None = None,
    data: str | None = None,
) -> Report:
    """The object of ``tinyc test --json``.

    reference: for each output of the graph an array [n, *shape]; a mismatch is a sample of which
    any output breaks its rule (`tinyc.plan.heads.rules`). original: the same, as float32, of the
    network as it was given. ``outputs`` has for each output its rule (``compared``), mismatches
    and ``largest_deviation`` from the reference, accuracy where it has labels, and of the emulated
    board's numbers against the original's: ``agreement``, the part of the samples in the same
    class, of a classifier (`tinyc.plan.heads.classifiers`), and `tinyc.plan.heads.norms`. At the
    top, accuracy is that of the first output with labels; where binarization, calibration or
    Keras's conversion made another network, agreement is the least of all outputs and
    largest_difference the greatest. data: the file that the samples are from, None for random
    ones. Instructions and cycles are of the first sample's inference, stack_bytes is the greatest
    depth seen.
    """
    graph = compiled.graph
    found = heads(graph)
    ours = split_outputs(graph, trace.outputs)
    classes = classifiers(found, samples.labels)
    outputs, differs = [], np.zeros(len(samples), bool)
    for i, (head, rule) in enumerate(zip(found, rules(graph), strict=True)):
        wrong, most = deviation(ours[i], reference[i], rule)
        differs |= wrong
        entry = {
            **_port(head.port),
            "compared": RULES[rule],
            "mismatches": int(wrong.sum()),
            "largest_deviation": most if math.isfinite(most) else None,
        }
        if i in samples.labels:
            for key, array in (("accuracy", ours[i]), ("reference_accuracy", reference[i])):
                entry[key] = accuracy(head, array, samples.labels[i])
        if original is not None:
            type = head.port.value.type
            if i in classes:
                same = head.decide(ours[i], type) == head.decide(original[i])
                entry["agreement"] = float(np.mean(same))
            entry |= norms(dequantize(ours[i], type), original[i])
        outputs.append(entry)
    labelled = next((entry for entry in outputs if "accuracy" in entry), {})
    report: Report = {
        "schema_version": SCHEMA_VERSION,
        "model": graph.name,
        "board": board.name,
        "core": board.core.name,
        "emulator": emulator,
        "data": data,
        "samples": len(samples),
        "mismatches": int(differs.sum()),
        "first_mismatch": int(differs.argmax()) if differs.any() else None,
        "accuracy": labelled.get("accuracy"),
        "reference_accuracy": labelled.get("reference_accuracy"),
        **_overall(outputs if compiled.changes else []),
        "changed_by": list(compiled.changes),
        "instructions": trace.instructions,
        "cycles": trace.cycles,
        "cycles_source": trace.cycles_source,
        "clock_hz": board.clock_hz,
        "milliseconds": milliseconds(trace.cycles, board),
        "stack_bytes": trace.stack_bytes,
        "inputs": [_port(port) for port in input_ports(graph)],
        "outputs": outputs,
        "warnings": list(_constant(found, ours, samples, classes, data is not None)),
    }
    return report


def _port(port: Port) -> dict[str, Any]:
    """What every list of inputs and outputs states."""
    type = port.value.type
    facts = {
        "name": port.name,
        "identifier": port.identifier,
        "shape": list(type.shape),
        "dtype": type.dtype.numpy.name,
    }
    if type.quant is None or type.quant.per_channel:
        return facts
    return {**facts, "scale": type.scale, "zero_point": type.zero_point}


def _overall(outputs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    agreements = [entry["agreement"] for entry in outputs if "agreement" in entry]
    largest = [
        entry["largest_error"] for entry in outputs if entry.get("largest_error") is not None
    ]
    return {
        **({"agreement": min(agreements)} if agreements else {}),
        **({"largest_difference": max(largest)} if largest else {}),
    }


def _constant(
    found: Sequence[Head],
    ours: Sequence[np.ndarray],
    samples: Samples,
    classes: Collection[int],
    real: bool,
) -> Iterator[str]:
    """A word about each output that does not depend on the input, as far as the samples tell;
    that random inputs fall into one class tells nothing."""
    distinct = len({row.tobytes() for row in samples.bytes()})
    if distinct < _FEW:
        return
    for head, array in zip(found, ours, strict=True):
        index, name = head.port.index, head.port.name
        if head.port.value.constant:
            continue
        if (array == array[:1]).all():
            yield f"the output '{name}' is the same for {distinct} different inputs"
        elif real and index in classes:
            decided = np.unique(head.decide(array, head.port.value.type))
            labels = samples.labels.get(index)
            if len(decided) == 1 and (labels is None or len(np.unique(labels)) > 1):
                yield f"the class of '{name}' is {decided[0]} for all {len(array)} samples"


def profile_report(plan: Plan, board: Board, emulator: str, trace: Trace) -> Report:
    """The object of ``tinyc profile --json``: totals and each layer, of one inference."""
    binary = any(s.binary_macs for s in plan.steps)
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
                **_layer(step, binary),
                "instructions": layer.instructions,
                "cycles": layer.cycles,
                **(_per_binary_mac(step, layer.cycles) if binary else {}),
            }
            for step, layer in ((s, trace.layers[s.symbol]) for s in plan.steps)
        ],
    }


def macs(plan: Plan) -> dict[str, int | None]:
    """Multiply-accumulates of one inference: those of numbers, and those of signs if any."""
    binary = sum(step.binary_macs for step in plan.steps)
    return {"macs": sum(step.macs for step in plan.steps) - binary, "binary_macs": binary or None}


def _per_binary_mac(step: Step, cycles: int | None) -> dict[str, Any]:
    """The cycles of each binary MAC; None for a layer that has none."""
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


def accuracy(head: Head, output: np.ndarray, labels: np.ndarray) -> float:
    """The part of the samples whose class is the label's."""
    return float(np.mean(head.decide(output, head.port.value.type) == labels))


def verdicts(expect: Expect, build: Report, test: Report | None = None) -> list[Verdict]:
    """Every check that the thresholds ask for, over a build and, if there was one, its test."""
    origin = f"{build['model']} on {build['board']}"
    found = []
    if test is not None:
        found.append(_equal(origin, test))
        if expect.min_accuracy is not None:
            labelled = [e["accuracy"] for e in test.get("outputs", ()) if "accuracy" in e]
            worst = min(labelled, default=test["accuracy"])
            found.append(_accuracy(origin, worst, expect.min_accuracy))
        if "agreement" in test and test.get("data") is not None:
            found.append(_agreement(origin, test, expect.min_agreement))
    return [*found, *budgets(expect, build, test)]


def budgets(expect: Expect, build: Report, run: Report | None = None) -> list[Verdict]:
    """The checks of what a build takes and, if there was one, what its test or profile counted."""
    origin = f"{build['model']} on {build['board']}"
    counted = [
        ("E601", "cycles", "cycles", expect.max_cycles),
        ("E604", "instructions", "instructions", expect.max_instructions),
    ]
    sizes = [
        ("E602", "flash", "flash_bytes", expect.max_flash),
        ("E603", "ram", "ram_bytes", expect.max_ram),
    ]
    return [
        _budget(id, origin, name, of[key], limit)
        for of, checks in ((run, counted), (build, sizes))
        if of is not None
        for id, name, key, limit in checks
        if limit is not None
    ]


def _equal(origin: str, test: Report) -> Verdict:
    """Whether the board gave what the reference does: ``bit_exact`` where that is meant."""
    wrong, count = test["mismatches"], test["samples"]
    # Reports of earlier versions do not tell of single outputs.
    outputs = test.get("outputs", ())
    compared = {entry["compared"] for entry in outputs}
    name = "bit_exact" if compared <= {RULES["bits"]} else "within_tolerance"
    detail = f"{count - wrong} of {count} samples"
    if name == "within_tolerance":
        known = [entry["largest_deviation"] for entry in outputs]
        most = "not finite" if None in known else f"{max(known):.3g}"
        detail += f", largest deviation {most}, allowed {' and '.join(sorted(compared))}"
    if not wrong:
        return Verdict(name, detail)
    error = CompileError(
        "E501", origin,
        f"{wrong} of {count} samples differ from the reference, the first is "
        f"{test['first_mismatch']}",
        "this is a bug in tinyc or its compiler: report it with the model",
    )  # fmt: skip
    return Verdict(name, detail, error)


def low_agreement(test: Report, least: float) -> dict[str, Any] | None:
    """The output of a test that falls furthest below ``least``, None if there is none; only where
    the network was changed."""
    entries = [e for e in test["outputs"] if test["changed_by"] and "agreement" in e]
    worst = min(entries, key=lambda entry: entry["agreement"], default=None)
    return None if worst is None or worst["agreement"] >= least else worst


def disagreement(test: Report, worst: Mapping[str, Any], least: float) -> str:
    """What a low agreement is, in words."""
    cost = f": {test['cost']}" if test.get("cost") else ""
    return (
        f"agreement {worst['agreement']:.4f} of '{worst['name']}' with the model as it was given "
        f"is below {least:.4f}{cost}"
    )


_LOWER = {
    "conversion": "look at what the converter made of the model",
    "binarization": "report it with the model: signs should not change",
    "calibration": "calibrate with data like those of the test, and more of them, or keep float32",
}
"""What to do about a cost."""


def _agreement(origin: str, test: Report, least: float) -> Verdict:
    detail = f"{test['agreement']:.4f} of at least {least:.4f}"
    worst = low_agreement(test, least)
    if worst is None:
        return Verdict("agreement", detail)
    remedy = _LOWER[test.get("costliest") or test["changed_by"][-1]]
    hint = f"{remedy}; [expect] min_agreement or --min-agreement sets the limit"
    error = CompileError("E504", origin, disagreement(test, worst, least), hint)
    return Verdict("agreement", detail, error)


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
        if key in ("inputs", "outputs"):
            found += [
                (f"{key[:-1]} '{printable(port['name'], 40)}'", _port_text(port)) for port in value
            ]
        if isinstance(value, (list, dict)) or key in (
            "schema_version",
            "cycles_source",
            "clock_hz",
            "data",
            "cost",
            "costliest",
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


def _port_text(port: Mapping[str, Any]) -> str:
    """An input or output in a line: its type, and what a test found of it."""
    parts = ["x".join(map(str, port["shape"])) + f" {port['dtype']}"]
    for key in ("accuracy", "agreement"):
        if key in port:
            parts.append(f"{key} {port[key]:.4f}")
    for key, text in (
        ("mean_absolute_error", "mean error"),
        ("largest_error", "largest"),
        ("relative_l2_error", "relative"),
    ):
        if port.get(key) is not None:
            parts.append(f"{text} {port[key]:.3g}")
    return ", ".join(parts)


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
        lines += [f"| {_cell(k)} | {_cell(v)} |" for k, v in rows(report)]
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


def sections(folder: Path) -> dict[str, Report]:
    """Title -> report of what `write` wrote into ``folder``; empty where there is none."""
    try:
        known = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    known = known if isinstance(known, dict) else {}
    return {
        title: section
        for title in ("build", "test", "profile")
        if isinstance(section := known.get(title), dict)
        and section.get("schema_version") == SCHEMA_VERSION
    }


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
