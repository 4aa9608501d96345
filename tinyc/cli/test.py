"""``tinyc test``."""

from __future__ import annotations

from .call import Call
from .options import verb
from .printing import judge, log, print_report


@verb(
    "model board data emulator output_dir toolchain samples seed min_accuracy min_agreement "
    "max_cycles max_instructions max_flash max_ram strict calibrate compress float_glue trust "
    "optimize stream feed early_exit backend database lock as_json verbose quiet",
)
def test(call: Call) -> None:
    """Run the firmware in an emulator: bit-exactness, accuracy, cycles, budgets."""
    job = call.job()
    from .. import report

    inputs = job.samples()
    built = job.built()
    result = job.tested(inputs)
    checks = report.verdicts(job.config.expect, built, result)
    result["verdicts"] = [check.facts for check in checks]
    job.write_report(checks)
    print_report("test", result, call.as_json)
    for check in checks:
        log.info(f"{'FAIL' if check.error else 'pass'}  {check.name}: {check.detail}")
    judge(checks)
