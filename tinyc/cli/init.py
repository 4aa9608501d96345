"""``tinyc init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import completion
from .call import Call
from .options import env, verb
from .printing import Terminal, log, print_json


@verb("* as_json verbose quiet")
def init(
    call: Call,
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Made if it is missing [this one].")
    ] = Path(),
    board: Annotated[
        str,
        typer.Option(
            "--board",
            "-b",
            envvar=env("board"),
            help="Name or alias [stm32].",
            autocompletion=completion.boards,
        ),
    ] = "stm32",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Start from this one in the place of the sample.",
            autocompletion=completion.models,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write anew what `tinyc init` wrote and nobody changed.")
    ] = False,
) -> None:
    """Start a folder: a model with its settings, tests and a workflow for GitHub."""
    from ..deploy.init import create

    own = _own(model, board, folder) if model is not None else None
    made = create(folder, board, force, own)
    if call.as_json:
        print_json("init", {"folder": str(folder), "board": board, "files": list(made)})
    for path in made:
        log.info(f"wrote {folder / path}")
    there = "" if folder == Path() else f"cd {folder} && "
    log.info(f"next: {there}tinyc build && tinyc test")


def _own(model: str, board: str, folder: Path) -> Any:
    """What `tinyc init` has to know of a model of the user's, by a build."""
    import tempfile

    from ..deploy.init import Own
    from ..job import Job
    from ..settings import Config

    job = Job.compile(
        Config(model=model, board=board), "tinyc init", "pass --model", listener=Terminal()
    )
    with tempfile.TemporaryDirectory(prefix="tinyc-") as place:
        image = job.image(Path(place) / job.name, job.config.main)
        return Own.of(model, folder, job.plan, image)
