"""Reports as a page of HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping

from ..plan import Plan
from ..target.boards import Board
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
