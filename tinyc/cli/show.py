"""``tinyc show``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import CompileError
from . import completion
from .call import Call
from .options import verb
from .printing import print_json, progress


@verb(
    "model board * calibrate compress float_glue trust optimize stream feed early_exit backend "
    "database lock toolchain as_json verbose quiet",
)
def show(
    call: Call,
    after: Annotated[
        str | None,
        typer.Option(
            help="A pass, read, binarize, calibrate, a technique or plan "
            "[the last, with the plan].",
            autocompletion=completion.stages,
        ),
    ] = None,
) -> None:
    """Print a model's graph, as any pass leaves it, and its plan: kernels, arena, the peak."""
    from .. import config, pipeline
    from ..compress.base import techniques
    from ..report import network
    from ..target.boards import load_board

    settings = config.load(call.given)
    known = (*pipeline.STAGES, *techniques())
    if after is not None and after not in known:
        hint = f"one of {', '.join(known)}"
        raise CompileError("E248", "--after", f"'{after}' is no stage", hint)
    if not settings.model:
        raise CompileError("E201", call.verb, "no model is named", f"`{call.verb} MODEL.tflite`")
    board = load_board(settings.board) if settings.board else None
    if after == "plan" and board is None:
        hint = "pass --board; a plan is for one"
        raise CompileError("E201", call.verb, "no board is named", hint)
    made: dict[str, Any] = {}
    with progress("compiling"):
        options = pipeline.CompileOptions.of(settings)
        for name, value in pipeline.stages(settings.model, board, options):
            made[name] = value
            if name == after:
                break
    if after is not None and after not in made:
        there = f"this model's stages are {', '.join(made)}"
        raise CompileError("E248", "--after", f"'{after}' changes nothing here", there)
    *_, last = (name for name in made if name != "plan")
    shown = [after] if after is not None else [last, *(["plan"] if "plan" in made else [])]
    if call.as_json:
        print_json("show", network.facts({name: made[name] for name in shown}))
    else:
        typer.echo("\n\n".join(str(made[name]) for name in shown))
