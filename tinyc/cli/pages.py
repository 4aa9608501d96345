"""``python -m tinyc.cli.pages docs``: the pages of the reference that are made from the code."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from .. import firmware
from ..report import reference
from ..search import techniques
from ..target.boards import all_boards
from .app import app

_CLI = """\
# Command line

Made by `make docs`. Options win over `TINYC_*` variables, and those over `tinyc.toml`. Data goes to
stdout, messages go to stderr; the first digit of an [error](errors.md)'s id is the exit code.

`tinyc --install-completion` has bash, zsh, fish or PowerShell complete verbs, options and their
values: boards, models, builds, emulators, recipes, techniques, exports, those of the project too.
With `--json` each verb prints one object, verdicts and errors in it; with `-q` those that judge
print their verdict in a line, `pass` or `FAIL`, and nothing else on stdout.

"""
_BOARDS = """\
# Boards

Made by `make docs`: what `tinyc boards` lists; `tinyc boards show NAME` has the memories and the
source of each fact. [A board of your own](own-board.md) is a file. Bytes are those of the first
flash and the first RAM. Unicorn and the host run every board.

"""
_API = """\
# Python API

Made by `make docs` from the docstrings of `tinyc/firmware.py`; [Python](python.md) is the guide.
`import tinyc` loads nothing else before it is asked for.

"""


def pages() -> dict[str, str]:
    """Path in ``docs/`` -> text of each page."""
    own = {"api.md": api(), "boards.md": boards(), "cli.md": commands()}
    return {**reference.pages(), **own, "compression.md": techniques.page()}


def api() -> str:
    """The functions and classes of `tinyc.firmware`, with the methods of the latter."""
    parts = []
    for name in ("compile", "load", "Firmware", "Sizes", "Layer", "Profile"):
        thing = getattr(firmware, name)
        if not inspect.isclass(thing):
            parts.append(_documented("##", f"tinyc.{name}{_signature(thing)}", thing))
            continue
        parts.append(_documented("##", name, thing))
        for key, member in vars(thing).items():
            if not key.startswith("_") and inspect.isfunction(member):
                parts.append(_documented("###", f"{name}.{key}{_signature(member)}", member))
            elif isinstance(member, property):
                kind = _signature(member.fget).partition(" -> ")[2]
                parts.append(_documented("###", f"{name}.{key}: {kind}", member))
    return _API + "\n".join(parts)


def _documented(level: str, title: str, thing: object) -> str:
    name = title.partition("(")[0].partition(":")[0]
    code = "" if name == title else f"```python\n{title}\n```\n\n"
    text = (inspect.getdoc(thing) or "").replace("*shape", "\\*shape")
    return f"{level} {name}\n\n{code}{text}\n"


def _signature(function: Any) -> str:
    """Its parameters and result, as they are written."""
    text = str(inspect.signature(function)).replace("'", "")
    return re.sub(r"^\(self(, /)?(, )?", "(", text)


def boards() -> str:
    heading = ("board", "aliases", "core", "MHz", "flash", "RAM", "QEMU", "Renode", "flashed by")
    rows = [
        (
            f"`{b.name}`<br>{b.title}", ", ".join(b.aliases), b.core.name, f"{b.clock_hz / 1e6:g}",
            f"{b.flash_bytes:,}", f"{b.ram_bytes:,}", "yes" if b.qemu else "",
            "yes" if b.renode else "", ", ".join(b.debug.flashers) if b.debug else "",
        )
        for b in all_boards()
    ]  # fmt: skip
    return _BOARDS + _table(heading, rows)


def commands() -> str:
    return _CLI + "\n".join(_verbs("tinyc", typer.main.get_command(app)))


def _verbs(name: str, command: Any) -> Iterator[str]:
    """A section for a command, and one for each that it has."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and _told(p)]
    words = [name, *(p.metavar or p.name.upper() for p in arguments)]
    yield f"## {name}\n\n{command.help or ''}\n\n```\n{' '.join(words)} [OPTIONS]\n```\n"
    rows = [(f"`{words[i]}`", _cell(p.help), _variable(p)) for i, p in enumerate(arguments, 1)]
    rows += [
        (", ".join(f"`{o}`" for o in (*p.opts, *p.secondary_opts)), _cell(p.help), _variable(p))
        for p in options
    ]
    if rows:
        yield _table(("option", "what it says", "variable"), rows)
    for verb, each in getattr(command, "commands", {}).items():
        yield from _verbs(f"{name} {verb}", each)


def _told(option: Any) -> bool:
    """What typer adds for completion reads otherwise from shell to shell."""
    return not option.hidden and "completion" not in option.name


def _variable(parameter: Any) -> str:
    return f"`{parameter.envvar}`" if parameter.envvar else ""


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows)]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    for path, text in pages().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
