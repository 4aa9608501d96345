"""``tinyc flash``, and what ``tinyc debug`` has in common with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CompileError
from . import completion
from .call import Call
from .options import env, verb
from .printing import judge, log, print_json

if TYPE_CHECKING:
    from ..deploy.tools import Command, Target

ImageOpt = Annotated[
    Path | None,
    typer.Option("--image", help="A finished ELF: nothing is built, and no model is needed."),
]
ToolOpt = Annotated[
    str | None,
    typer.Option(
        "--tool",
        envvar=env("tool"),
        help="Else the board's first that is installed.",
        autocompletion=completion.tools,
    ),
]
ProbeOpt = Annotated[
    str | None,
    typer.Option(
        "--probe", envvar=env("probe"), help="Serial number, VID:PID:SERIAL, or bossac's port."
    ),
]
VolumeOpt = Annotated[
    Path | None,
    typer.Option("--volume", help="Where the board's drive is mounted; else it is looked for."),
]
DryRunOpt = Annotated[
    bool, typer.Option("--dry-run", help="Print the commands, and run none of them.")
]


@verb(
    "model board * output_dir toolchain strict calibrate compress float_glue stream feed "
    "early_exit trust lock max_flash max_ram as_json verbose quiet",
)
def flash(
    call: Call,
    image: ImageOpt = None,
    tool: ToolOpt = None,
    probe: ProbeOpt = None,
    volume: VolumeOpt = None,
    dry_run: DryRunOpt = False,
) -> None:
    """Build a model and write it to a board, by the first of its tools that is installed."""
    from ..deploy import flash as flashing
    from ..deploy import processes, tools

    name, target = target_of(call, image, tool, probe, volume)
    chosen = tools.TOOLS[name]
    commands = [*map(flashing.located, chosen.flash(target))]
    print_commands(call, name, target, commands, dry_run)
    if not dry_run:
        processes.run(chosen, commands, target.debug)
        log.info(f"flashed {target.elf} on {target.board.name}")


def target_of(
    call: Call,
    image: Path | None,
    tool: str | None,
    probe: str | None,
    volume: Path | None = None,
    server: bool = False,
) -> tuple[str, Target]:
    """The tool's name and what it is to flash: the ELF given, or the one built now. server:
    whether the tool has to serve GDB."""
    from .. import config
    from ..deploy import flash as flashing
    from ..deploy.tools import Target
    from ..files.inputs import check_file
    from ..target.boards import load_board

    settings, verb = config.load(call.given), call.verb
    if not settings.board:
        raise CompileError("E201", verb, "no board is named", "pass --board; see `tinyc boards`")
    if image is not None:
        check_file(image)
    board = load_board(settings.board)
    if image is not None and call.named:
        raise CompileError("E201", verb, "takes a model or --image", "leave one of them out")
    # Before anything is built: it need not be, if nothing can flash it.
    name = flashing.choose(board, tool, volume, server)
    flashing.check_probe(name, probe)
    if image is None:
        job = call.job()
        _, checks = job.reported()
        judge(checks)
        image = job.folder / f"{job.name}.elf"
    flashing.check_image(image, board)
    return name, Target(image, board, probe, volume)


def print_commands(
    call: Call, name: str, target: Target, commands: Sequence[Command], dry_run: bool
) -> None:
    """On stdout where they are the result, else on stderr."""
    from ..deploy import flash as flashing

    if call.as_json:
        print_json(
            "commands",
            {
                "tool": name,
                "board": target.board.name,
                "image": str(target.elf),
                "commands": [list(command) for command in commands],
            },
        )
    for command in commands:
        if dry_run and not call.as_json:
            typer.echo(flashing.shown(command))
        else:
            log.info(flashing.shown(command))
