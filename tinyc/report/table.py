"""What a report's printed forms have in common: its entries and layers as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import printable
from .facts import Report


def rows(report: Report) -> list[tuple[str, str]]:
    """The scalar entries of a report as (label, text), numbers with their unit and source."""
    counted = f" ({report['emulator']})" if "emulator" in report else ""
    # Sources are written as conventions have it: "cycles (modelled, ...)".
    notes = {
        key: (report.get(source) or "").removeprefix(what)
        for key, source, what in (
            ("cycles", "cycles_source", "cycles"),
            ("board_cycles", "board_cycles_source", "cycles"),
            ("energy_microjoules", "energy_source", "energy"),
        )
    } | {"instructions": counted}
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
            "board_cycles_source",
            "energy_source",
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
        if key in ("milliseconds", "board_milliseconds"):
            text += f" (at {report['clock_hz'] / 1e6:g} MHz)"
        found.append((name, text + notes.get(key, "")))
    return found


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
