"""What the shell completes: boards, models, recipes, techniques and the like.

A key that is pressed runs nothing of a project: its boards and recipes are known, its plugins are
not. What goes wrong is for the command to tell, and completes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import CompileError, CompileErrors

Completion = Callable[[str], list[tuple[str, str]]]
"""What was typed of a value -> (value, what it is)."""


def _quiet(function: Callable[[str], Iterable[tuple[str, str]]]) -> Completion:
    @functools.wraps(function)
    def complete(incomplete: str) -> list[tuple[str, str]]:
        try:
            return [pair for pair in function(incomplete) if pair[0].startswith(incomplete)]
        except (CompileError, CompileErrors, OSError):
            return []

    return complete


def words(*known: str) -> Completion:
    """One of these."""

    @_quiet
    def complete(incomplete: str) -> Iterable[tuple[str, str]]:
        return [(word, "") for word in known]

    return complete


def listed(complete: Completion) -> Completion:
    """Several by commas, each completed so."""

    @_quiet
    def each(incomplete: str) -> Iterable[tuple[str, str]]:
        before, comma, last = incomplete.rpartition(",")
        taken = before.split(",")
        return [
            (f"{before}{comma}{value}", what)
            for value, what in complete(last)
            if value not in taken
        ]

    return each


@_quiet
def boards(incomplete: str) -> Iterable[tuple[str, str]]:
    """Names and aliases, those of the project too, and files of boards."""
    from .. import config
    from ..target.boards import all_boards

    config.project(plugins=False)
    found = [(n, board.title) for board in all_boards() for n in (board.name, *board.aliases)]
    return [*found, *_paths(incomplete, lambda path: path.suffix == ".toml", named=True)]


@_quiet
def models(incomplete: str) -> Iterable[tuple[str, str]]:
    """Files that a frontend takes, and folders on the way to them."""
    return _paths(incomplete, _is_model())


@_quiet
def builds(incomplete: str) -> Iterable[tuple[str, str]]:
    """Folders, reports and models, which `tinyc diff` compares."""
    is_model = _is_model()
    return _paths(incomplete, lambda path: path.suffix == ".json" or is_model(path))


def files(*suffixes: str) -> Completion:
    """Files that end so, and folders on the way to them."""

    @_quiet
    def complete(incomplete: str) -> Iterable[tuple[str, str]]:
        return _paths(incomplete, lambda path: path.name.endswith(suffixes))

    return complete


def _is_model() -> Callable[[Path], bool]:
    from ..frontends.base import frontends

    takes = [frontend.takes for frontend in frontends().values()]
    return lambda path: any(taken(str(path)) for taken in takes)


def _paths(
    incomplete: str, takes: Callable[[Path], bool], named: bool = False
) -> list[tuple[str, str]]:
    """Files, and folders with a slash behind them, in what was typed of a path; of a single folder
    what lies in it, so that the shell does not end the word there. named: nothing before a part of
    a path was typed. Hidden ones are there where their dot is."""
    if named and not incomplete:
        return []
    head, slash, tail = incomplete.rpartition("/")
    folder = Path(head + slash).expanduser() if head + slash else Path()
    found = []
    for path in sorted(folder.iterdir()):
        shown = not path.name.startswith(".") or tail.startswith(".")
        if shown and path.name.startswith(tail) and (path.is_dir() or takes(path)):
            found.append(f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}")
    if len(found) == 1 and found[0].endswith("/"):
        return _paths(found[0], takes) or [(found[0], "")]
    return [(path, "") for path in found]


@_quiet
def emulators(incomplete: str) -> Iterable[tuple[str, str]]:
    from ..run import emulators as known

    return [(emulator.name, emulator.title) for emulator in known().values()]


@_quiet
def recipes(incomplete: str) -> Iterable[tuple[str, str]]:
    """Names of recipes, those of the project too, and files of others."""
    from .. import config
    from ..train import recipe

    own = config.project(plugins=False)
    found = [(name, str(path)) for name, path in recipe.known(map(Path, own.recipes)).items()]
    return [*found, *_paths(incomplete, lambda path: path.suffix == ".toml", named=True)]


@_quiet
def techniques(incomplete: str) -> Iterable[tuple[str, str]]:
    """Those of ``--compress``."""
    from ..compress.base import techniques as known

    return [(technique.name, technique.help) for technique in known().values()]


@_quiet
def keras_techniques(incomplete: str) -> Iterable[tuple[str, str]]:
    """Those of ``--with``."""
    from ..compress.keras.base import techniques as known

    return [(technique.name, technique.help) for technique in known().values()]


@_quiet
def exports(incomplete: str) -> Iterable[tuple[str, str]]:
    from ..deploy.export import FORMS

    return [(form, "") for form in FORMS]


@_quiet
def stages(incomplete: str) -> Iterable[tuple[str, str]]:
    """Of ``tinyc show --after``."""
    from .. import pipeline
    from ..compress.base import techniques as known

    return [(stage, "") for stage in (*pipeline.STAGES, *known())]


@_quiet
def tools(incomplete: str) -> Iterable[tuple[str, str]]:
    """What flashes or debugs boards."""
    from ..deploy.tools import TOOLS

    return [(tool, "") for tool in TOOLS]


@_quiet
def goals(incomplete: str) -> Iterable[tuple[str, str]]:
    """Of a search."""
    from ..search.front import OPTIMIZE

    return [(goal, "") for goal in OPTIMIZE]


SETTINGS: dict[str, Completion] = {
    "model": models,
    "board": boards,
    "data": files(".npz"),
    "calibrate": files(".npz"),
    "original": models,
    "compress": listed(techniques),
    "emulator": emulators,
    "database": files(".jsonl"),
    "lock": files(".lock"),
}
"""Setting -> what its value may be, besides words that its type lists."""
