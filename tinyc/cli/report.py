"""``tinyc report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import log, print_json


@verb("* output_dir as_json verbose quiet")
def report(
    call: Call,
    build: Annotated[
        str | None,
        typer.Argument(
            help="A build's folder, or a report.html in it; else the latest build.",
            autocompletion=completion.files(".html"),
        ),
    ] = None,
    pdf: Annotated[
        str | None, typer.Option(metavar="FILE", help="Print it into a PDF, and open nothing.")
    ] = None,
) -> None:
    """Open the report of a build in the browser, or print it as a PDF."""
    from .. import config
    from ..deploy import browser
    from ..files.inputs import check_name
    from ..report.pages import find

    folder = Path(config.load(call.given).output_dir)
    page = find(folder if build is None else Path(build), latest=build is None)
    target = None if pdf is None else Path(pdf)
    if target is not None:
        check_name(target)
        browser.to_pdf(page, target)
        log.info(f"wrote {target}")
    elif not call.as_json and not browser.show(page):
        log.info("there is no browser here; open it elsewhere")
    if call.as_json:
        print_json("opened", {"report": str(page), "pdf": pdf})
    else:
        typer.echo(target or page)
