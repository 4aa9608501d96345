"""``tinyc profile``."""

from __future__ import annotations

from .call import Call
from .options import verb
from .printing import judge, print_report


@verb(
    "model board emulator output_dir toolchain seed strict calibrate compress float_glue "
    "max_cycles max_instructions max_flash max_ram trust optimize stream feed early_exit "
    "backend database lock as_json verbose quiet",
)
def profile(call: Call) -> None:
    """Count instructions and modelled cycles of one inference, layer by layer."""
    job = call.job()
    from .. import report

    built, _ = job.reported()
    result = job.profiled(job.sample())
    checks = report.budgets(job.config.expect, built, result)
    result["verdicts"] = [check.facts for check in checks]
    job.write_report(checks)
    print_report("profile", result, call.as_json, checks)
    judge(checks)
