"""``tinyc debug``."""

from __future__ import annotations

from typing import Annotated

import typer

from .call import Call
from .flash import DryRunOpt, ImageOpt, ProbeOpt, ToolOpt, print_commands, target_of
from .options import verb
from .printing import log


@verb(
    "model board * output_dir toolchain strict calibrate compress float_glue stream feed "
    "early_exit trust lock max_flash max_ram as_json verbose quiet",
)
def debug(
    call: Call,
    image: ImageOpt = None,
    tool: ToolOpt = None,
    probe: ProbeOpt = None,
    server_only: Annotated[
        bool, typer.Option("--server-only", help="Start the GDB server, and no GDB.")
    ] = False,
    dry_run: DryRunOpt = False,
) -> None:
    """Build a model and debug it on a board: a GDB server, and GDB stopped at main."""
    from ..deploy import flash as flashing
    from ..deploy import processes, tools

    name, target = target_of(call, image, tool, probe, server=True)
    chosen = tools.TOOLS[name]
    assert chosen.serve is not None
    before = [] if chosen.loads else [*map(flashing.located, chosen.flash(target))]
    server = flashing.located(chosen.serve(target))
    gdb = None if server_only else flashing.find_gdb()
    client = [flashing.located(tools.gdb_command(gdb, chosen, target))] if gdb else []
    print_commands(call, name, target, [*before, server, *client], dry_run)
    if dry_run:
        return
    processes.run(chosen, before, target.debug)
    if client:
        processes.session(chosen, server, client[0], target.debug)
        return
    if not server_only:
        log.info(f"no GDB is installed ({' or '.join(flashing.GDBS)})")
    log.info(f"GDB can connect to localhost:{tools.PORT}; Ctrl-C ends the server")
    processes.serve(chosen, server, target.debug)
