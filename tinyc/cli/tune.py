"""``tinyc tune``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import CompileError
from .call import Call
from .options import verb
from .printing import log, print_json, print_table, progress, show


@verb(
    "model board * database toolchain calibrate compress float_glue trust as_json verbose quiet",
)
def tune(
    call: Call,
    backend: Annotated[str, typer.Option(help="What is tuned: tvm.")] = "tvm",
) -> None:
    """Search TVM's schedules by cycles on the emulated core; later builds take the best."""
    from ..passes import optimize
    from ..tuning import tune as tuning

    if backend != "tvm":
        hint = "templates have nothing to tune"
        raise CompileError("E201", "--backend", f"'{backend}' cannot be tuned, tvm can", hint)
    job = call.job(backend="templates")
    file = Path(job.config.database)
    with contextlib.ExitStack() as stack:

        def started(total: int) -> Any:
            log.info(f"measuring {total} schedules for {file}")
            return stack.enter_context(progress("tuning", total))

        try:
            found = tuning.tune(
                optimize(job.compiled.graph), job.board, file, job.config.toolchain, started
            )
        except KeyboardInterrupt:
            log.info(f"stopped; the same command goes on with {file}")
            raise
    if call.as_json:
        print_json("tune", {"database": str(file), "workloads": found})
        return
    heading = list(found[0]) if found else ["workload"]
    print_table(heading, [[show(entry[key]) for key in heading] for entry in found])
