"""Export: a generated library in the form that another ecosystem's own tools build."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .. import __version__
from ..emit.emitter import Buffer, Library
from ..emit.names import comment
from ..emit.render import render
from ..errors import CompileError
from ..files.folder import MARK, replacing
from ..image.build import firmware_files
from ..ir import DType
from ..target.boards import Board
from ..target.toolchain import Toolchain

# For each form its texts besides the library and a README: path -> template.
_TEXTS = {
    "arduino": {
        "library.properties": "arduino/library.properties",
        "keywords.txt": "arduino/keywords.txt",
        "examples/{name}/{name}.ino": "sketch.cpp",
    },
    "platformio": {
        "library.json": "platformio/library.json",
        "examples/{name}/platformio.ini": "platformio/platformio.ini",
        "examples/{name}/src/main.cpp": "sketch.cpp",
    },
    "zephyr": {
        "zephyr/module.yml": "zephyr/module.yml",
        "CMakeLists.txt": "zephyr/CMakeLists.txt",
        "Kconfig": "zephyr/Kconfig",
        "samples/{name}/CMakeLists.txt": "zephyr/sample/CMakeLists.txt",
        "samples/{name}/prj.conf": "zephyr/sample/prj.conf",
        "samples/{name}/sample.yaml": "zephyr/sample/sample.yaml",
        "samples/{name}/src/main.c": "example.c",
    },
    "cmsis-pack": {
        "tinyc.{name}.pdsc": "cmsis-pack/pdsc",
        "example/{name}.csolution.yml": "cmsis-pack/csolution.yml",
        "example/{name}.cproject.yml": "cmsis-pack/cproject.yml",
        "example/main.c": "example.c",
    },
    "cubeide": {
        ".project": "cubeide/project",
        ".cproject": "cubeide/cproject",
    },
    "library": {
        "Makefile": "library/Makefile",
        "example/main.c": "example.c",
    },
}
FORMS = tuple(_TEXTS)

# What an example calls to print; no other ecosystem promises a printf.
_PRINT = {"zephyr": "printk", "library": "printf"}

# STM32CubeIDE's GCC brings the C library that these stand in for.
_STAND_INS = ("port/memory.c", "port/tanhf.c", "port/libc/")


def check_form(form: str) -> None:
    """Raise CompileError E222 where there is no such form."""
    if form not in FORMS:
        raise CompileError("E222", "--to", f"'{form}' is unknown", f"use {', '.join(FORMS)}")


def export(
    library: Library, board: Board, form: str, out: Path, model: str | None = None
) -> tuple[Path, ...]:
    """Write ``library`` in one of `FORMS`, with an example that runs one
    inference, into ``out``, which is replaced whole; returns the files. For the same arguments
    the same bytes. model: the path of the model. Raises CompileError E222 (no such form, or not
    for this board), those of `tinyc.files.folder.replacing`."""
    check_form(form)
    if form == "cubeide" and board.names.cubeide is None:
        raise CompileError(
            "E222", "--to cubeide", f"STM32CubeIDE does not know the chip of {board.name}",
            "choose a board with a chip of ST, or another form",
        )  # fmt: skip
    texts = _texts(library, board, form)
    out = Path(os.path.abspath(out))
    with replacing(out, "export", model) as work:
        for path, text in texts.items():
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return tuple(out / path for path in sorted([*texts, MARK]))


def _texts(library: Library, board: Board, form: str) -> dict[str, str]:
    name = library.name
    texts = dict(library.files)
    if form == "arduino":  # its builder looks for headers in src/ alone
        texts = {path.replace("include/", "src/"): text for path, text in texts.items()}
    if form == "cubeide":
        firmware = firmware_files(library, board)
        texts = {p: t for p, t in firmware.items() if not p.startswith(_STAND_INS)}
    values = {
        "form": form,
        "name": name,
        "NAME": name.upper(),
        "version": __version__,
        "board": board,
        "core": board.core,
        "names": board.names,
        "target": Toolchain("gcc", "", ()).target(board.core),
        "extensions": ", ".join(
            f"{'with' if f in board.core.features else 'without'} {f.upper()}"
            for f in ("dsp", "fpu")
        ),
        "print": _PRINT.get(form),
        "code": sorted(path for path in library.files if path.endswith(".c")),
        "headers": sorted(path for path in library.files if path.endswith(".h")),
        "arena_bytes": library.arena_bytes,
        "inputs": [_port(buffer) for buffer in library.inputs],
        "outputs": [_port(buffer) for buffer in library.outputs],
        "states": library.states,
        "frames": library.frames,
        "fed": library.fed,
        "exit": library.exit,
        "floats": any(buffer.type.dtype is DType.F32 for buffer in library.outputs),
        "libm": library.libm,
    }
    for path, template in (_TEXTS[form] | {"README.md": "README.md"}).items():
        texts[path.format(name=name)] = render(f"export/{template}", **values)
    return texts


def _port(buffer: Buffer) -> dict[str, Any]:
    """What an example says of an input or output: its type, the C type of an element, to what
    it is cast to be printed, and how."""
    ctype = buffer.type.dtype.c
    cast, shown = ("double", "%.9g") if ctype == "float" else ("long", "%ld")
    if ctype in ("int64_t", "uint64_t"):
        cast, shown = "long long", "%lld"
    return {"type": comment(str(buffer.type)), "ctype": ctype, "cast": cast, "shown": shown}
