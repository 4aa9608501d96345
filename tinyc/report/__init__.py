"""Reports and verdicts: Plan, Image, Trace -> JSON objects, Markdown, HTML, JUnit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import disk_error
from ..files.folder import held, make_folder, mark, written
from ..plan.heads import split_outputs
from .bench import (
    bench,
    bench_notes,
    bench_sources,
    bench_table,
    bench_verdicts,
    read_bench,
)
from .built import build_report
from .coverage import coverage, coverage_table, coverage_verdict
from .diff import BUDGETS, LIMITED, PARTS, SIZES, Limit, diff, diff_verdicts
from .difftext import diff_gist, diff_kernels, diff_layers, diff_markdown, diff_sides, diff_totals
from .exits import exit_of_one
from .facts import (
    Report,
    comparison,
    macs,
    milliseconds,
    profile_report,
    test_report,
    timed,
)
from .html import page
from .json import document, sections, text
from .junit import junit
from .known import read_report, report_in
from .markdown import markdown, markdown_table
from .schema import SCHEMA_VERSION
from .table import class_tables, gist, layer_table, rows
from .verdicts import Verdict, budgets, disagreement, low_agreement, verdicts
from .verified import layer_rows, stage_table, verified

__all__ = [
    "BUDGETS",
    "LIMITED",
    "PARTS",
    "SCHEMA_VERSION",
    "SIZES",
    "Limit",
    "Report",
    "Verdict",
    "bench",
    "bench_notes",
    "bench_sources",
    "bench_table",
    "bench_verdicts",
    "budgets",
    "build_report",
    "class_tables",
    "comparison",
    "coverage",
    "coverage_table",
    "coverage_verdict",
    "diff",
    "diff_gist",
    "diff_kernels",
    "diff_layers",
    "diff_markdown",
    "diff_sides",
    "diff_totals",
    "diff_verdicts",
    "disagreement",
    "exit_of_one",
    "gist",
    "layer_rows",
    "layer_table",
    "low_agreement",
    "macs",
    "markdown_table",
    "milliseconds",
    "profile_report",
    "read_bench",
    "read_report",
    "report_in",
    "rows",
    "sections",
    "split_outputs",
    "stage_table",
    "test_report",
    "text",
    "timed",
    "verdicts",
    "verified",
    "write",
]


def write(
    folder: Path, reports: Mapping[str, Report], checks: Sequence[Verdict], suite: str
) -> None:
    """Write report.json, report.md, report.html and junit.xml; each appears whole or not at all.
    Other files in ``folder`` stay. Raises CompileError E8xx (the disk)."""
    texts = {
        "report.json": document(reports),
        "report.md": markdown(reports),
        "report.html": page(reports, checks),
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
