"""``tinyc compare``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import judge, log, print_json, print_table


@verb(
    "board data emulator output_dir toolchain samples seed calibrate compress trust lock "
    "as_json verbose quiet",
)
def compare(
    call: Call,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL MODEL...", help="Two or more.", autocompletion=completion.models
        ),
    ],
) -> None:
    """Put models side by side: accuracy, flash, RAM, cycles. Those with float32 are calibrated."""
    from .. import report

    found = []
    folders: dict[Path, str] = {}
    for number, model in enumerate(models, 1):
        job = call.job(optional_calibration=True, model=model)
        if folders.setdefault(job.folder, model) != model:  # another of the same name
            place = str(Path(job.config.output_dir) / str(number))
            job.config = replace(job.config, output_dir=place)
        inputs = job.samples()
        built = job.built()
        tested = job.tested(inputs)
        checks = report.verdicts(job.config.expect, built, tested, job.config.strict)
        job.write_report(checks)
        if tested["mismatches"]:
            judge(checks)
        for check in checks:
            if check.name == "agreement" and check.error:
                log.warn(check.error.what)
        judged = {**tested, "verdicts": [check.facts for check in checks]}
        found.append((built, judged, report.macs(job.plan)))
    result = report.comparison(found)
    if call.as_json:
        print_json("compare", result)
        return
    print_table(["what", "value"], report.rows(result))
    heading, rows = report.layer_table({"layers": result["models"]})
    print_table(heading, rows)
