"""What a test, a profile and a comparison found: Plan, Image, Trace -> JSON objects.

A report is a dictionary of JSON's own types. Its keys are an interface (``schema_version``), which
`tinyc.report.objects` describes; the other forms are printed from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Array
from ..ir.ports import Port, input_ports
from ..plan.heads import classifiers, heads, rules, split_outputs
from .exits import exit_of_one, tested_exit
from .outputs import Output, found
from .schema import SCHEMA_VERSION
from .worst import worst

if TYPE_CHECKING:
    from ..pipeline import Compiled
    from ..plan import Plan, Step
    from ..run import LayerCount, Trace
    from ..run.data import Samples
    from ..target.boards import Board

Report = dict[str, Any]
_FEW = 10
"""Different inputs of which one answer to all is nothing odd."""


def layer_facts(step: Step, binary: bool) -> dict[str, Any]:
    """What every list of layers states; the bits of operands and the binary part of the MACs
    only for networks that have binary layers."""
    facts = {
        "index": step.index,
        "name": step.name,
        "op": type(step.node.op).__name__,
        "shape": list(step.node.outputs[0].type.shape),
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


def on_board(trace: Trace, board: Board) -> Report:
    """The inference with the board's flash at its clock, and the energy that the chip takes for
    it; empty where nothing is known of them."""
    if trace.board_cycles is None:
        return {}
    spent = trace.board_cycles / board.clock_hz * 1e3
    facts = {
        "board_cycles": trace.board_cycles,
        "board_cycles_source": trace.board_cycles_source,
        "board_milliseconds": spent,
        "straddled": trace.straddled,
    }
    if board.power is None:
        return facts
    power = board.power
    draws = f"{power.milliwatts:g} mW ±{power.error:g} % at {power.volts:g} V"
    return {
        **facts,
        "energy_microjoules": power.milliwatts * spent,
        "energy_source": f"energy (estimated, {draws})",
    }


def measured(trace: Trace, board: Board) -> Report:
    """What a real board measured of an inference, and how far the model is from that, in percent:
    the model with the board's flash where that is known. Empty without such a board."""
    if trace.measured_cycles is None:
        return {}
    modelled = trace.cycles if trace.board_cycles is None else trace.board_cycles
    error = None if modelled is None else 100 * (modelled / trace.measured_cycles - 1)
    return {
        "counted_by": trace.counted_by,
        "measured_cycles": trace.measured_cycles,
        "measured_source": trace.measured_source,
        "measured_milliseconds": milliseconds(trace.measured_cycles, board),
        "model_error_percent": error,
    }


def test_report(
    compiled: Compiled,
    board: Board,
    emulator: str,
    trace: Trace,
    samples: Samples,
    reference: Sequence[Array],
    original: Sequence[Array] | None = None,
    data: str | None = None,
    early: Array | None = None,
    original_file: str | None = None,
) -> Report:
    """The object of ``tinyc test --json``, see `tinyc.report.objects.Test` and docs/metrics.md.

    reference: for each output of the graph an array [n, *shape]; a mismatch is a sample of which
    any output breaks its rule (`tinyc.plan.heads.rules`). original: the same, as float32, of the
    network as it was given. At the top are the metrics of the first output with labels, anomalies
    or targets; where the original is another network, agreement is the least of all outputs and
    largest_difference the greatest. data: the file that the samples are from, None for random
    ones; early: which samples are to leave the network early, bool [n], and are a mismatch where
    they do not; original_file: what the model was made of. Instructions and cycles are of the
    first sample's inference, and of a network that may be left early those of the worst case,
    stack_bytes is the greatest depth seen.
    """
    graph = compiled.graph
    outputs = _outputs(compiled, trace, samples, reference, original)
    entries, differs = [], np.zeros(len(samples), bool)
    for output in outputs:
        facts, wrong = found(output, samples)
        differs |= wrong
        entries.append({**port_facts(output.head.port), **facts})
    for index, text in _constant(outputs, samples, data is not None):
        entries[index]["constant"] = text
    exits, silicon = {}, measured(trace, board)
    if early is not None:
        differs |= early != trace.early
        first = outputs[0]
        exits = tested_exit(compiled.plan, trace, first.head, first.ours, samples.labels.get(0))
        trace = _worst(trace)
    report: Report = {
        "schema_version": SCHEMA_VERSION,
        "model": graph.name,
        "board": board.name,
        "core": board.core.name,
        "emulator": emulator,
        "data": data,
        **({"original": original_file} if original_file is not None else {}),
        "samples": len(samples),
        "mismatches": int(differs.sum()),
        "first_mismatch": int(differs.argmax()) if differs.any() else None,
        **_first(entries),
        **_overall(entries if compiled.changes else []),
        "changed_by": list(compiled.changes),
        "instructions": trace.instructions,
        "cycles": trace.cycles,
        "cycles_source": trace.cycles_source,
        "clock_hz": board.clock_hz,
        "milliseconds": milliseconds(trace.cycles, board),
        **on_board(trace, board),
        **silicon,
        "stack_bytes": trace.stack_bytes,
        **exits,
        "inputs": [port_facts(port) for port in input_ports(graph)],
        "outputs": entries,
        **(worst(outputs, samples, input_ports(graph)) if data is not None else {}),
        "warnings": [entry["constant"] for entry in entries if "constant" in entry],
    }
    return report


def _outputs(
    compiled: Compiled,
    trace: Trace,
    samples: Samples,
    reference: Sequence[Array],
    original: Sequence[Array] | None,
) -> list[Output]:
    graph = compiled.graph
    known, ours = heads(graph), split_outputs(graph, trace.outputs)
    classes = classifiers(known, samples.labels)
    return [
        Output(
            head, rule, ours[i], reference[i], None if original is None else original[i],
            i in classes, bool(compiled.changes),
            None if head.echo is None else samples.reals(head.echo, graph.inputs[head.echo].type),
        )
        for i, (head, rule) in enumerate(zip(known, rules(graph), strict=True))
    ]  # fmt: skip


def _worst(trace: Trace) -> Trace:
    """The same with the counts of the worst case, None where it is not known."""
    worst = trace.worst
    if worst is None:
        return replace(trace, instructions=None, cycles=None, board_cycles=None, straddled=None)
    return replace(
        trace, instructions=worst.instructions, cycles=worst.cycles,
        board_cycles=worst.board_cycles, straddled=worst.straddled,
    )  # fmt: skip


def timed(trace: Trace, board: Board) -> Report:
    """Of one inference, that of the worst case where it may be left early: what a test states of
    its time and energy."""
    trace = trace if trace.early is None else _worst(trace)
    return {
        "instructions": trace.instructions,
        "cycles": trace.cycles,
        "cycles_source": trace.cycles_source,
        "milliseconds": milliseconds(trace.cycles, board),
        **on_board(trace, board),
    }


def port_facts(port: Port) -> dict[str, Any]:
    """What every list of inputs and outputs states."""
    type = port.value.type
    facts = {
        "name": port.name,
        "identifier": port.identifier,
        "shape": list(type.shape),
        "dtype": type.dtype.numpy.name,
        **({"order": list(port.order)} if port.order else {}),
    }
    if type.quant is None or type.quant.per_channel:
        return facts
    return {**facts, "scale": type.scale, "zero_point": type.zero_point}


_AT_THE_TOP = ("accuracy", "top_5_accuracy", "auc")
"""What is told of the first output that has truths, of each network."""


def _first(outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The metrics of the first output with labels or anomalies."""
    keys = [before + key for key in _AT_THE_TOP for before in ("", "reference_", "original_")]
    first = next((entry for entry in outputs if set(keys) & set(entry)), {})
    found = {key: first[key] for key in keys if key in first}
    return {"accuracy": None, "reference_accuracy": None, **found}


def _overall(outputs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    agreements = [entry["agreement"] for entry in outputs if "agreement" in entry]
    largest = [
        entry["largest_error"] for entry in outputs if entry.get("largest_error") is not None
    ]
    return {
        **({"agreement": min(agreements)} if agreements else {}),
        **({"largest_difference": max(largest)} if largest else {}),
    }


def _constant(outputs: Sequence[Output], samples: Samples, real: bool) -> Iterator[tuple[int, str]]:
    """The index of each output that does not depend on the input, as far as the samples tell, and a
    word about it; that random inputs fall into one class tells nothing."""
    distinct = len({row.tobytes() for row in samples.bytes()})
    if distinct < _FEW:
        return
    for index, output in enumerate(outputs):
        head, name = output.head, output.head.port.name
        if head.port.value.constant:
            continue
        if (output.ours == output.ours[:1]).all():
            yield index, f"the output '{name}' is the same for {distinct} different inputs"
        elif real and output.classified:
            decided = np.unique(output.decided)
            labels = samples.labels.get(head.port.index)
            if len(decided) == 1 and (labels is None or len(np.unique(labels[labels >= 0])) > 1):
                text = f"the class of '{name}' is {decided[0]} for all {len(samples)} samples"
                yield index, text


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
        **on_board(trace, board),
        "stack_bytes": trace.stack_bytes,
        **exit_of_one(plan, trace),
        "layers": [
            {
                **layer_facts(step, binary),
                "instructions": layer.instructions,
                "cycles": layer.cycles,
                **(_on_flash(layer) if trace.board_cycles is not None else {}),
                **(_per_binary_mac(step, layer.cycles) if binary else {}),
            }
            for step, layer in ((s, trace.layers[s.symbol]) for s in plan.steps)
        ],
    }


def macs(plan: Plan) -> dict[str, int | None]:
    """Multiply-accumulates of one inference: those of numbers, and those of signs if any."""
    binary = sum(step.binary_macs for step in plan.steps)
    return {"macs": sum(step.macs for step in plan.steps) - binary, "binary_macs": binary or None}


def _on_flash(layer: LayerCount) -> Report:
    return {"board_cycles": layer.board_cycles, "straddled": layer.straddled}


def _per_binary_mac(step: Step, cycles: int | None) -> dict[str, Any]:
    """The cycles of each binary MAC; None for a layer that has none."""
    per_mac = round(cycles / step.binary_macs, 3) if step.binary_macs and cycles else None
    return {"cycles_per_binary_mac": per_mac}


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
                "verdicts": test.get("verdicts", []),
            }
            for build, test, counts in reports
        ],
    }
