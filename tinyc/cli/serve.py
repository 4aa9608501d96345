"""``tinyc serve``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .call import Call
from .options import env, verb
from .printing import log, print_json


@verb(
    "model board * output_dir toolchain model_id strict calibrate compress float_glue stream "
    "feed early_exit trust lock as_json verbose quiet",
)
def serve(
    call: Call,
    emulator: Annotated[
        str | None,
        typer.Option(
            envvar=env("emulator"),
            help="qemu or renode [the first of them that has the board].",
            autocompletion=completion.words("qemu", "renode"),
        ),
    ] = None,
    link: Annotated[
        Path | None, typer.Option(help="A symbolic link to the terminal, made and removed.")
    ] = None,
) -> None:
    """Offer an emulated board's UART as a terminal that speaks MLPerf Tiny's protocol."""
    from ..run.serve import choose
    from ..run.serve import serve as offer

    job = call.job(main="serial")
    emulator = choose(job.board, emulator)
    image = job.image(job.place("serial"), "serial")
    with contextlib.suppress(KeyboardInterrupt), offer(image, emulator, link) as (path, process):
        if call.as_json:
            facts = {"terminal": path, "model": job.name, "board": job.board.name}
            print_json("serve", {**facts, "emulator": emulator})
        else:
            typer.echo(path)
        sys.stdout.flush()
        log.info(f"{job.name} on an emulated {job.board.name} ({emulator}); Ctrl-C ends it")
        process.wait()
