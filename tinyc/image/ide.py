"""The folder of a build as a project: CMake, and Visual Studio Code on top of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..emit.emitter import Library
from ..emit.render import render
from ..target.boards import Board, Core
from ..target.toolchain import CFLAGS, CLANG_FLAGS, GCC_LDFLAGS, Toolchain

PRESETS = (
    ("gcc", "arm-none-eabi-gcc"),
    ("clang", "Clang and LLD"),
    ("zig", "zig cc"),
)
_PRESET_OF_KIND = {"gcc": "gcc", "clang": "zig"}  # tinyc's own Clang is ziglang's


def project(files: Iterable[str], library: Library, board: Board, kind: str) -> dict[str, str]:
    """Path -> text of the project's files: ``CMakeLists.txt``, ``CMakePresets.json``, a toolchain
    file for each preset under ``cmake/``, and ``.vscode/``, there with ``launch.json`` if a debug
    server knows the board.

    files: every path of the build, in the order in which its C files are linked, those of
    ``library`` among them; kind: of the toolchain that built it (`Toolchain.kind`), whose preset
    the tasks take. No path in them is absolute.
    """
    code = [path for path in files if path.endswith(".c") and path != "port/tanhf.c"]
    values = {
        "name": library.name,
        "board": board,
        "presets": PRESETS,
        "preset": _PRESET_OF_KIND[kind],
        "model": [path for path in code if path in library.files],
        "port": [path for path in code if path not in library.files],
        # Another compiler may warn of more than those that tinyc is tested with.
        "cflags": [flag for flag in CFLAGS if flag not in ("-Werror", "-pipe")],
    }
    values |= {
        "servers": _servers(board),
        "flashers": board.debug.flashers if board.debug else (),
    }

    def text(template: str, **more: Any) -> str:
        return render(f"ide/{template}", **values, **more)

    texts = {p: text(p) for p in ("CMakeLists.txt", "CMakePresets.json")}
    for preset, _ in PRESETS:
        texts[f"cmake/{preset}.cmake"] = text(f"{preset}.cmake", **_options(preset, board.core))
    for file in ("tasks.json", "extensions.json"):
        texts[f".vscode/{file}"] = text(file)
    if values["servers"]:
        svd = board.debug.svd if board.debug else None
        texts[".vscode/launch.json"] = text("launch.json", svd=svd)
    return texts


def _options(preset: str, core: Core) -> dict[str, Any]:
    """What a toolchain file states of its compiler. Clang by itself knows GCC's names of cores."""
    target = Toolchain("clang" if preset == "zig" else "gcc", "", ()).target(core)
    port = Toolchain("gcc" if preset == "gcc" else "clang", "", ()).freestanding()
    return {
        "target": target,
        "port_options": port,
        "compile_options": CLANG_FLAGS,
        "link_options": GCC_LDFLAGS,
    }


def _servers(board: Board) -> list[tuple[str, str, dict[str, Any]]]:
    """Title, cortex-debug's ``servertype`` and what that server needs, for each that knows the
    board (https://github.com/Marus/cortex-debug, debug_attributes.md)."""
    servers: list[tuple[str, str, dict[str, Any], Any]] = []
    if debug := board.debug:
        device = {"device": debug.jlink} if debug.jlink else {}
        servers += [
            ("OpenOCD", "openocd", {"configFiles": list(debug.openocd)}, debug.openocd),
            ("pyOCD", "pyocd", {"targetId": debug.pyocd}, debug.pyocd),
            ("ST-LINK", "stlink", {"interface": "swd", **device}, debug.stlink),
            ("J-Link", "jlink", {"interface": "swd", **device}, debug.jlink),
        ]
    # What the user has started with the image loaded, and `machine StartGdbServer 3333`.
    renode = {"gdbTarget": "localhost:3333", "overrideLaunchCommands": ["monitor start"]}
    servers.append(("Renode", "external", renode, board.renode))
    return [(title, server, own) for title, server, own, known in servers if known]
