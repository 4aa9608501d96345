"""Reports as a page of HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping

from .facts import Report
from .table import layer_table, rows


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
