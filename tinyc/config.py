"""Settings of a command: options > ``TINYC_*`` variables > ``tinyc.toml``, checked strictly.

typer resolves options and variables; this module lays them over the file's values. What there is
to set stands in `tinyc.settings`.
"""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CompileError, CompileErrors
from .files.inputs import check_file, check_name, read_toml
from .plugins import load_file
from .settings import Config, Expect, Place
from .target.boards import is_file, use_folders

if TYPE_CHECKING:
    from pydantic import TypeAdapter

PATHS = ("model", "data", "calibrate", "original", "output_dir", "database", "lock")
READ = ("model", "data", "calibrate", "original", "database", "lock")
"""Those of `PATHS` that are read. A folder is left to the reader, since a model may be one."""
OWN = ("boards", "recipes", "plugins")
"""Lists of paths: what a project brings besides its model."""


def load(options: Mapping[str, Any], folder: Path | None = None) -> Config:
    """The settings of one command; the project's boards are those of `tinyc.target.boards` from
    now on, and its plugins have run.

    options: field of `Config` or of `Expect` -> value, None where it was not given;
    folder: where ``tinyc.toml`` or ``pyproject.toml`` with ``[tool.tinyc]`` may lie, by default
    the current one. Raises CompileError(s) E203 and E245 (what is named cannot be read, or is no
    file), E206 (unknown emulator), E208 (unknown key), E209 (bad value), E246, E251 and E252 (see
    `tinyc.plugins.load_file`).
    """
    file, values = _read(folder or Path())
    given = {k: v for k, v in options.items() if v is not None}
    for key in PATHS:
        if isinstance(values.get(key), str):
            values[key] = str(file.parent / values[key])
    if folder is not None and (folder / Config.lock).exists():
        values.setdefault("lock", str(folder / Config.lock))
    if isinstance(board := values.get("board"), str) and is_file(board):
        values["board"] = str(file.parent / board)
    return _usable(_checked(_over(values, given), str(file), file.parent, given))


def given(settings: Mapping[str, Any], origin: str) -> Config:
    """The settings of a call: those that are given, and no file's. origin: what was called.
    Raises the same as `load`."""
    values = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in settings.items()}
    expect = values.pop("expect", {})
    table = {"expect": dict(expect) if isinstance(expect, Mapping) else expect, "lock": "none"}
    return _usable(_checked(_over(table, values), origin, Path()))


def project(folder: Path | None = None, plugins: bool = True) -> Config:
    """The same for what asks for a project's boards, recipes and plugins alone: its settings file
    may be wrong in all else. plugins: whether these are run."""
    file, values = _read(folder or Path())
    own = {key: values[key] for key in OWN if key in values and (plugins or key != "plugins")}
    return _checked(own, str(file), file.parent)


def _over(values: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``more`` over them, in which the fields of `Expect` stand beside the
    others."""
    expected = _names(Expect)
    # Only a table can be overlaid; anything else is for the validation to name.
    if isinstance(values.setdefault("expect", {}), dict):
        values["expect"] |= {k: v for k, v in more.items() if k in expected}
    return values | {k: v for k, v in more.items() if k not in expected}


def _usable(settings: Config) -> Config:
    """The same, whose emulator there is, and whose paths name what can be read or written."""
    if settings.emulator != Config.emulator:
        from .run import find

        find(settings.emulator)
    for key in PATHS:
        named = getattr(settings, key)
        if key in READ and named:
            check_file(named, folder=True)
        elif named:
            check_name(named)
    return settings


def _checked(
    values: Mapping[str, Any], origin: str, folder: Path, options: Collection[str] = ()
) -> Config:
    """The settings, their boards and plugins in use. origin: of the values; folder: of the paths
    in them; options: those that the command line gave."""
    own = {
        key: [str(folder / n) if isinstance(n, (str, os.PathLike)) else n for n in values[key]]
        for key in OWN
        if isinstance(values.get(key), list)
    }
    from pydantic import ValidationError

    try:
        settings = _checker().validate_python({**values, **own})
    except ValidationError as error:
        problems = tuple(_problem(origin, e, options) for e in error.errors())
        raise problems[0] if len(problems) == 1 else CompileErrors(problems) from None
    return in_use(settings)


def in_use(settings: Config) -> Config:
    """The same, whose boards' folders and plugins are those of this process from now on. Raises
    CompileError E246, E251 and E252."""
    use_folders(map(Path, settings.boards))
    for name in settings.plugins:
        load_file(Path(name))
    return settings


@cache
def _checker() -> TypeAdapter[Config]:
    from pydantic import TypeAdapter

    return TypeAdapter(Config)


def _read(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The settings file of ``folder`` and its table, empty where there is none."""
    for name in ("tinyc.toml", "pyproject.toml"):
        file = folder / name
        try:
            table = read_toml(file)
        except FileNotFoundError:
            continue
        if name == "tinyc.toml":
            return file, table
        tools = table.get("tool")
        if isinstance(tools, dict) and isinstance(tools.get("tinyc"), dict):
            return file, tools["tinyc"]
    return folder / "tinyc.toml", {}


def _problem(file: str, error: Any, options: Collection[str]) -> CompileError:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    if error["type"] == "unexpected_keyword_argument":
        tables = {"expect": Expect, "placement": Place}
        known = _names(tables.get(path[0], Config))
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return CompileError("E208", file, f"unknown key '{key}'", hint)
    origin = f"--{path[-1].replace('_', '-')}" if path[-1] in options else f"{file}: {key}"
    said = "Input should be a list" if error["type"] == "tuple_type" else error["msg"]
    return CompileError("E209", origin, f"{reprlib.repr(error['input'])}: {said}")


def _names(table: type) -> list[str]:
    return [field.name for field in fields(table)]
