"""``tinyc ops``."""

from __future__ import annotations

from typing import Annotated

import typer

from .call import Call
from .options import verb
from .printing import print_json, print_table


@verb("as_json *")
def ops(
    call: Call,
    markdown: Annotated[bool, typer.Option("--markdown", help="docs/operators.md.")] = False,
) -> None:
    """List the operators: dtypes and kernels for each core."""
    from .. import config
    from ..report import operators as opstable

    if not markdown:  # a page of tinyc's own
        config.project()
    if markdown:
        typer.echo(opstable.markdown(), nl=False)
    elif call.as_json:
        print_json("ops", {"operators": opstable.table()})
    else:
        heading, rows = opstable.grid()
        print_table(heading, rows)
