"""``tinyc verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CompileError
from . import completion
from .call import Call
from .options import env, verb
from .printing import judge, log, print_json, print_table, print_verdict
from .test import TargetOpt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..job import Job
    from ..verify.stages import Stage
    from ..verify.verify import Outcome, Verifier

_SAMPLES = 10
"""Where --samples does not say: each of them goes through a dozen stages."""


@verb(
    "model * data output_dir toolchain samples seed min_agreement strict calibrate original "
    "compress float_glue trust optimize stream feed early_exit backend database lock as_json "
    "verbose quiet",
)
def verify(
    call: Call,
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board",
            "-b",
            envvar=env("board"),
            help="As of tinyc build; or several.",
            autocompletion=completion.boards,
        ),
    ] = None,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Find the first layer that differs, and keep it.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            help="Another model, in the place of the stages.", autocompletion=completion.models
        ),
    ] = None,
    emulator: Annotated[
        list[str] | None,
        typer.Option(
            envvar=env("emulator"),
            help="As of tinyc test; or several.",
            autocompletion=completion.emulators,
        ),
    ] = None,
    target: TargetOpt = None,
    max_error: Annotated[
        float | None,
        typer.Option(min=0, help="Most relative error between types, with --against [0.1]."),
    ] = None,
) -> None:
    """Hold each stage of a model's way, from floats to the board, against the one before it."""
    from ..run import find, find_target

    if against is not None:
        alone = {
            "--original": call.given.get("original"),
            "--target": target,
            "--emulator": emulator,
        }
        _refuse(against, alone, board or [])
    elif max_error is not None:
        raise CompileError("E201", "--max-error", "is for --against alone", "leave it out")
    for name in emulator or ():
        find(name)
    if target is not None:
        find_target(target)
    more: dict[str, Any] = {} if target is None else {"main": "serial"}
    job, *others = [call.job(board=name, **more) for name in board or (None,)]
    samples = job.samples(job.config.samples or _SAMPLES)
    from ..verify.against import Pair
    from ..verify.stages import Chain
    from ..verify.verify import MOST_ERROR, Verifier

    most = MOST_ERROR if max_error is None else max_error
    verifier = Verifier(job, samples, job.config.data is not None, most)
    stages: Iterable[Stage]
    if against is not None:
        stages = Pair(job, call.job(board=job.config.board, model=against), samples)
    else:
        _ = job.original  # which may be refused, before anything is built
        stages = Chain(job, samples, emulator or [job.config.emulator], target, others)
    job.built()
    outcome = verifier.verify(stages, bisect)
    _tell(call, job, verifier, outcome)


def _refuse(against: str, alone: dict[str, Any], boards: list[str]) -> None:
    """Raise CompileError E201 for what does not go together with --against."""
    given = [option for option, value in alone.items() if value]
    if given or len(boards) > 1:
        option = given[0] if given else f"--board {boards[1]}"
        what = f"tells of stages, --against {against} of models"
        raise CompileError("E201", option, what, "leave one of the two out")


def _tell(call: Call, job: Job, verifier: Verifier, outcome: Outcome) -> None:
    """Write what was found into the build's report, and print it."""
    from .. import report
    from ..verify.found import keep, section

    file = keep(job.folder / "verify", outcome)
    result = section(job, verifier.samples, job.config.data, outcome, file)
    verdict = report.verified(result)
    result["verdicts"] = [verdict.facts]
    job.sections["verify"] = result
    job.write_report([verdict])
    if call.as_json:
        print_json("verify", result)
    elif log.level < 0:
        print_verdict(f"{job.name} on {job.board.name}", [verdict], [])
    else:
        print_table(*report.stage_table(result))
        if rows := report.layer_rows(result):
            print_table(["what", "value"], rows)
        if file is not None:
            log.info(f"look at them: {_look(file)}")
    log.info(f"{'FAIL' if verdict.error else 'pass'}  {verdict.name}: {verdict.detail}")
    judge([verdict])


def _look(file: Path) -> str:
    """A command that prints what is in an ``.npz``."""
    script = f"import numpy as np; f = np.load('{file}'); print({{k: f[k] for k in f}})"
    return f'python -c "{script}"'
