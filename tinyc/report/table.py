"""What a report's printed forms have in common: its entries and layers as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import printable
from .facts import Report


def rows(report: Report) -> list[tuple[str, str]]:
    """The scalar entries of a report as (label, text), numbers with their unit and source."""
    counter = report.get("counted_by") or report.get("emulator")
    counted = "" if counter is None else f" ({counter})"
    # Sources are written as conventions have it: "cycles (modelled, ...)".
    notes = {
        key: (report.get(source) or "").removeprefix(what)
        for key, source, what in (
            ("cycles", "cycles_source", "cycles"),
            ("board_cycles", "board_cycles_source", "cycles"),
            ("energy_microjoules", "energy_source", "energy"),
            ("measured_cycles", "measured_source", "cycles"),
        )
    } | {"instructions": counted}
    found, exit = [], report.get("early_exit", {})
    outputs, changed = report.get("outputs", ()), bool(report.get("changed_by"))
    for key, value in report.items():
        if key == "memories":
            found += [
                (f"in {m['name']}", f"{m['used_bytes']:,} of {m['size_bytes']:,} bytes")
                for m in value
                if m["used_bytes"]
            ]
        if key in ("inputs", "outputs"):
            for port in value:
                text = _port_text(port, len(value) > 1, changed)
                found.append((f"{key[:-1]} '{printable(port['name'], 40)}'", text))
                if len(outputs) > 1:
                    found += [(f"  {label}", text) for label, text in _errors(port, changed)]
        if key == "changed_by" and len(outputs) == 1:  # behind the other metrics
            found += _errors(outputs[0], changed)
        if key == "early_exit":
            found += _exit_rows(value, report)
        if (average := exit.get(f"average_{key}")) is not None:
            found.append((f"{key.replace('_', ' ')}, average", f"{average:,}{notes.get(key, '')}"))
        if isinstance(value, (list, dict)) or key in _NO_ROW or key.startswith(_BESIDE):
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
            text = f"{value:.4f}" if key in _RATES else f"{value:.3f}"
            text += _beside(key, report) + (" with the original" if key == "agreement" else "")
        if key.endswith("_bytes"):
            text += " bytes"
        if key == "model_error_percent":
            name, text = "model error", f"{value:+.2f} % of the measured cycles"
        if key in ("milliseconds", "board_milliseconds", "measured_milliseconds"):
            text += f" (at {report['clock_hz'] / 1e6:g} MHz)"
        if key in _OF_A_RUN and is_worst_case(report):
            name += ", worst case"
        if key == "mismatches" and "samples" in report:
            text += f" of {report['samples']:,}"
        found.append((_NAMES.get(key, name), text + notes.get(key, "")))
    return found


_NO_ROW = (
    "schema_version", "cycles_source", "board_cycles_source", "energy_source", "measured_source",
    "counted_by", "clock_hz", "board_title", "core_title", "data", "cost", "costliest",
    "largest_difference",
)  # fmt: skip
_RATES = ("accuracy", "top_5_accuracy", "auc", "agreement")
_BESIDE = ("reference_", "original_")
"""What stands beside the board's own metric, and not in a row of its own."""

_NAMES = {"top_5_accuracy": "top-5 accuracy", "auc": "AUC"}


def _beside(key: str, report: Mapping[str, Any]) -> str:
    """What the other networks have of a metric."""
    others = [(b, report.get(f"{b}{key}")) for b in _BESIDE]
    texts = [f"{before[:-1]} {value:.4f}" for before, value in others if value is not None]
    return f" ({', '.join(texts)})" if texts else ""


def gist(report: Report) -> list[str]:
    """What one asks first of a report, each in a few words."""
    units = {"flash_bytes": "bytes of flash", "ram_bytes": "bytes of RAM", "cycles": "cycles",
             "instructions": "instructions"}  # fmt: skip
    return [f"{report[k]:,} {unit}" for k, unit in units.items() if report.get(k) is not None]


_OF_A_RUN = (
    "instructions", "cycles", "milliseconds", "board_cycles", "board_milliseconds", "straddled",
    "energy_microjoules",
)  # fmt: skip
"""What is told of one inference, of a network that may be left early of the worst one."""


def is_worst_case(report: Mapping[str, Any]) -> bool:
    """Whether what a report counts is an inference that goes on past a side head."""
    exit = report.get("early_exit", {})
    return "counted" in exit or exit.get("left_early") is False


def _exit_rows(exit: Mapping[str, Any], report: Report) -> list[tuple[str, str]]:
    """What there is to say of leaving a network early, besides counts."""
    head = f"'{printable(exit['head'], 40)}', sure from {exit['threshold']:g} on"
    if "share" not in exit:
        left = {True: ", where this inference ended", False: ", which this one passed"}
        return [("side head", head + left.get(exit.get("left_early", ""), ""))]
    rows = [("side head", head)]
    of = f"{exit['left_early']:,} of {report['samples']:,} samples, {exit['share']:.2%}"
    rows.append(("left early", of))
    for key in ("accuracy_early", "accuracy_final"):
        if key in exit:
            rows.append((key.replace("_", " "), f"{exit[key]:.4f}"))
    return rows


def _port_text(port: Mapping[str, Any], several: bool, changed: bool) -> str:
    """An input or output in a line: its type, and what a test found of it, of one of several."""
    parts = ["x".join(map(str, port["shape"])) + f" {port['dtype']}"]
    if "order" in port:
        parts.append(f"axes {', '.join(map(str, port['order']))} of the model's")
    for key in _RATES if several else ():
        if key in port and (changed or key != "agreement"):
            parts.append(f"{_NAMES.get(key, key)} {port[key]:.4f}")
    return ", ".join(parts)


_UNTOLD = ("rejected", "shape", "verdicts", "reads", "writes", "weights")
"""What of a layer is no column of its own."""


_ERRORS = (
    ("root_mean_square_error", "RMSE"),
    ("mean_absolute_error", "MAE"),
    ("largest_error", "largest"),
    ("relative_l2_error", "relative L2"),
    ("cosine_similarity", "cosine"),
)


def _errors(port: Mapping[str, Any], changed: bool) -> list[tuple[str, str]]:
    """How far the numbers of an output are from those of others, a row for each of them; from the
    original only where that is another network."""
    ways = (
        ("from targets", port.get("target_errors", {})),
        ("original from targets", port.get("original_target_errors", {})),
        ("from original", port if changed else {}),
        ("from reference", port.get("reference_errors", {})),
    )
    found = []
    for label, errors in ways:
        known = [(name, errors[key]) for key, name in _ERRORS if errors.get(key) is not None]
        if known:
            found.append((label, ", ".join(f"{name} {value:.4g}" for name, value in known)))
    return found


def class_tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """For each output with labels (its name, a heading, its classes as rows of text): what was
    found of them, and for what they are taken."""
    found = []
    for port in report.get("outputs", ()):
        classes = port.get("classes", [])
        if not classes:
            continue
        names = {c["class"]: printable(c.get("name", str(c["class"])), 24) for c in classes}
        table = []
        for c in classes:
            taken = ", ".join(f"{names.get(k, k)} {n:,}" for k, n in _taken(port, c["class"])[:4])
            parts = [_part(c[key]) for key in ("recall", "precision")]
            table.append([names[c["class"]], f"{c['samples']:,}", *parts, taken])
        heading = ["class", "samples", "recall", "precision", "taken for"]
        found.append((port["name"], heading, table))
    return found


def _taken(port: Mapping[str, Any], label: int) -> list[tuple[int, int]]:
    """For which other classes one is taken, and how often, the most frequent first."""
    if "confusion" in port:
        found = [(k, n) for k, n in enumerate(port["confusion"][label]) if n and k != label]
    else:
        found = [(p["decided"], p["samples"]) for p in port["confused"] if p["label"] == label]
    return sorted(found, key=lambda pair: -pair[1])


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def layer_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """The layers as a heading and rows of text; empty where there are none."""
    layers = report.get("layers", [])
    if not layers:
        return [], []
    heading = [key for key in layers[0] if key not in _UNTOLD]
    has_notes = any(layer.get("rejected") for layer in layers)
    table = []
    for layer in layers:
        row = [_table_cell(k, v) for k, v in layer.items() if k not in _UNTOLD]
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
