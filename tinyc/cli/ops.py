"""``tinyc ops``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .call import Call
from .options import verb
from .printing import Terminal, judge, log, print_json, print_table, show


@verb("* board samples seed emulator toolchain as_json verbose quiet")
def ops(
    call: Call,
    markdown: Annotated[bool, typer.Option("--markdown", help="docs/operators.md.")] = False,
    check: Annotated[
        str | None,
        typer.Option(help="Try every model under this folder instead: does it build, is it exact?"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many models at once [one for each processor].")
    ] = None,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that a model may take [300].")] = 300,
) -> None:
    """List the operators, their names in each format, dtypes and kernels; or check a folder of
    models."""
    from .. import config
    from ..report import operators as opstable

    if check is not None:
        _check(call, Path(check), jobs or os.cpu_count() or 1, limit)
        return
    if not markdown:  # a page of tinyc's own
        config.project()
    if markdown:
        typer.echo(opstable.markdown(), nl=False)
    elif call.as_json:
        print_json("ops", {"operators": opstable.table()})
    else:
        print_table(*opstable.grid())
        print_table(*opstable.kernel_rows())


def _check(call: Call, folder: Path, jobs: int, limit: float) -> None:
    from .. import config, coverage, report
    from ..target.boards import load_board

    settings = coverage.usual(config.load(call.given))
    about = {
        "folder": str(folder), "board": load_board(str(settings.board)).name,
        "samples": settings.samples, "emulator": settings.emulator,
    }  # fmt: skip
    rows = coverage.check(folder, settings, jobs, limit, Terminal())
    result = report.coverage(rows, about)
    verdict = report.coverage_verdict(result)
    if call.as_json:
        print_json("coverage", {**result, "verdicts": [verdict.facts]})
    else:
        print_table(*report.coverage_table(result))
        reasons = [[f"{r['id']} {r['what']}", show(r["models"]), r["first"]]
                   for r in result["reasons"]]  # fmt: skip
        if reasons:
            print_table(["reason", "models", "first"], reasons)
        if verdict.error is None:
            log.info(verdict.detail)
    judge([verdict])
