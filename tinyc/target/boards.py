"""Boards and cores: strict TOML under ``boards/`` -> `Board` and `Core`.

A chip that several boards carry has a file of its own under ``boards/chips/``. A project and a
plugin may have such folders too.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from .. import plugins
from ..errors import CompileError, CompileErrors
from ..files.inputs import read_toml
from ..files.paths import resource
from .schema import (
    BOOT2_BYTES,
    FLASHERS,
    Board,
    Channel,
    Clock,
    Console,
    Core,
    Counter,
    Debug,
    Memory,
    Names,
    Pace,
    Pause,
    Qemu,
    Register,
    Renode,
    Step,
)
from .waits import Cache, Power, Waits

__all__ = [
    "BOOT2_BYTES",
    "FLASHERS",
    "Board",
    "Cache",
    "Channel",
    "Clock",
    "Console",
    "Core",
    "Counter",
    "Debug",
    "Memory",
    "Names",
    "Pace",
    "Pause",
    "Power",
    "Qemu",
    "Register",
    "Renode",
    "Step",
    "Waits",
    "add_folder",
    "all_boards",
    "is_file",
    "load_board",
    "names_with",
    "read_facts",
    "use_folders",
]

_brought: list[Path] = []
_project: tuple[Path, ...] = ()


def add_folder(folder: Path) -> None:
    """Have the boards of a plugin's folder listed with tinyc's own: a ``.toml`` each, those of
    their cores in ``cores/`` in it. Raises CompileError E246 where there is none."""
    if not folder.is_dir():
        hint = "a plugin names it as that of its boards"
        raise CompileError("E246", str(folder), "no such folder", hint)
    if folder not in _brought:
        _brought.append(folder)


def use_folders(folders: Iterable[Path]) -> None:
    """The same for a project's folders, in the place of those of the project before it. Raises
    CompileError E246 where there is none."""
    global _project
    _project = tuple(folder.resolve() for folder in folders)
    for folder in _project:
        if not folder.is_dir():
            hint = "`boards` in tinyc.toml names folders with a .toml for each board"
            raise CompileError("E246", str(folder), "no such folder", hint)


def all_boards() -> tuple[Board, ...]:
    """Every board, by name. Raises CompileError(s) of `_own_board` for one that is not tinyc's
    own, E252 where two have the same name or alias."""
    plugins.load_installed()
    return _all((*_brought, *_project))


@cache
def _all(folders: tuple[Path, ...]) -> tuple[Board, ...]:
    found: list[Board] = []
    cores = _cores(())
    for path in sorted(resource("boards").glob("*.toml")):
        facts = read_facts(path)
        found.append(Board.model_validate({**facts, "core": _core(cores[facts["core"]])}))
    names = {name: board.name for board in found for name in (board.name, *board.aliases)}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            board = _own_board(path, folders)
            for name in {board.name, *board.aliases}:
                if name in names:
                    raise plugins.twice(f"{path}: the name {name!r}", f"it is {names[name]}'s")
                names[name] = board.name
            found.append(board)
    return tuple(sorted(found, key=lambda board: board.name))


def _cores(folders: Iterable[Path]) -> dict[str, Path]:
    """The cores of tinyc and of ``folders``: name -> file."""
    found = {path.stem: path for path in sorted((resource("boards") / "cores").glob("*.toml"))}
    for path in (p for folder in folders for p in sorted((folder / "cores").glob("*.toml"))):
        if found.setdefault(path.stem, path).resolve() != path.resolve():
            raise plugins.twice(f"{path}: the core", f"it is {found[path.stem]}")
    return found


@cache
def _core(path: Path) -> Core:
    """The core of a file, as `_own_board`."""
    try:
        return Core.model_validate(_extended(path, (resource("boards") / "cores",)))
    except ValidationError as error:
        raise _problems(path, error) from None


def names_with(*fields: str) -> str:
    """The boards of whom one of ``fields`` tells something, for a message."""
    return ", ".join(b.name for b in all_boards() if any(getattr(b, f) for f in fields))


def read_facts(path: Path) -> dict[str, Any]:
    """The tables of a board's file over those of the file that it ``extends``, which lies
    beside it: what several boards share, their chip above all, is stated once. Cores likewise."""
    facts = read_toml(path)
    base = facts.pop("extends", None)
    return facts if base is None else _overlay(read_facts(path.parent / base), facts)


def _overlay(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """``more`` over ``base``: tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _overlay(base[key], value) if both else value
    return merged


def is_file(name: str) -> bool:
    """Whether a board is named by the path of its own ``.toml``."""
    return name.endswith(".toml")


def load_board(name: str) -> Board:
    """The board of that name or alias, or of a file of the user's own. Raises CompileError E204
    with the nearest names, and those of `_own_board` and `all_boards`."""
    if is_file(name):
        plugins.load_installed()
        return _own_board(Path(name), (*_brought, *_project))
    names = {n: b for b in all_boards() for n in (b.name, *b.aliases)}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name.lower(), names, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`tinyc boards` lists them"
    raise CompileError("E204", f"board {name!r}", "there is no such board", hint)


def _own_board(path: Path, folders: Iterable[Path] = ()) -> Board:
    """The board of a file outside of tinyc, which may leave out names and sources; its core is
    tinyc's, or one of ``cores/`` beside it or in ``folders``. Raises CompileError(s) E203, E209 and
    E245 (see `read_toml`), E246 (no such file, here or where it extends one), E247 (a fact is wrong
    or missing), E252 (a core's name stands for two)."""
    facts = _own_facts(path)
    cores = _cores(dict.fromkeys((path.resolve().parent, *folders)))
    core = facts.get("core")
    if not isinstance(core, str) or core not in cores:
        hint = f"use {', '.join(sorted(cores))}"
        raise CompileError("E247", f"{path}: core", f"{reprlib.repr(core)} is no core", hint)
    try:
        return Board.model_validate({**facts, "core": _core(cores[core])})
    except ValidationError as error:
        raise _problems(path, error) from None


def _own_facts(path: Path) -> dict[str, Any]:
    """The facts of a user's file; what it extends may lie in tinyc's ``boards/`` too."""
    home = resource("boards")
    own = {
        "name": re.sub(r"[^a-z0-9]+", "_", path.stem.lower()),
        "title": path.stem,
        "aliases": (),
        "sources": {},
    }
    return _extended(path, (path.parent / "chips", home, home / "chips"), own)


def _extended(
    path: Path,
    homes: tuple[Path, ...],
    defaults: Mapping[str, Any] = MappingProxyType({}),
    below: tuple[Path, ...] = (),
) -> dict[str, Any]:
    """`read_facts` of a user's file: what it extends lies beside it or in one of ``homes``.
    defaults: of the facts that it does not give; below: the files that extend it."""
    try:
        facts = {**defaults, **read_toml(path)}
    except FileNotFoundError:
        hint = "`tinyc boards` lists those that need no file"
        raise CompileError("E246", str(path), "no such file", hint) from None
    base = facts.pop("extends", None)
    if base is None:
        return facts
    places = [folder / str(base) for folder in (path.parent, *homes)]
    found = next((place for place in places if place.is_file()), None)
    if found is None or found.resolve() in (p.resolve() for p in (*below, path)):
        what = "extends itself" if found else f"extends {reprlib.repr(base)}, which is not there"
        names = ", ".join(p.name for p in sorted(homes[-1].glob("*.toml")))
        hint = f"name a file beside it, or one of tinyc's: {names}, or a board's (BOARD.toml)"
        raise CompileError("E246", str(path), what, hint)
    return _overlay(_extended(found, homes, below=(*below, path)), facts)


def _problems(path: Path, error: ValidationError) -> CompileError | CompileErrors:
    found = tuple(_problem(path, e) for e in error.errors())
    return found[0] if len(found) == 1 else CompileErrors(found)


def _problem(path: Path, error: Any) -> CompileError:
    key = ".".join(map(str, error["loc"]))
    what = error["msg"].removeprefix("Value error, ")
    if error["type"] not in ("missing", "value_error"):
        what = f"{reprlib.repr(error['input'])}: {what}"
    hint = "see the files of tinyc's boards/, and tinyc/target/schema.py for each field"
    return CompileError("E247", f"{path}: {key}" if key else str(path), what, hint)
