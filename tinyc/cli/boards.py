"""``tinyc boards``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import completion
from .calibrate import calibrate
from .call import Call
from .options import JsonOpt, verb
from .printing import print_json, print_table, show

if TYPE_CHECKING:
    from ..target.boards import Board

app = typer.Typer(
    help="List the boards, show one, or fit what its flash costs.", invoke_without_command=True
)
app.command()(calibrate)


@app.callback(invoke_without_command=True)
def boards(ctx: typer.Context, as_json: JsonOpt = False) -> None:
    if ctx.invoked_subcommand is None:
        _list_boards(as_json)


@app.command("list")
@verb("as_json")
def list_(call: Call) -> None:
    """List the boards."""
    _list_boards(call.as_json)


@app.command("show")
@verb("as_json")
def show_(
    call: Call, name: Annotated[str, typer.Argument(autocompletion=completion.boards)]
) -> None:
    """Show one board."""
    from .. import config
    from ..target.boards import load_board

    config.project()
    board = load_board(name)
    facts = {"title": board.title, **_board_facts(board), **_board_details(board)}
    if call.as_json:
        print_json("board", facts)
        return
    rows = []
    for key, value in facts.items():
        lines = value.items() if isinstance(value, dict) else [("", value)]
        rows += [[f"{key} {name}".strip(), show(item)] for name, item in lines if item]
    print_table(["what", "value"], rows)


def _board_details(board: Board) -> dict[str, Any]:
    """What `tinyc boards show` tells besides what the list does."""
    memories = {m.name: f"0x{m.origin:08x}, {m.size:,} bytes of {m.kind}" for m in board.memory}
    return {
        "memory": memories,
        "console": f"{board.console.uart}, 115200 baud",
        "counter": board.counter.name if board.counter else "SysTick",
        "qemu": board.qemu.machine if board.qemu else None,
        "renode": board.renode.platform if board.renode else None,
        "flashed_by": list(board.debug.flashers) if board.debug else [],
        "sources": board.sources,
    }


def _board_facts(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "aliases": list(board.aliases),
        "core": board.core.name,
        "clock_hz": board.clock_hz,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
    }


def _list_boards(as_json: bool) -> None:
    from .. import config
    from ..target.boards import all_boards

    config.project()
    facts = [_board_facts(board) for board in all_boards()]
    if as_json:
        print_json("boards", {"boards": facts})
        return
    heading = ["name", "aliases", "core", "MHz", "flash KiB", "RAM KiB"]
    rows = [
        [
            f["name"], show(f["aliases"]), f["core"], f"{f['clock_hz'] / 1e6:g}",
            *(f"{f[key] / 1024:,g}" for key in ("flash_bytes", "ram_bytes")),
        ]
        for f in facts
    ]  # fmt: skip
    print_table(heading, rows)
