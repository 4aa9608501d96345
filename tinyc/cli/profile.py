"""``tinyc profile``."""

from __future__ import annotations

from .call import Call
from .options import verb
from .printing import judge, print_report


@verb(
    "model board emulator output_dir toolchain seed strict calibrate compress float_glue "
    "max_cycles max_instructions max_flash max_ram trust backend database as_json "
    "verbose quiet",
)
def profile(call: Call) -> None:
    """Count instructions and modelled cycles of one inference, layer by layer."""
    job = call.job()
    from .. import report

    built, _ = job.reported()
    trace = job.run(job.samples(1), profile=True)
    result = report.profile_report(job.compiled.plan, job.board, job.config.emulator, trace)
    checks = report.budgets(job.config.expect, built, result)
    job.write_report({"build": built, "profile": result}, checks)
    result["verdicts"] = [check.facts for check in checks]
    print_report("profile", result, call.as_json)
    judge(checks)
