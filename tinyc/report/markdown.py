"""Reports as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from .facts import Report
from .table import layer_table, rows


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
