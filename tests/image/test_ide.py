"""The folder of a build as a CMake project and in Visual Studio Code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import slow_but
from elftools.elf.elffile import ELFFile
from pydantic import ValidationError
from test_build import CORES, run_in_qemu, toy, with_code

from tinyc.cli.app import execute
from tinyc.image.build import BuildOptions, build
from tinyc.image.ide import project
from tinyc.target import versions
from tinyc.target.boards import Board, Debug, all_boards, load_board
from tinyc.target.toolchain import cache_folder, find_toolchain

FILES = ["src/toy.c", "src/toy_weights.c", "port/startup.c", "port/tanhf.c", "port/main.c"]
MODEL = FILES[:2]
GCC = ("arm-none-eabi-gcc", "arm-none-eabi-ar")
ZIG = f"-DCMAKE_C_COMPILER={sys.executable};-m;ziglang;cc"
NEEDS = {"gcc": GCC, "clang": ("clang", "ld.lld", "ar", "arm-none-eabi-gcc"), "zig": ()}


def texts(board: Board, kind: str = "gcc") -> dict[str, str]:
    return project(FILES, toy(), board, kind)


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH on which there is nothing but CMake and Ninja: no Python, no compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cmake", "ninja"):
        (folder / name).symlink_to(tool(name))
    return str(folder)


def with_tools(bare_path: str, *names: str) -> str:
    for name in names:
        (Path(bare_path) / name).symlink_to(tool(name))
    return bare_path


def cmake(folder: Path, path: str, preset: str, *more: str) -> None:
    zig = str(cache_folder() / "zig")
    env = {"PATH": path, "ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig}
    env["HOME"] = os.environ["HOME"]
    for command in (["--preset", preset, *more], ["--build", "--preset", preset]):
        done = subprocess.run(
            ["cmake", *command], cwd=folder, env=env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def copied(built: Path, to: Path) -> Path:
    """A copy, in a folder whose name has a space, of what a user would keep: no outputs."""
    shutil.copytree(
        built, to / "a copy", ignore=shutil.ignore_patterns("*.elf", "*.hex", "*.bin", "*.map")
    )
    return to / "a copy"


def static_sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash, and of .data and .bss."""
    with elf.open("rb") as file:
        sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2]
        sizes = {s.name: s["sh_size"] for s in sections}
    bss = sizes.pop(".bss", 0)
    return sum(sizes.values()), bss + sizes.get(".data", 0)


@pytest.mark.parametrize("core", slow_but(["cortex-m4"], CORES))
def test_gcc_builds_the_same_image(core: str, bare_path: str, tmp_path: Path) -> None:
    path = with_tools(bare_path, *GCC, "arm-none-eabi-objcopy")
    image = build(toy(arena=64), CORES[core], "gcc", tmp_path / "out")
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, path, "gcc")
    out = folder / "build" / "gcc"
    assert static_sizes(out / "toy.elf") == (image.flash_bytes, image.data_bss_bytes)
    assert (out / "toy.bin").read_bytes() == (tmp_path / "out" / "toy.bin").read_bytes()
    assert (out / "toy.hex").read_text().rstrip().endswith(":00000001FF")


def test_sizes_are_those_of_the_report(
    bare_path: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_tools(bare_path, *GCC)
    monkeypatch.chdir(tmp_path)
    assert execute(["build", str(tiny_model), "--board", "stm32", "--toolchain", "gcc"]) == 0
    built = tmp_path / "build" / load_board("stm32").name / "tiny"
    report = json.loads((built / "report" / "report.json").read_text())["build"]
    folder = copied(built, tmp_path)
    cmake(folder, path, "gcc")
    flash, ram = static_sizes(folder / "build" / "gcc" / "tiny.elf")
    assert flash == report["flash_bytes"]
    assert ram == report["ram_bytes"] - report["stack_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7"])
def test_zig_links(core: str, bare_path: str, tmp_path: Path) -> None:
    image = build(toy(arena=64), CORES[core], "clang", tmp_path / "out")
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, bare_path, "zig", ZIG)
    sizes = static_sizes(folder / "build" / "zig" / "toy.elf")
    assert sizes == (image.flash_bytes, image.data_bss_bytes)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7"])
def test_clang_links(core: str, bare_path: str, tmp_path: Path) -> None:
    path = with_tools(bare_path, *NEEDS["clang"])
    image = build(toy(arena=64), CORES[core], None, tmp_path / "out")
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, path, "clang")
    _, ram = static_sizes(folder / "build" / "clang" / "toy.elf")
    assert ram == image.data_bss_bytes


@pytest.mark.slow
@pytest.mark.parametrize("preset", NEEDS)
def test_runs_in_qemu(preset: str, bare_path: str, tmp_path: Path) -> None:
    path, qemu = with_tools(bare_path, *NEEDS[preset]), tool("qemu-system-arm")
    image = build(toy(), load_board("stm32"), None, tmp_path / "out", BuildOptions("test"))
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, path, preset, *([ZIG] if preset == "zig" else []))
    x = np.float32([[1.5, 2.25], [-8, 3], [0, -1]])
    linked = replace(image, elf=folder / "build" / preset / "toy.elf")
    out, console = run_in_qemu(qemu, linked, x.tobytes(), tmp_path)
    np.testing.assert_array_equal(np.frombuffer(out, "<f4"), x @ np.float32([0.5, 2]))
    assert "samples: 3\n" in console


@pytest.mark.slow
@pytest.mark.parametrize("preset", NEEDS)
def test_mathematics_links(preset: str, bare_path: str, tmp_path: Path) -> None:
    path = with_tools(bare_path, *NEEDS[preset])
    if preset != "zig" and not find_toolchain("gcc").has_libc:
        pytest.skip("newlib is not installed")
    code = toy().files["src/toy.c"].replace("return x *", "return tanhf(x) *")
    library = with_code(toy(), f"#include <math.h>\n{code}")
    build(library, load_board("stm32"), None, tmp_path / "out")
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, path, preset, *([ZIG] if preset == "zig" else []))
    with (folder / "build" / preset / "toy.elf").open("rb") as file:
        assert ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("tanhf")


def test_gcc_without_a_c_library(bare_path: str, tmp_path: Path) -> None:
    path = with_tools(bare_path, *GCC)
    gcc = Path(path) / "arm-none-eabi-gcc"
    real = gcc.readlink()
    gcc.unlink()
    # Where there is no such file, GCC answers with its bare name.
    answer = 'case "$1" in -print-file-name=*) echo libm.a; exit;; esac'
    gcc.write_text(f'#!/bin/sh\n{answer}\nexec {real} "$@"\n')
    gcc.chmod(0o755)
    build(toy(), load_board("stm32"), "gcc", tmp_path / "out")
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, path, "gcc")
    commands = json.loads((folder / "build" / "gcc" / "compile_commands.json").read_text())
    assert f"{folder}/port/tanhf.c" in {c["file"] for c in commands}
    assert all(f'-isystem "{folder}/port/libc"' in c["command"] for c in commands)


# Names that CMake keeps for targets of its own, and that of the project's.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["test", "all", "firmware"])
def test_a_model_named_as_a_target(name: str, bare_path: str, tmp_path: Path) -> None:
    path = with_tools(bare_path, *GCC)
    build(toy(name=name), load_board("stm32"), "gcc", tmp_path / "out")
    folder = copied(tmp_path / "out", tmp_path)
    cmake(folder, path, "gcc")
    assert (folder / "build" / "gcc" / f"{name}.elf").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gcc", "clang"])
def test_every_named_file_exists(kind: str, tmp_path: Path) -> None:
    if kind == "gcc":
        tool("arm-none-eabi-gcc")
    out = tmp_path / "out"
    build(toy(), load_board("stm32"), kind, out)
    text = (out / "CMakeLists.txt").read_text()
    named = set(re.findall(r"\b(?:src|port|include|cmake)(?:/[\w.]+)*", text))
    assert {"src/toy.c", "port/startup.c", "port/linker.ld", "port/libc", "include"} <= named
    presets = json.loads((out / "CMakePresets.json").read_text())["configurePresets"]
    named |= {p["toolchainFile"].removeprefix("${sourceDir}/") for p in presets}
    assert {"cmake/gcc.cmake", "cmake/clang.cmake", "cmake/zig.cmake"} <= named
    assert [name for name in named if not (out / name).exists()] == []
    # And no source is left out.
    assert {str(p.relative_to(out)) for p in out.rglob("*.c")} <= named


@pytest.mark.parametrize("kind", ["gcc", "clang"])
@pytest.mark.parametrize("board", all_boards(), ids=lambda b: b.name)
def test_texts_are_repeatable_and_relative(board: Board, kind: str) -> None:
    one = texts(board, kind)
    assert one == texts(board, kind)
    for path, text in one.items():
        assert not Path(path).is_absolute() and ".." not in Path(path).parts
        assert text.endswith("\n") and not text.endswith("\n\n"), path
        assert not re.findall(r"""(?:^|[\s"'=;(])(?:/|~|[A-Za-z]:[\\/])\w.*""", text), path
    assert (".vscode/launch.json" in one) == bool(board.debug or board.renode)


# cmake-presets(7): what version 3 of the file may hold, of which a few are used.
PRESET_KEYS = {"name", "displayName", "generator", "binaryDir", "toolchainFile", "cacheVariables"}


def test_presets() -> None:
    presets = json.loads(texts(load_board("stm32"))["CMakePresets.json"])
    assert set(presets) == {"version", "cmakeMinimumRequired", "configurePresets", "buildPresets"}
    assert presets["version"] == 3
    # Version 3 came with CMake 3.21, toolchainFile with it.
    least = presets["cmakeMinimumRequired"]
    assert (least["major"], least["minor"], least["patch"]) >= (3, 21, 0)
    configure = presets["configurePresets"]
    names = [p["name"] for p in configure]
    assert len(set(names)) == len(names) and {"gcc", "clang"} <= set(names)
    assert all(set(p) <= PRESET_KEYS for p in configure)
    assert len({p["binaryDir"].replace("${presetName}", p["name"]) for p in configure}) == 3
    assert [(p["name"], p["configurePreset"]) for p in presets["buildPresets"]] == [
        (n, n) for n in names
    ]


# https://github.com/Marus/cortex-debug/blob/master/debug_attributes.md, what is used of it, and
# https://code.visualstudio.com/docs/debugtest/debugging-configuration of every launch.json.
ATTRIBUTES = set(
    "configFiles cwd device executable gdbTarget interface overrideLaunchCommands "
    "runToEntryPoint servertype svdPath targetId".split()
)
EVERY = {"name", "type", "request", "preLaunchTask"}
NEEDED = {"openocd": "configFiles", "pyocd": "targetId", "stlink": "interface", "jlink": "device"}
NEEDED["external"] = "gdbTarget"


DEBUGGED = [b for b in all_boards() if b.debug or b.renode]


@pytest.mark.parametrize("kind", ["gcc", "clang"])
@pytest.mark.parametrize("board", DEBUGGED, ids=lambda b: b.name)
def test_launch(board: Board, kind: str) -> None:
    project = texts(board, kind)
    launch = json.loads(project[".vscode/launch.json"])
    assert set(launch) == {"version", "configurations"} and launch["version"] == "0.2.0"
    labels = {t["label"] for t in json.loads(project[".vscode/tasks.json"])["tasks"]}
    servers = ("openocd", "pyocd", "stlink", "jlink")
    known = [s for s in servers if getattr(board.debug, s, None)]
    known += ["external"] * (board.renode is not None)
    assert [c["servertype"] for c in launch["configurations"]] == known
    presets = json.loads(project["CMakePresets.json"])["configurePresets"]
    outputs = {
        p["binaryDir"].replace("${sourceDir}", "").replace("${presetName}", p["name"])
        for p in presets
    }
    for one in launch["configurations"]:
        assert set(one) <= ATTRIBUTES | EVERY and set(one) >= EVERY | {"executable", "cwd"}
        assert one["type"] == "cortex-debug" and one["request"] == "launch"
        assert one[NEEDED[one["servertype"]]]
        assert one["preLaunchTask"] in labels
        folder, _, file = one["executable"].removeprefix("${workspaceFolder}").rpartition("/")
        assert folder in outputs and file == "toy.elf"
        assert set(re.findall(r"\$\{.*?\}", json.dumps(one))) == {"${workspaceFolder}"}
    assert len({c["name"] for c in launch["configurations"]}) == len(known)
    assert "marus25.cortex-debug" in recommended(project)


def recommended(project: dict[str, str]) -> list[str]:
    extensions = json.loads(project[".vscode/extensions.json"])
    assert set(extensions) == {"recommendations"}
    assert all(re.fullmatch(r"[\w-]+\.[\w-]+", e) for e in extensions["recommendations"])
    return extensions["recommendations"]


def test_renode() -> None:
    board = load_board("stm32")
    launch = json.loads(texts(board)[".vscode/launch.json"])["configurations"][-1]
    assert launch["name"] == "Renode" and launch["servertype"] == "external"
    assert launch["gdbTarget"] == "localhost:3333"
    assert launch["overrideLaunchCommands"] == ["monitor start"]
    # Of a board that no probe knows there are no registers' names.
    board = load_board("stm32").model_copy(update={"debug": None})
    assert "svdPath" not in texts(board)[".vscode/launch.json"]


def test_without_debug_facts() -> None:
    board = next(b for b in all_boards() if not b.debug and not b.renode)
    project = texts(board)
    assert ".vscode/launch.json" not in project
    assert "tinyc flash" not in tasks(board, "gcc")
    assert "marus25.cortex-debug" not in recommended(project)


def tasks(board: Board, kind: str) -> dict[str, Any]:
    """Label -> task, after what code.visualstudio.com/docs/editor/tasks asks of tasks.json."""
    file = json.loads(texts(board, kind)[".vscode/tasks.json"])
    assert set(file) == {"version", "tasks", "inputs"} and file["version"] == "2.0.0"
    found = {t["label"]: t for t in file["tasks"]}
    assert len(found) == len(file["tasks"])
    inputs = {f"${{input:{i['id']}}}" for i in file["inputs"]}
    assert all(i["type"] == "promptString" and i["description"] for i in file["inputs"])
    assert set(re.findall(r"\$\{.*?\}", json.dumps(file["tasks"]))) == inputs
    for task in found.values():
        assert task["type"] == "process" and task["command"] and "problemMatcher" in task
        assert set(task.get("dependsOn", [])) <= set(found)
    assert [
        label
        for label, t in found.items()
        if t.get("group") == {"kind": "build", "isDefault": True}
    ] == ["build"]
    return found


@pytest.mark.parametrize(("kind", "preset"), [("gcc", "gcc"), ("clang", "zig")])
def test_tasks(kind: str, preset: str) -> None:
    found = tasks(load_board("stm32"), kind)
    assert found["build"]["dependsOn"] == ["configure"]
    for label in ("configure", "build"):
        assert found[label]["command"] == "cmake" and found[label]["args"][-1] == preset


def test_the_test_task_runs(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = load_board("stm32")
    task = tasks(board, "gcc")["tinyc test"]
    assert task["command"] == "tinyc"
    monkeypatch.chdir(tmp_path)
    args = [a.replace("${input:model}", str(tiny_model)) for a in task["args"]]
    assert execute(args) == 0
    assert (tmp_path / "build" / "tinyc" / board.name / "tiny" / "report").is_dir()


@pytest.mark.parametrize(("kind", "preset"), [("gcc", "gcc"), ("clang", "zig")])
def test_the_flash_task_flashes_what_is_built(
    kind: str, preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    board = load_board("stm32")
    task = tasks(board, kind)["tinyc flash"]
    assert task["command"] == "tinyc" and task["dependsOn"] == ["build"]
    out = tmp_path / "build" / preset
    image = build(toy(), board, None, out)
    st_flash = tmp_path / "st-flash"
    st_flash.write_text("#!/bin/sh\n")
    st_flash.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(versions, "beside", lambda: str(tmp_path))
    assert execute([*task["args"], "--dry-run"]) == 0
    told = f"st-flash --reset --format ihex write build/{preset}/toy.hex\n"
    assert image.elf == out / "toy.elf" and capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({}, "names no debug server"),
        ({"svd": "https://example.org/chip.svd"}, "names no debug server"),
        ({"openocd": ["/etc/board/x.cfg"]}, "openocd"),
        ({"openocd": ["board/x.cfg", "x.cfg"]}, "openocd"),
        ({"openocd": "board/x.cfg"}, "openocd"),
        ({"openocd": []}, "names no debug server"),
        ({"probe_rs": "STM32 F4"}, "probe_rs"),
        ({"bossac": -1}, "bossac"),
        ({"volumes": ["MICRO/BIT"]}, "volumes"),
        ({"volumes": ["LONGERTHANFAT"]}, "volumes"),
        ({"uf2": 0xE48BFF56, "jlink": "RP2040_M0_0"}, "uf2 needs volumes"),
        ({"picotool": True}, "picotool needs uf2"),
        ({"volumes": ["RPI-RP2"], "uf2": 1 << 32}, "uf2"),
        ({"stlink": True, "tools": ["bossac"]}, "tools: bossac has no fact"),
        ({"stlink": True, "tools": ["nope"]}, "tools: nope has no fact"),
        ({"stlink": True, "tools": ["st-flash", "st-flash"]}, "stands twice"),
        ({"pyocd": "STM32"}, "pyocd"),
        ({"jlink": 'STM32"'}, "jlink"),
        ({"stlink": True, "svd": "chip.svd"}, "svd"),
        ({"stlink": True, "bmp": True}, "bmp"),
    ],
    ids=str,
)
def test_wrong_debug_facts_are_refused(facts: dict, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Debug.model_validate(facts)


@pytest.mark.parametrize(
    ("facts", "order"),
    [
        ({"bossac": 0}, ["bossac"]),
        ({"jlink": "X"}, []),
        ({"stlink": True, "pyocd": "x"}, ["pyocd", "STM32_Programmer_CLI", "st-flash"]),
        ({"stlink": True, "pyocd": "x", "tools": ["st-flash"]},
         ["st-flash", "pyocd", "STM32_Programmer_CLI"]),
        ({"probe_rs": "X", "openocd": ["board/x.cfg"], "volumes": ["X"], "uf2": 0},
         ["probe-rs", "openocd", "copy"]),
    ],
    ids=str,
)  # fmt: skip
def test_the_order_of_tools(facts: dict, order: list[str]) -> None:
    assert list(Debug.model_validate(facts).flashers) == order
