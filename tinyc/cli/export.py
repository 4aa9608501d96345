"""``tinyc export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import log, print_json


@verb(
    "* model board output_dir strict calibrate compress float_glue stream feed early_exit trust "
    "lock as_json verbose quiet",
)
def export(
    call: Call,
    to: Annotated[
        str,
        typer.Option(
            help="arduino, platformio, zephyr, cmsis-pack, cubeide or library.",
            autocompletion=completion.exports,
        ),
    ],
) -> None:
    """Write the model as a library or project of another ecosystem, with an example."""
    from ..deploy import export as exporter

    exporter.check_form(to)
    job = call.job()
    folder = Path(job.config.output_dir) / "export" / to / job.name
    files = exporter.export(job.compiled.c_library, job.board, to, folder, job.config.model)
    names = [path.relative_to(folder.absolute()).as_posix() for path in files]
    if call.as_json:
        print_json("export", {"form": to, "folder": str(folder), "files": names})
    else:
        for name in names:
            typer.echo(folder / name)
    log.info(f"wrote {folder}")
