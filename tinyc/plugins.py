"""What is found and listed nowhere: the modules of tinyc's rooms, what installed packages bring,
and the files that a project names.

A module says what it brings when it is imported, by `tinyc.ops.base.register`,
`tinyc.kernels.base.provide`, a `Registry` and their like. So does a plugin: it is Python that runs
with the user's rights, as any package that is installed does.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from .errors import CompileError

GROUP = "tinyc.plugins"
"""The group of entry points that name a module of an installed package."""

FIRST = "tinyc.kernels"
"""Whose kernels are there before those that a plugin puts in front of them."""

_claims: dict[str, str] = {}
_folders: list[Path] = []
_asked = False


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Brought = TypeVar("Brought", bound=_Named)


class Registry(Generic[Brought]):
    """Things of one kind by their names.

    kind: what one of them is, for messages; room: the package whose modules bring tinyc's own.
    """

    def __init__(self, kind: str, room: str) -> None:
        self._kind, self._room = kind, room
        self._found: dict[str, Brought] = {}

    def add(self, thing: Brought) -> Brought:
        """Make it known. Raises CompileError E252, see `claim`."""
        claim(f"{self._kind} {thing.name!r}")
        self._found[thing.name] = thing
        return thing

    def all(self) -> Mapping[str, Brought]:
        """Name -> thing, in the order of their names. Raises CompileError E251 (see `load`)."""
        load(self._room)
        return dict(sorted(self._found.items()))


def claim(what: str) -> None:
    """Note that the module that is being imported brings ``what``. Raises CompileError E252 where
    another one does; one that is imported again, since it failed or was changed, may."""
    frame = sys._getframe(1)
    while frame.f_code.co_name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
    module = frame.f_globals.get("__name__", "")
    if _claims.setdefault(what, module) != module:
        raise twice(what)


def twice(what: str, where: str = "it is there already") -> CompileError:
    """The error for a name that stands for something else, which ``where`` tells."""
    return CompileError("E252", what, where, "give one of the two another name, or leave it out")


def load(room: str) -> None:
    """Import every module of tinyc's package ``room``, and the plugins of installed packages.
    Raises CompileError E251 where one of those cannot be loaded."""
    _load_room(room)
    load_installed()


@cache
def _load_room(room: str) -> None:
    package = importlib.import_module(room)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{room}.{module.name}")


def load_installed() -> None:
    """Import the plugins of installed packages, once. Raises CompileError E251, and E252 where one
    brings what is there already."""
    global _asked
    if _asked:  # also while one of them is being imported
        return
    _asked = True
    try:
        for entry in _entries():
            _load_entry(entry)
    except CompileError:
        _asked = False
        raise


def installed() -> list[tuple[str, str]]:
    """(name, version) of each package that brings a plugin; none of them is loaded."""
    return list(dict.fromkeys((_package(e), e.dist.version) for e in _entries() if e.dist))


def _entries() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda e: (_package(e), e.name))


def _load_entry(entry: EntryPoint) -> None:
    _load_room(FIRST)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what `--json` prints is one object
            module = entry.load()
    except (Exception, SystemExit) as error:
        hint = f"install another version of it, or `pip uninstall {_package(entry)}`"
        raise _broken(
            f"package {_package(entry)} ({entry.name} = {entry.value})", error, hint
        ) from error
    if file := getattr(module, "__file__", None):
        _remember(Path(file).parent)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "?"


def load_file(file: Path) -> None:
    """Import a project's own Python file, once. Raises CompileError E246 (there is none), E251 (it
    fails)."""
    hint = "`plugins` in tinyc.toml names Python files"
    if file.suffix != ".py" or not file.is_file():
        raise CompileError("E246", str(file), "no such Python file", hint)
    name = f"tinyc_plugin_{file.resolve()}"
    if name in sys.modules:
        return
    _load_room(FIRST)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the module of a class
    _remember(file.parent.resolve())
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        hint = "correct it, or take it out of `plugins` in tinyc.toml"
        raise _broken(str(file), error, hint) from error


def _broken(place: str, error: BaseException, hint: str) -> CompileError:
    if isinstance(error, CompileError):
        what = f"cannot be loaded: {error.origin}: {error.what}"
        return CompileError(error.id, place, what, error.hint)
    said = _said(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    if frames and not isinstance(error, SyntaxError):  # which tells its own
        said += f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
    return CompileError("E251", place, f"cannot be loaded: {said}", hint)


def blamed(error: BaseException) -> CompileError | None:
    """CompileError E251 for an exception that came out of a plugin's file or template; None for
    any other."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if file.parent in _folders:
            what = f"failed: {_said(error)}"
            return CompileError("E251", f"{file}, line {frame.lineno}", what, "correct the plugin")
    return None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _remember(folder: Path) -> None:
    if folder not in _folders:
        _folders.append(folder)


def folders() -> tuple[Path, ...]:
    """Where plugins' files lie, and beside them the templates and C of their kernels."""
    return tuple(_folders)
