"""``tinyc build``."""

from __future__ import annotations

from .call import Call
from .options import verb
from .printing import judge, log, print_report


@verb(
    "model board output_dir toolchain main model_id strict calibrate compress float_glue trust "
    "max_flash max_ram optimize stream feed early_exit backend database lock as_json verbose "
    "quiet",
)
def build(call: Call) -> None:
    """Compile a model into firmware and a drop-in C library."""
    job = call.job()
    result, checks = job.reported()
    print_report("build", result, call.as_json, checks)
    log.info(f"wrote {job.folder}")
    judge(checks)
