"""Reports as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .facts import Report
from .table import class_tables, layer_table, rows
from .verified import stage_table


def markdown(reports: Mapping[str, Report]) -> str:
    """``reports`` (title -> report) as Markdown."""
    lines = []
    for title, report in reports.items():
        lines += [f"## {title}", "", *markdown_table(["what", "value"], rows(report))]
        for name, heading, table in class_tables(report):
            lines += ["", f"### Classes of '{name}'", "", *markdown_table(heading, table)]
        heading, table = stage_table(report) if "stages" in report else layer_table(report)
        if table:
            lines += ["", *markdown_table(heading, table)]
        lines.append("")
    return "\n".join(lines)


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    rule = f"|{' --- |' * len(heading)}"
    return [
        f"| {' | '.join(heading)} |", rule, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)
    ]  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
