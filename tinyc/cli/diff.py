"""``tinyc diff``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CompileError
from . import completion
from .call import Call
from .options import verb
from .printing import Terminal, judge, log, print_json, print_table, print_verdict
from .quantities import limits

if TYPE_CHECKING:
    from ..report import Report

_HINT = "name a folder of `tinyc build`, its report.json, or a model"


@verb(
    "* board data emulator toolchain samples seed calibrate compress float_glue trust optimize "
    "stream feed early_exit backend database lock as_json verbose quiet",
)
def diff(
    call: Call,
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A folder of a build, its report.json, or a model.",
            autocompletion=completion.builds,
        ),
    ],
    after: Annotated[
        str,
        typer.Argument(metavar="B", help="Another one.", autocompletion=completion.builds),
    ],
    fail_over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT",
            help="Fail where B is worse by more: 2% for flash, RAM, cycles and points of accuracy; "
            "or flash=1K,cycles=5%: several by commas.",
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it for a comment on a pull request.")
    ] = False,
) -> None:
    """Say what grew and what slowed from one build, or model, to another, layer by layer."""
    from .. import report

    allowed = limits(fail_over or (), "--fail-over")
    paths = [_report(path) for path in (before, after)]
    known = [None if path is None else report.read_report(path) for path in paths]
    # A model is built for the board that the other side is for.
    board = next((next(iter(side.values()))["board"] for side in known if side), None)
    sides = [
        _measured(call, name, board) if side is None else side
        for name, side in zip((before, after), known, strict=True)
    ]
    result = report.diff(sides[0], sides[1], (before, after))
    checks = report.diff_verdicts(result, allowed)
    if call.as_json:
        print_json("diff", {**result, "verdicts": [check.facts for check in checks]})
    elif markdown:
        typer.echo(report.diff_markdown(result, checks), nl=False)
    elif log.level < 0:
        side = result["after"]
        print_verdict(f"{side['model']} on {side['board']}", checks, report.diff_gist(result))
    else:
        _print(result)
    for check in checks:
        log.info(f"{'FAIL' if check.error else 'pass'}  {check.name}: {check.detail}")
    judge(checks)


def _report(name: str) -> Path | None:
    """The report.json that ``name`` stands for; None of a model. Raises CompileError E201 (it
    stands for several), E202 (there is nothing of that name)."""
    from .. import report
    from ..files.inputs import check_file

    check_file(name, folder=True)
    path, function = Path(name), ".py:" in name
    if not (function or path.exists()):
        raise CompileError("E202", name, "there is no such file or folder", _HINT)
    if name.endswith(".json"):
        return path
    return report.report_in(path) if path.is_dir() else None


def _measured(call: Call, model: str, board: str | None) -> Mapping[str, Report]:
    """What a build and a profile of a model state, and a test where there are data; what is built
    lies in a temporary folder. board: that of the other side, where it is none of a model."""
    from .. import config
    from ..project import Project
    from ..reference import reference

    settings = config.load({**call.given, "model": model, "lock": call.given.get("lock") or "none"})
    if board is not None and call.given.get("board") is None:
        settings = replace(settings, board=board)
    try:
        project = Project.compile(settings, call.verb, "name one", True, Terminal())
    except CompileError as error:
        if error.id != "E216" or not Path(model).is_dir():
            raise
        what = "is no folder of a build, nor of a model"
        raise CompileError("E256", model, what, _HINT) from None
    project.measured(project.image(project.place("build"), settings.main))
    project.profiled(project.sample())
    if settings.data is not None:
        samples = project.samples()
        trace = project.emulate(samples)
        expected = reference(project.compiled, samples, project.listener)
        project.compared(samples, trace, expected, settings.data)
    return project.sections


def _print(result: Mapping[str, Any]) -> None:
    from .. import report

    found = dict(result)
    print_table(["what", "value"], report.diff_sides(found))
    for note in found["notes"]:
        log.warn(note)
    print_table(*report.diff_totals(found))
    for heading, rows in (report.diff_layers(found), report.diff_kernels(found)):
        if rows:
            print_table(heading, rows)
    if found["layers"] and all(layer["state"] == "same" for layer in found["layers"]):
        log.info(f"all {len(found['layers'])} layers are the same")
