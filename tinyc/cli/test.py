"""``tinyc test``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import CompileError
from .call import Call
from .options import env, verb
from .printing import judge, log, print_report

TargetOpt = Annotated[
    str | None,
    typer.Option(
        envvar=env("target"), help="The board on the desk, serial:PORT[:BAUD], in place of one."
    ),
]


def refuse_both(call: Call, target: str) -> None:
    """Raise CompileError E201 where an emulator is named too."""
    if emulator := call.given.get("emulator"):
        what = f"is another way to run than --emulator {emulator}"
        raise CompileError("E201", f"--target {target}", what, "leave one of them out")


@verb(
    "model board data emulator * output_dir toolchain samples seed min_accuracy min_agreement "
    "max_cycles max_instructions max_flash max_ram strict calibrate original compress float_glue "
    "trust optimize stream feed early_exit backend database lock as_json verbose quiet",
)
def test(call: Call, target: TargetOpt = None) -> None:
    """Run the firmware in an emulator, or on a board: bit-exactness, accuracy, cycles, budgets."""
    if target is None:
        job = call.job()
    else:
        from ..run import find_target

        refuse_both(call, target)
        find_target(target)  # before anything is compiled
        job = call.job(emulator=target, main="serial")
    from .. import report

    inputs = job.samples()
    built = job.built()
    result = job.tested(inputs)
    checks = report.verdicts(job.config.expect, built, result, job.config.strict)
    result["verdicts"] = [check.facts for check in checks]
    job.write_report(checks)
    print_report("test", result, call.as_json, checks)
    for check in checks:
        log.info(f"{'FAIL' if check.error else 'pass'}  {check.name}: {check.detail}")
    judge(checks)
