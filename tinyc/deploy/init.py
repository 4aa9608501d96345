"""A new folder to start from: a model, its settings, tests and a workflow that runs them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..emit.render import render
from ..errors import CompileError, disk_error
from ..files.folder import MARK, digest, mark_of, read_mark
from ..files.paths import resource
from ..frontends.base import frontend_of
from ..image.build import Image
from ..plan import Plan
from ..target.boards import load_board

MAX_FLASH, MAX_RAM = 96 * 1024, 16 * 1024
"""The budgets of the sample, in bytes: with room, on every board and by either compiler."""

_COPIES = {
    "model.tflite": ("recipes", "digits-int8.tflite"),
    "samples.npz": ("recipes", "digits-samples.npz"),
    ".gitignore": ("templates", "init/gitignore"),
    "tests/test_firmware.py": ("templates", "init/test_firmware.py"),
}
_RENDERED = {
    ".github/workflows/firmware.yml": "init/firmware.yml",
    "tinyc.toml": "init/tinyc.toml",
}
_RENDERED_FOR_OWN = {**_RENDERED, "tests/test_firmware.py": "init/test_own.py"}

_EXTRAS = {"tflite": "", "onnx": "[onnx]", "torch": "[torch]"}
"""By the frontend that reads a model; any other is Keras's."""


@dataclass(frozen=True)
class Own:
    """A model of the user's in the place of the sample, as the new folder's files have it.

    model: its path from the new folder; contents: of the file, if it is to be copied there;
    max_flash, max_ram: budgets in bytes; floats: whether an output is float32; outputs: how many
    there are; extras: of the requirement that reads such a model, as ``[keras]``.
    """

    model: str
    contents: bytes | None
    max_flash: int
    max_ram: int
    floats: bool
    outputs: int
    extras: str

    @classmethod
    def of(cls, model: str, folder: Path, plan: Plan, image: Image) -> Own:
        """model: a path, as a command is given it; image: its firmware. Raises CompileError E233
        (it lies elsewhere than in ``folder``, and is no single file that could be copied)."""
        path, colon, function = model.partition(".py:")
        file = Path(f"{path}.py" if colon else model).resolve()
        tail = f":{function}" if colon else ""
        contents = None
        if file.is_relative_to(folder.resolve()):
            place = file.relative_to(folder.resolve()).as_posix()
        elif file.is_file() and not colon:
            place, contents = file.name, file.read_bytes()
        else:
            raise CompileError("E233", model, f"lies outside of {folder}", "copy it there first")
        binary = any(type(node.op).__name__.startswith("Lce") for node in plan.graph.nodes)
        outputs = plan.graph.outputs
        return cls(
            place + tail,
            contents,
            _with_room(image.flash_bytes, image.board.flash_bytes),
            _with_room(image.ram_bytes, image.board.ram_bytes),
            any(value.type.dtype.c == "float" for value in outputs),
            len(outputs),
            _EXTRAS.get(frontend_of(model).name, "[larq]" if binary else "[keras]"),
        )


def _with_room(taken: int, most: int) -> int:
    """A quarter and 2 KiB more, in KiB, as the next compiler may need it."""
    return min(-(-(taken * 5 // 4 + 2048) // 1024) * 1024, most)


def files(board: str, own: Own | None = None) -> dict[str, bytes]:
    """Path -> content of what a new folder holds, for a board by name or alias. Raises
    CompileError E204 (no such board)."""
    load_board(board)
    copies = {} if own else _COPIES
    found = {path: (resource(kind) / name).read_bytes() for path, (kind, name) in copies.items()}
    if own:
        kind, name = _COPIES[".gitignore"]
        found[".gitignore"] = (resource(kind) / name).read_bytes()
        if own.contents is not None:
            found[own.model] = own.contents
    values = {
        "board": board,
        "version": __version__,
        "model": json.dumps(own.model if own else "model.tflite", ensure_ascii=False),
        "max_flash": own.max_flash if own else MAX_FLASH,
        "max_ram": own.max_ram if own else MAX_RAM,
        "own": own,
    }
    for path, template in (_RENDERED_FOR_OWN if own else _RENDERED).items():
        found[path] = render(template, **values).encode()
    return found


def create(
    folder: Path, board: str, force: bool = False, own: Own | None = None
) -> tuple[str, ...]:
    """Write `files` into ``folder``, which is made if it is missing, and its mark (see
    `tinyc.files.folder`); returns the files' paths.

    A ``.gitignore`` that is there stays as it is; force: what an earlier call wrote is replaced,
    unless it was changed since. Either all of them are written or none. Raises CompileError E204
    (no such board), E233 (there are such files already), E8xx (the disk).
    """
    wanted = files(board, own)
    folder = Path(os.path.abspath(folder))
    if os.path.lexists(folder / ".gitignore"):
        del wanted[".gitignore"]
    made = read_mark(folder)
    marked = {} if made is None else dict(made["files"])
    known = {*map(digest, wanted.values()), *map(digest, files(board).values())}
    there = [path for path in wanted if os.path.lexists(folder / path)]
    theirs = [
        path for path in there if _digest(folder / path) not in {*known, marked.get(path, "")}
    ]
    if os.path.lexists(folder / MARK) and (made is None or made.get("kind") != "init"):
        theirs.append(MARK)
    if theirs:
        named = ", ".join(theirs)
        hint = "name another folder, or move what is yours away"
        if theirs == ["model.tflite"]:
            hint = "`tinyc init --model model.tflite` starts from it"
        raise CompileError(
            "E233", str(folder), f"already has {named}, not as `tinyc init` wrote it", hint
        )
    if there and not force:
        # The settings stand for the rest.
        named = "tinyc.toml" if "tinyc.toml" in there else ", ".join(there)
        raise CompileError(
            "E233", str(folder), f"already has {named}",
            "name another folder, or pass --force to write anew what `tinyc init` wrote",
        )  # fmt: skip
    digests = marked | {path: digest(content) for path, content in wanted.items()}
    try:
        _write(folder, {**wanted, MARK: mark_of("init", digests)})
    except OSError as error:
        raise disk_error(error, str(folder)) from None
    return tuple(wanted)


def _digest(path: Path) -> str | None:
    """Of a file; None for anything else."""
    return digest(path.read_bytes()) if path.is_file() and not path.is_symlink() else None


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
        if os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        _make(folder.parent, undo)
        folder.mkdir()
        undo.callback(folder.rmdir)
