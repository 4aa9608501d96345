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
        if key == "early_exit":
            found += _exit_rows(value, report)
        if (average := exit.get(f"average_{key}")) is not None:
            found.append((f"{key.replace('_', ' ')}, average", f"{average:,}{notes.get(key, '')}"))
        if isinstance(value, (list, dict)) or key in (
            "schema_version",
            "cycles_source",
            "board_cycles_source",
            "energy_source",
            "measured_source",
            "counted_by",
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
        if key == "model_error_percent":
            name, text = "model error", f"{value:+.2f} % of the measured cycles"
        if key in ("milliseconds", "board_milliseconds", "measured_milliseconds"):
            text += f" (at {report['clock_hz'] / 1e6:g} MHz)"
        if key in _OF_A_RUN and is_worst_case(report):
            name += ", worst case"
        found.append((name, text + notes.get(key, "")))
    return found


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


def _port_text(port: Mapping[str, Any]) -> str:
    """An input or output in a line: its type, and what a test found of it."""
    parts = ["x".join(map(str, port["shape"])) + f" {port['dtype']}"]
    if "order" in port:
        parts.append(f"axes {', '.join(map(str, port['order']))} of the model's")
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


_UNTOLD = ("rejected", "shape")
"""What of a layer is no column of its own."""


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
