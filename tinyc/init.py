"""A new folder to start from: a model, its settings, tests and a workflow that runs them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import __version__
from .boards import load_board
from .emit.c import environment
from .errors import CompileError
from .paths import resource

MAX_FLASH, MAX_RAM = 96 * 1024, 16 * 1024
"""The budgets of the sample, in bytes: with room, on every board and by either compiler."""

_COPIES = {
    "model.tflite": ("recipes", "digits-int8.tflite"),
    "samples.npz": ("recipes", "digits-samples.npz"),
    ".gitignore": ("templates", "init/gitignore"),
    "tests/test_firmware.py": ("templates", "init/test_firmware.py"),
}
_RENDERED = {
    ".github/workflows/firmware.yml": "init/firmware.yml.j2",
    "tinyc.toml": "init/tinyc.toml.j2",
}


def files(board: str) -> dict[str, bytes]:
    """Path -> content of what a new folder holds, for a board by name or alias. Raises
    CompileError E204 (no such board)."""
    load_board(board)
    values = {
        "board": board,
        "version": __version__,
        "max_flash": MAX_FLASH,
        "max_ram": MAX_RAM,
    }
    found = {path: (resource(kind) / name).read_bytes() for path, (kind, name) in _COPIES.items()}
    env = environment()
    for path, template in _RENDERED.items():
        found[path] = (env.get_template(template).render(values) + "\n").encode()
    return found


def create(folder: Path, board: str, force: bool = False) -> tuple[str, ...]:
    """Write `files` into ``folder``, which is made if it is missing; returns their paths.

    A ``.gitignore`` that is there stays as it is; force: any other file is replaced. Either all
    of them are written or none. Raises CompileError E204 (no such board), E233 (there are such
    files already), E801 (the disk).
    """
    wanted = files(board)
    folder = Path(os.path.abspath(folder))
    if os.path.lexists(folder / ".gitignore"):
        del wanted[".gitignore"]
    known = [path for path in wanted if os.path.lexists(folder / path)]
    if known and not force:
        # The settings stand for the rest.
        named = "tinyc.toml" if "tinyc.toml" in known else ", ".join(known)
        raise CompileError(
            "E233", str(folder), f"already has {named}",
            "name another folder, or pass --force to replace what `tinyc init` writes",
        )  # fmt: skip
    try:
        _write(folder, wanted)
    except OSError as error:
        raise CompileError(
            "E801", str(folder), f"cannot be written: {error.strerror}",
            "free some space or choose another folder",
        ) from None  # fmt: skip
    return tuple(wanted)


def _write(folder: Path, wanted: Mapping[str, bytes]) -> None:
    """All of ``wanted`` or, whatever happens, nothing of it."""
    with contextlib.ExitStack() as made:
        _make(folder, made)
        with (
            tempfile.TemporaryDirectory(prefix=".tinyc-init-", dir=folder) as stage,
            contextlib.ExitStack() as undo,
        ):
            fresh = [Path(stage) / f"new{i}" for i in range(len(wanted))]
            for path, content in zip(fresh, wanted.values(), strict=True):
                path.write_bytes(content)
            for path, target in zip(fresh, map(folder.joinpath, wanted), strict=True):
                _make(target.parent, undo)
                if os.path.lexists(target):
                    old = path.with_suffix(".old")
                    os.replace(target, old)
                    undo.callback(os.replace, old, target)
                os.replace(path, target)
                undo.callback(os.replace, target, path)
            undo.pop_all()
        made.pop_all()


def _make(folder: Path, undo: contextlib.ExitStack) -> None:
    """Make ``folder`` and those above it that are missing."""
    if not folder.is_dir():
        _make(folder.parent, undo)
        folder.mkdir()
        undo.callback(folder.rmdir)
