"""tinyc flash and tinyc debug, with tools that note how they were called, and with real ones as
far as these get without a board."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, slow_but
from test_build import toy
from test_uf2 import read_uf2

from tinyc.cli.app import execute
from tinyc.deploy import flash, tools
from tinyc.deploy.tools import TOOLS, Target
from tinyc.errors import CompileError
from tinyc.image.build import build
from tinyc.target import boards, versions
from tinyc.target.boards import FLASHERS, Board, Debug, all_boards, load_board

RP2040 = 0xE48BFF56
PROGRAMS = ["probe-rs", "openocd", "pyocd", "STM32_Programmer_CLI", "st-flash", "picotool"]
PROGRAMS += ["bossac", "st-util", "ST-LINK_gdbserver"]

# Notes its own name and arguments, says what it is told to, and ends as it is told to.
FAKE = """#!/bin/sh
name="${0##*/}"
{ printf '%s\\037' "$name" "$@"; printf '\\n'; } >>"$FAKES/calls"
[ -f "$FAKES/$name.says" ] && while read -r line; do echo "$line"; done <"$FAKES/$name.says" >&2
[ -f "$FAKES/$name.does" ] && . "$FAKES/$name.does"
exit 0
"""


class Bench:
    """A PATH with nothing but fakes, and what they noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def install(self, *names: str) -> None:
        for name in names:
            (self.folder / name).write_text(FAKE)
            (self.folder / name).chmod(0o755)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def tell(self, name: str, says: str = "", does: str = "") -> None:
        (self.folder / f"{name}.says").write_text(f"{says}\n" if says else "")
        (self.folder / f"{name}.does").write_text(f"{does}\n")

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split("\x1f")[:-1] for line in lines]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(bench.folder))
    monkeypatch.setenv("FAKES", str(bench.folder))
    monkeypatch.setattr(versions, "beside", lambda: str(tmp_path / "venv"))
    monkeypatch.setattr(tools, "MOUNTS", (str(tmp_path / "media"),))
    return bench


def pico(name: str = "a_pico") -> Board:
    """A board with a UF2 boot loader: another's memory, with RP2040's facts."""
    known = {"uf2": RP2040, "picotool": True, "volumes": ("RPI-RP2",)}
    debug = Debug.model_validate({**known, "tools": ("picotool", "copy")})
    return load_board("stm32").model_copy(update={"name": name, "aliases": (), "debug": debug})


@pytest.fixture(scope="module")
def elfs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Board -> an image that was built for it."""
    folder = tmp_path_factory.mktemp("built")
    found = [pico(), *map(load_board, ("stm32", "nano33ble", "microbit"))]
    return {b.name: build(toy(), b, None, folder / b.name).elf for b in found}


@pytest.fixture(autouse=True)
def known_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    every = (*all_boards(), pico())
    monkeypatch.setattr(boards, "all_boards", lambda: every)


F4, NANO, MICROBIT, PICO = "stm32f4_discovery", "arduino_nano_33_ble", "microbit", "a_pico"
FLASHES = [
    (F4, "probe-rs", None, "probe-rs download --chip STM32F407VG ELF\n"
     "probe-rs reset --chip STM32F407VG"),
    (F4, "probe-rs", "0483:374b:066A",
     "probe-rs download --chip STM32F407VG --probe 0483:374b:066A ELF\n"
     "probe-rs reset --chip STM32F407VG --probe 0483:374b:066A"),
    (F4, "openocd", None, "openocd -f board/stm32f4discovery.cfg "
     "-c 'program ELF verify reset exit'"),
    (F4, "openocd", "066A", "openocd -f board/stm32f4discovery.cfg -c 'adapter serial 066A' "
     "-c 'program ELF verify reset exit'"),
    (MICROBIT, "openocd", None, "openocd -f interface/cmsis-dap.cfg -f target/nrf51.cfg "
     "-c 'program ELF verify reset exit'"),
    (F4, "pyocd", None, "pyocd load --no-wait --target stm32f407vgtx ELF"),
    (F4, "pyocd", "0483:374b:066A", "pyocd load --no-wait --target stm32f407vgtx --probe 066A ELF"),
    (F4, "STM32_Programmer_CLI", None, "STM32_Programmer_CLI -c port=SWD -w HEX -v -rst"),
    (F4, "STM32_Programmer_CLI", "066A", "STM32_Programmer_CLI -c port=SWD sn=066A -w HEX -v -rst"),
    (F4, "st-flash", None, "st-flash --reset --format ihex write HEX"),
    (F4, "st-flash", "066A", "st-flash --reset --serial 066A --format ihex write HEX"),
    (PICO, "picotool", None, "picotool load --verify --execute UF2"),
    (PICO, "picotool", "E660", "picotool load --verify --execute UF2 --ser E660"),
    (NANO, "bossac", None, "bossac -U -i -e -w BIN -R"),
    (NANO, "bossac", "/dev/ttyACM1", "bossac --port=/dev/ttyACM1 -U -i -e -w BIN -R"),
]  # fmt: skip


def filled(text: str, elf: Path) -> list[list[str]]:
    for suffix in ("elf", "hex", "bin", "uf2"):
        text = text.replace(suffix.upper(), str(elf.with_suffix(f".{suffix}")))
    return [shlex.split(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("board", "tool", "probe", "expected"), FLASHES, ids=[f"{f[0]}-{f[1]}-{f[2]}" for f in FLASHES]
)
def test_the_exact_command(
    board: str, tool: str, probe: str | None, expected: str, bench: Bench, elfs: dict[str, Path],
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    bench.install(*PROGRAMS)
    more = ["--probe", probe] if probe else []
    args = ["flash", "--image", str(elfs[board]), "--board", board, "--tool", tool, *more]
    assert execute([*args, "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert bench.calls == [] and printed.err == ""
    assert [shlex.split(line) for line in printed.out.splitlines()] == filled(expected, elfs[board])

    assert execute(args) == 0
    assert bench.calls == filled(expected, elfs[board])
    assert capsys.readouterr().err.startswith(printed.out)


def test_bossac_is_told_an_offset(bench: Bench, elfs: dict[str, Path]) -> None:
    board = load_board("nano33ble")
    moved = board.model_copy(update={"debug": Debug(bossac=0x4000)})
    (command,) = TOOLS["bossac"].flash(Target(elfs[NANO], moved, "ttyACM0"))
    assert command[:3] == ("bossac", "--port=ttyACM0", "--offset=0x4000")


@pytest.mark.parametrize("board", [F4, NANO, MICROBIT, PICO])
def test_the_boards_own_order(board: str, bench: Bench, elfs: dict[str, Path]) -> None:
    facts = load_board(board).debug
    assert facts is not None
    order = [tool for tool in facts.flashers if tool != "copy"]
    first = {F4: "probe-rs", NANO: "bossac", MICROBIT: "probe-rs", PICO: "picotool"}
    second = {F4: ["openocd"], NANO: ["probe-rs"], MICROBIT: ["pyocd"], PICO: []}
    assert order[0] == first[board] and order[1:2] == second[board]
    bench.install(*PROGRAMS)
    for tool in order:
        assert execute(["flash", "--image", str(elfs[board]), "--board", board]) == 0
        assert bench.calls[-1][0] == tool
        bench.remove(tool)
    assert execute(["flash", "--image", str(elfs[board]), "--board", board]) == 7


def test_a_model_is_built_first(
    bench: Bench, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    bench.install("openocd")
    monkeypatch.chdir(tmp_path)
    elf = Path("build") / F4 / "tiny" / "tiny.elf"
    args = ["flash", str(tiny_model), "--board", "stm32"]
    # Without a compiler on PATH there is ziglang's.
    assert execute([*args, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    command = ["openocd", "-f", "board/stm32f4discovery.cfg", "-c"]
    command.append(f"program {elf} verify reset exit")
    assert bench.calls == [command]
    facts = {"tool": "openocd", "board": F4, "image": str(elf), "commands": [command]}
    assert printed == {"schema_version": 1, **facts}
    assert elf.is_file() and (elf.parent / "report" / "report.json").is_file()
    # One over its budget is not flashed.
    assert execute([*args, "--max-flash", "100"]) == 6
    assert len(bench.calls) == 1


def test_a_tool_beside_the_interpreter(
    bench: Bench, elfs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """An environment that is not active: `.venv/bin/tinyc` uses `.venv/bin/pyocd`."""
    bench.install("pyocd")
    there = tmp_path / "venv" / "pyocd"
    there.parent.mkdir()
    (bench.folder / "pyocd").rename(there)
    args = ["--image", str(elfs[F4]), "--board", F4]
    assert execute(["flash", *args, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(f"{there} load --no-wait ")
    assert execute(["flash", *args]) == 0
    assert bench.calls[-1][:2] == ["pyocd", "load"]
    assert execute(["debug", *args, "--server-only", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{there} gdbserver ")
    # PATH comes first.
    bench.install("pyocd")
    assert execute(["flash", *args, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("pyocd load ")


def test_nothing_is_built_where_nothing_can_flash(
    bench: Bench, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert execute(["flash", str(tiny_model), "--board", "stm32"]) == 7
    assert not Path("build").exists()
    message = capsys.readouterr().err
    assert message.startswith(f"E710 {F4}: ") and message.count("\n") == 1
    for remedy in ("probe-rs (probe.rs)", "openocd (apt-get install openocd)"):
        assert remedy in message
    for remedy in ("pip install pyocd", "st.com", "stlink-tools", "no DIS_F407VG is mounted"):
        assert remedy in message


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--tool", "openocd"], 7, "E710 openocd: is not on PATH; apt-get install openocd"),
        (["--tool", "nope"], 2, "E230 --tool nope: is unknown; use one of probe-rs, openocd"),
        (["--tool", "bossac"], 2, f"E230 --tool bossac: {F4} cannot be flashed by it; use one of"),
        (["--tool", "copy"], 8, f"E811 {F4}: no DIS_F407VG is mounted; pass --volume FOLDER"),
        (["--tool", "copy", "--volume", "/nowhere"], 2, "E202 /nowhere: no such folder"),
        (["--board", "mps2_an385"], 2, "E230 mps2_an385: its file does not say how it is flashed"),
        (["model.tflite"], 2, "E201 tinyc flash: takes a model or --image"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told(
    args: list[str], code: int, message: str, bench: Bench, elfs: dict[str, Path],
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    assert execute(["flash", "--image", str(elfs[F4]), "--board", F4, *args]) == code
    assert capsys.readouterr().err.startswith(message)


def test_no_board(bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    assert execute(["flash", "--image", str(elfs[F4])]) == 2
    assert capsys.readouterr().err.startswith("E201 tinyc flash: no board is named")


NO_SERIALS = [
    "", " ", "066A; shutdown", "066A [exec id]", "$env(HOME)", "{a}", "a\\\nb", "066A\n", "-h",
    '"a"',
    "066A:", ":066A", "0483:374b", "0483:374b:", "0483:374b:;exit", "../066A", "\u0660", "a\x00b",
]  # fmt: skip


@pytest.mark.parametrize("probe", NO_SERIALS, ids=repr)
@pytest.mark.parametrize("verb", slow_but(["flash"], ["flash", "debug"]))
def test_what_is_no_serial_number_is_refused(
    verb: str, probe: str, bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture
) -> None:
    bench.install(*PROGRAMS)
    for tool in ("openocd", "pyocd", "st-flash", "STM32_Programmer_CLI"):
        args = [verb, "--image", str(elfs[F4]), "--board", F4, "--tool", tool, "--probe", probe]
        assert execute(args) == 2
        error = capsys.readouterr().err
        assert error.startswith("E238 --probe ") and error.count("\n") == 1
        assert "is no serial number" in error
    assert bench.calls == []


@pytest.mark.parametrize(("probe", "serial"), [
    ("066A", "066A"), ("0483:374b:066A", "066A"), ("7", "7"),
    ("E6614864_D3-5.1", "E6614864_D3-5.1"), ("F4:12:FA:00:11:22", "F4:12:FA:00:11:22"),
    ("303a:1001:F4:12:FA:00:11:22", "F4:12:FA:00:11:22"),
    ("remote:host:3240", "remote:host:3240"),
])  # fmt: skip
def test_serial_numbers(probe: str, serial: str, elfs: dict[str, Path]) -> None:
    flash.check_probe("pyocd", probe)
    assert Target(elfs[F4], load_board(F4), probe).serial == serial


def test_ports_of_bossac() -> None:
    for port in ("/dev/ttyACM0", "/dev/serial/by-id/usb-Arduino_LLC_a+b-if00", "COM3", "ttyACM0"):
        flash.check_probe("bossac", port)
    for port in ("", "-e", "/dev/tty ACM0", "a\n"):
        with pytest.raises(CompileError, match=r"E238 .*is no serial port"):
            flash.check_probe("bossac", port)
    flash.check_probe("probe-rs", "0483:374b")


def test_paths_that_programs_might_read_otherwise(bench: Bench, tmp_path: Path) -> None:
    for name in ("a{b.elf", "a}b.elf", "a\\b.elf", "a\nb.elf"):
        target = Target(tmp_path / name, load_board(F4))
        with pytest.raises(CompileError, match=r"E239 .*OpenOCD takes no name") as error:
            TOOLS["openocd"].flash(target)
        assert error.value.exit_code == 2 and str(error.value).count("\n") == 0
    target = Target(Path("-x.elf"), load_board(F4))
    for name in ("probe-rs", "pyocd"):
        assert TOOLS[name].flash(target)[0][-1] == "./-x.elf"
    assert "program ./-x.elf verify" in TOOLS["openocd"].flash(target)[0][-1]
    assert tools.gdb_command("gdb", TOOLS["openocd"], target)[-1] == "./-x.elf"


@pytest.mark.parametrize(
    "name", ["plain", "a b", "a [puts x] b", "$env(HOME)", 'a"b;c#d', "e\u0301 \u2014"]
)
def test_openocds_own_program_gets_the_path(name: str, tmp_path: Path) -> None:
    """OpenOCD's `program`, with all around it replaced, so that it needs no probe."""
    openocd = shutil.which("openocd")
    if openocd is None:
        pytest.skip("openocd is not installed")
    target = Target(tmp_path / f"{name}.elf", load_board(F4))
    (command,) = TOOLS["openocd"].flash(target)
    (said,) = [word for word in command if word.startswith("program ")]
    fakes = ["proc init {} {}", "proc reset {how} {}", "proc poll {how} {}"]
    fakes += [f'proc {c} {{args}} {{ puts "{c} [llength $args] <[lindex $args end]>" }}'
              for c in ("flash", "verify_image")]  # fmt: skip
    options = [option for fake in fakes for option in ("-c", fake)]
    done = subprocess.run(
        [openocd, *options, "-c", said], capture_output=True, text=True, timeout=30, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    path = str(target.elf)
    assert done.stdout.splitlines() == [f"flash 3 <{path}>", f"verify_image 1 <{path}>"]


def test_probe_rs_wants_the_whole_name(
    bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture
) -> None:
    bench.install("probe-rs")
    args = ["flash", "--image", str(elfs[F4]), "--board", F4, "--probe", "066A"]
    assert execute(args) == 2
    assert "VID:PID:SERIAL; `probe-rs list`" in capsys.readouterr().err and bench.calls == []


@pytest.mark.parametrize(
    ("tool", "says", "told"),
    [
        ("probe-rs", "Error: No connected probes were found.", "No connected probes were found."),
        ("openocd", "Error: open failed\nin procedure 'program'\nshutdown command invoked",
         "Error: open failed; on Linux"),
        ("pyocd", "No connected debug probe matches unique ID '066A'",
         "unique ID '066A'; `pyocd pack install stm32f407vgtx`"),
        ("st-flash", "\x1b[33mCouldn't find any ST-Link devices\x1b[0m",
         ": Couldn't find any ST-Link devices; on Linux a probe needs a udev rule"),
        ("STM32_Programmer_CLI", "", "ended with status 3; on Linux"),
    ],
)  # fmt: skip
def test_a_tool_fails(
    tool: str, says: str, told: str, bench: Bench, elfs: dict[str, Path],
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    bench.install(tool)
    bench.tell(tool, says, "exit 3")
    args = ["flash", "--image", str(elfs[F4]), "--board", F4, "--probe", "0483:374b:066A"]
    assert execute(args) == 8
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith(f"E810 {tool}: ended with status 3") and told in lines[-1]
    # What it said stands above, and no further command was run.
    assert len(bench.calls) == 1 and all(line in lines for line in says.splitlines())


def test_output_stays_apart_from_results(
    bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture
) -> None:
    bench.install("openocd")
    bench.tell("openocd", "** Verified OK **")
    args = ["flash", "--image", str(elfs[F4]), "--board", F4, "--json"]
    assert execute(args) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["tool"] == "openocd"
    assert "** Verified OK **" in printed.err and printed.err.endswith(f"on {F4}\n")


# Drives -------------------------------------------------------------------------------------


def drive(tmp_path: Path, label: str, *files: str) -> Path:
    folder = tmp_path / "media" / label
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text("")
    return folder


@pytest.fixture
def copying(bench: Bench) -> Bench:
    for name in ("cp", "sync"):
        (bench.folder / name).symlink_to(f"/bin/{name}")
    return bench


@pytest.mark.parametrize("label", ["MICROBIT", "MICROBIT1"])
def test_an_image_is_copied(
    label: str, copying: Bench, elfs: dict[str, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    folder = drive(tmp_path, label, "DETAILS.TXT")
    drive(tmp_path, "MICROBITES")
    args = ["flash", "--image", str(elfs[MICROBIT]), "--board", MICROBIT]
    assert execute([*args, "--dry-run"]) == 0
    image = elfs[MICROBIT].with_suffix(".bin")
    assert capsys.readouterr().out == f"cp {image} {folder}/\nsync\n"
    assert not (folder / "toy.bin").exists()
    assert execute(args) == 0
    assert (folder / "toy.bin").read_bytes() == image.read_bytes()


def test_a_uf2_is_copied(copying: Bench, elfs: dict[str, Path], tmp_path: Path) -> None:
    folder = drive(tmp_path, "RPI-RP2", "info_uf2.txt")
    args = ["flash", "--image", str(elfs[PICO]), "--board", PICO, "--tool", "copy"]
    assert execute(args) == 0
    blocks = read_uf2((folder / "toy.uf2").read_bytes(), RP2040)
    image = elfs[PICO].with_suffix(".bin").read_bytes()
    assert min(blocks) == load_board("stm32").flash.origin
    flat = b"".join(blocks.values())
    assert flat.startswith(image) and set(flat[len(image) :]) <= {0xFF}


def test_a_drive_elsewhere(copying: Bench, elfs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "mnt"
    folder.mkdir()
    args = ["flash", "--image", str(elfs[MICROBIT]), "--board", MICROBIT]
    assert execute([*args, "--volume", str(folder)]) == 0
    assert (folder / "toy.bin").is_file()


def test_drives_that_do_not_do(
    copying: Bench, elfs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = drive(tmp_path, "RPI-RP2")
    args = ["flash", "--image", str(elfs[PICO]), "--board", PICO, "--tool", "copy"]
    for more in ([], ["--volume", str(folder)]):
        assert execute([*args, *more]) == 8
        assert f"E811 {folder}: has no INFO_UF2.TXT" in capsys.readouterr().err
    drive(tmp_path, "RPI-RP21", "INFO_UF2.TXT")
    assert execute(args) == 8
    assert "RPI-RP21 are mounted; pass --volume FOLDER" in capsys.readouterr().err
    # Where no tool is named, a drive that is not there is a tool that is not there.
    assert execute(args[:-2]) == 7
    assert "picotool (github.com/raspberrypi/picotool)" in capsys.readouterr().err


def test_a_full_drive(copying: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("there is no /dev/full")
    copying.remove("cp")
    copying.install("cp")
    copying.tell("cp", does='echo "cp: error writing" >&2; echo x >/dev/full || exit 1')
    args = ["flash", "--image", str(elfs[MICROBIT]), "--board", MICROBIT, "--volume", "."]
    assert execute(args) == 8
    assert "E810 cp: ended with status 1" in capsys.readouterr().err.splitlines()[-1]
    assert [call[0] for call in copying.calls] == ["cp"]


# Images -------------------------------------------------------------------------------------


def test_an_image_of_another_board(
    bench: Bench, elfs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bench.install(*PROGRAMS)
    wrong = tmp_path / "wrong.elf"
    wrong.write_bytes(elfs[F4].read_bytes()[:40])
    host = Path(sys.executable).resolve()
    for path, id in [
        (tmp_path / "none.elf", "E202"),
        (elfs[F4].with_suffix(".bin"), "E203"),
        (wrong, "E203"),
        (host, "E203"),
        (elfs[MICROBIT], "E232"),
        (elfs[NANO], "E232"),
    ]:
        assert execute(["flash", "--image", str(path), "--board", F4]) == 2
        assert capsys.readouterr().err.startswith(f"{id} {path}: ")
    assert bench.calls == []


def test_what_is_older_than_the_image_is_written_again(
    bench: Bench, elfs: dict[str, Path], tmp_path: Path
) -> None:
    bench.install("st-flash")
    elf = tmp_path / "new.elf"
    shutil.copy(elfs[F4], elf)
    hex_file = elf.with_suffix(".hex")
    args = ["flash", "--image", str(elf), "--board", F4]
    assert execute(args) == 0
    right = elfs[F4].with_suffix(".hex").read_text()
    assert hex_file.read_text() == right
    hex_file.write_text("stale")
    assert execute(args) == 0 and hex_file.read_text() == "stale"
    os.utime(hex_file, (1, 1))
    elf.with_suffix(".bin").write_text("mine")  # no form that the tool takes
    assert execute(args) == 0 and hex_file.read_text() == right
    assert sorted(p.name for p in tmp_path.glob("new.*")) == ["new.bin", "new.elf", "new.hex"]
    assert elf.with_suffix(".bin").read_text() == "mine"
    assert not list(tmp_path.glob(".*.tmp"))


# Debugging ----------------------------------------------------------------------------------

GDB_STEPS = (
    "-ex 'target extended-remote localhost:3333' -ex 'monitor reset halt' -ex load "
    "-ex 'monitor reset halt' -ex 'tbreak main' -ex continue ELF"
)
SERVERS = [
    ("openocd", None, "openocd -f board/stm32f4discovery.cfg "
     "-c 'gdb_port 3333; telnet_port disabled; tcl_port disabled'", GDB_STEPS),
    ("openocd", "066A", "openocd -f board/stm32f4discovery.cfg -c 'adapter serial 066A' "
     "-c 'gdb_port 3333; telnet_port disabled; tcl_port disabled'", GDB_STEPS),
    ("pyocd", "066A", "pyocd gdbserver --no-wait --target stm32f407vgtx --probe 066A --port 3333",
     GDB_STEPS),
    ("st-flash", "066A", "st-util --listen_port 3333 --serial 066A", GDB_STEPS),
    ("STM32_Programmer_CLI", "066A",
     "ST-LINK_gdbserver -p 3333 -cp BENCH --swd --halt --serial-number 066A",
     GDB_STEPS.replace("reset halt", "reset")),
    ("probe-rs", "0483:374b:066A",
     "probe-rs download --chip STM32F407VG --probe 0483:374b:066A ELF\n"
     "probe-rs reset --chip STM32F407VG --probe 0483:374b:066A\n"
     "probe-rs gdb --chip STM32F407VG --probe 0483:374b:066A "
     "--gdb-connection-string 127.0.0.1:3333 --reset-halt",
     GDB_STEPS.replace("-ex load -ex 'monitor reset halt' ", "")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "probe", "server", "steps"), SERVERS, ids=[f"{s[0]}-{s[1]}" for s in SERVERS]
)
def test_a_session(
    tool: str, probe: str | None, server: str, steps: str, bench: Bench, elfs: dict[str, Path],
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    bench.install(*PROGRAMS, "gdb-multiarch")
    more = ["--probe", probe] if probe else []
    args = ["debug", "--image", str(elfs[F4]), "--board", F4, "--tool", tool, *more]
    commands = filled(
        f"{server}\ngdb-multiarch {steps}".replace("BENCH", str(bench.folder)), elfs[F4]
    )
    assert execute([*args, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert [shlex.split(line) for line in printed.splitlines()] == commands
    assert bench.calls == []
    bench.tell("gdb-multiarch", does="/bin/sleep 0.5")
    assert execute(args) == 0
    # The last two run at once.
    assert bench.calls[:-2] == commands[:-2]
    assert sorted(bench.calls[-2:]) == sorted(commands[-2:])
    # Arm's own GDB comes first.
    bench.install("arm-none-eabi-gdb")
    assert execute([*args, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("arm-none-eabi-gdb -ex ")
    assert execute([*args, "--server-only", "--dry-run"]) == 0
    shorter = capsys.readouterr().out.splitlines()
    assert [shlex.split(line) for line in shorter] == commands[:-1]


def test_tools_without_a_server(
    bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture
) -> None:
    bench.install(*PROGRAMS)
    assert execute(["debug", "--image", str(elfs[PICO]), "--board", PICO]) == 2
    assert "E230 a_pico: its file does not say how it is debugged" in capsys.readouterr().err
    args = ["debug", "--image", str(elfs[NANO]), "--board", NANO]
    assert execute([*args, "--tool", "bossac"]) == 2
    assert "cannot be debugged by it; use one of probe-rs, " in capsys.readouterr().err
    # The board's first has none.
    assert execute([*args, "--dry-run"]) == 0
    assert "probe-rs gdb --chip nRF52840_xxAA" in capsys.readouterr().out
    # st-flash is there, and its GDB server is not.
    bench.remove("st-util")
    args = ["debug", "--image", str(elfs[F4]), "--board", F4, "--tool", "st-flash"]
    assert execute(args) == 7
    assert "E710 st-util: is not on PATH; apt-get install stlink-tools" in capsys.readouterr().err
    assert bench.calls == []


def test_without_gdb_the_server_runs_alone(
    bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture
) -> None:
    bench.install("openocd")
    assert execute(["debug", "--image", str(elfs[F4]), "--board", F4]) == 0
    assert "no GDB is installed (arm-none-eabi-gdb or gdb-multiarch)" in capsys.readouterr().err
    assert [call[0] for call in bench.calls] == ["openocd"]


def test_a_server_that_fails_ends_gdb(
    bench: Bench, elfs: dict[str, Path], capsys: pytest.CaptureFixture
) -> None:
    bench.install("openocd", "gdb-multiarch")
    bench.tell("openocd", "Error: open failed", "exit 1")
    bench.tell("gdb-multiarch", does="exec /bin/sleep 30")
    began = time.monotonic()
    assert execute(["debug", "--image", str(elfs[F4]), "--board", F4]) == 8
    assert time.monotonic() - began < 10
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("E810 openocd: ended with status 1: Error: open failed")


def waited_for(path: Path) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        time.sleep(0.05)
    raise AssertionError(f"no {path.name} within 30 s")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and was not yet waited for is no longer running.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.fixture
def apart(bench: Bench, elfs: dict[str, Path]) -> Iterator[list[subprocess.Popen]]:
    """tinyc debug as a process group of its own, as a shell runs it."""
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def start(apart: list[subprocess.Popen], *args: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tinyc.cli", *args]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, start_new_session=True, text=True, **pipes)
    apart.append(process)
    return process


def test_ctrl_c_ends_a_lone_server(
    bench: Bench, elfs: dict[str, Path], apart: list[subprocess.Popen]
) -> None:
    bench.install("openocd")
    bench.tell("openocd", does='echo $$ >"$FAKES/pid"; exec /bin/sleep 60')
    args = ["--image", str(elfs[F4]), "--board", F4, "--server-only"]
    process = start(apart, "debug", *args)
    server = int(waited_for(bench.folder / "pid"))
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert "Traceback" not in told and not is_running(server)


def test_ctrl_c_in_a_session_is_for_gdb(
    bench: Bench, elfs: dict[str, Path], apart: list[subprocess.Popen]
) -> None:
    bench.install("openocd", "gdb-multiarch")
    bench.tell("openocd", does='echo $$ >"$FAKES/pid"; exec /bin/sleep 60')
    # As GDB does, it stays when it is interrupted.
    does = 'trap \'echo yes >"$FAKES/interrupted"\' INT; echo $$ >"$FAKES/gdb"; /bin/sleep 2'
    bench.tell("gdb-multiarch", does=f"{does}; echo yes >$FAKES/ended; exit 0")
    process = start(apart, "debug", "--image", str(elfs[F4]), "--board", F4)
    server = int(waited_for(bench.folder / "pid"))
    waited_for(bench.folder / "gdb")
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    # GDB got it and went on to its end; the server lived until then, and no longer.
    assert (bench.folder / "interrupted").exists() and (bench.folder / "ended").exists()
    assert "Traceback" not in told and not is_running(server)


def test_ctrl_c_ends_flashing(
    bench: Bench, elfs: dict[str, Path], apart: list[subprocess.Popen]
) -> None:
    bench.install("openocd")
    bench.tell("openocd", does='echo $$ >"$FAKES/pid"; exec /bin/sleep 60')
    process = start(apart, "flash", "--image", str(elfs[F4]), "--board", F4)
    tool = int(waited_for(bench.folder / "pid"))
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130 and "interrupted" in told.splitlines()[-1]
    assert not is_running(tool)


def test_a_tool_sees_a_terminal(bench: Bench, elfs: dict[str, Path]) -> None:
    """Where stderr is one, so that it shows its progress; its width is that of stderr's."""
    termios = pytest.importorskip("termios")
    bench.install("openocd")
    bench.tell("openocd", does='[ -t 1 ] && [ -t 2 ] && echo "a terminal"; /bin/stty size <&2')
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (33, 77))
    command = [
        sys.executable,
        "-m",
        "tinyc.cli",
        "flash",
        "--image",
        str(elfs[F4]),
        "--board",
        F4,
    ]
    done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE, timeout=60, check=True)
    os.close(theirs)
    told = b""
    try:
        while chunk := os.read(ours, 4096):
            told += chunk
    except OSError:
        pass  # the end of a terminal
    os.close(ours)
    assert b"a terminal" in told and b"33 77" in told and done.stdout == b""


# Boards -------------------------------------------------------------------------------------

FLASHED = [board for board in all_boards() if board.debug]


def test_every_tool_has_its_fact() -> None:
    assert set(TOOLS) == set(FLASHERS)
    assert set(FLASHERS.values()) <= set(Debug.model_fields)


def test_the_page_names_every_tool_and_its_facts() -> None:
    page = (ROOT / "docs" / "flashing.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(FLASHERS)
    assert all(f"`{fact}" in row for row, fact in zip(rows, FLASHERS.values(), strict=True))
    commands = {line.partition(" ")[0] for line in page.splitlines()}
    assert {tool.program for tool in TOOLS.values()} <= commands
    facts = tomllib.loads(page.rpartition("```toml\n")[2].rpartition("```")[0])["debug"]
    known = Debug.model_validate(facts)
    assert known.flashers == ("picotool", "copy", "probe-rs", "openocd", "pyocd")
    assert known.uf2 == RP2040


@pytest.mark.parametrize("board", FLASHED, ids=lambda b: b.name)
def test_facts_name_the_boards_chip(board: Board) -> None:
    debug = board.debug
    assert debug is not None and debug.flashers and board.sources["debug"]
    chip = re.sub(r"_xxAA$", "", debug.probe_rs or "")
    assert chip and (chip in board.title or chip.startswith("nRF"))
    assert not debug.probe_rs or "probe-rs/targets/" in board.sources["debug"]
    assert not chip.startswith("STM32") or debug.stlink
    for label in debug.volumes:
        if board.title.endswith(f"({chip})") and chip.startswith("STM32"):
            assert chip == f"STM32{label.partition('_')[2]}"


@pytest.mark.parametrize("board", FLASHED, ids=lambda b: b.name)
def test_openocd_reads_its_configuration(board: Board, tmp_path: Path) -> None:
    """Everything up to where a probe is needed, and the name of the image."""
    openocd = shutil.which("openocd")
    if openocd is None:
        pytest.skip("openocd is not installed")
    debug = board.debug
    assert debug is not None
    if not debug.openocd:
        pytest.skip(f"OpenOCD has no file for {board.name}")
    elf = tmp_path / "a [strange] $name.elf"
    target = Target(elf, board, "066A")
    (command,) = TOOLS["openocd"].flash(target)
    # In the place of OpenOCD's own `program`, which needs a probe.
    said = 'proc program {name args} { puts "<$name> <$args> <[target names]>"; shutdown }'
    at = command.index("-c")
    probe = [openocd, *command[1:at], "-c", said, *command[at:]]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(
        rf"^<{re.escape(str(elf))}> <verify reset exit> <\S+\.(?:cpu|core)\S*.*>$",
        done.stdout, re.MULTILINE,
    ), done.stdout  # fmt: skip
    assert TOOLS["openocd"].serve is not None
    server = TOOLS["openocd"].serve(target)
    done = subprocess.run(
        [openocd, *server[1:], "-c", "puts <[string trim [gdb_port]]>; shutdown"],
        capture_output=True, text=True, timeout=30, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0 and "<3333>" in done.stdout, done.stderr


def test_pyocd_knows_the_targets() -> None:
    """Those that it has itself, and those for which it takes a pack and names the board."""
    pytest.importorskip("pyocd", reason="pyocd is not installed")
    from pyocd.board.board_ids import BOARD_ID_TO_INFO
    from pyocd.target import TARGET

    named = {info.target for info in BOARD_ID_TO_INFO.values()}
    targets = {b.name: b.debug.pyocd for b in FLASHED if b.debug and b.debug.pyocd}
    assert targets
    assert {b: t for b, t in targets.items() if t not in named | set(TARGET)} == {}
    for board, target in targets.items():
        if target not in TARGET:
            assert target.startswith("stm32") and re.fullmatch(r"stm32\w+x[a-z]?", target), board


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["load", "gdbserver"])
def test_pyocd_takes_the_arguments(verb: str, elfs: dict[str, Path]) -> None:
    pytest.importorskip("pyocd", reason="pyocd is not installed")
    target = Target(elfs[MICROBIT], load_board("microbit"), "no-such-probe")
    tool = TOOLS["pyocd"]
    assert tool.serve is not None
    command = tool.flash(target)[0] if verb == "load" else tool.serve(target)
    assert command[:2] == ("pyocd", verb)
    done = subprocess.run(
        [sys.executable, "-m", "pyocd", *command[1:]], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "usage:" not in done.stderr, done.stderr
    assert re.search("No (connected|target|probe|debug)", done.stdout + done.stderr)


@pytest.mark.parametrize(("name", "board", "refuses", "nothing"), [
    ("st-flash", F4, "invalid command line", "find any ST-Link"),
    ("bossac", NANO, "invalid|unrecognized|Usage", "No device found on no-such-probe"),
])  # fmt: skip
def test_real_tools_take_the_arguments(
    name: str, board: str, refuses: str, nothing: str, elfs: dict[str, Path]
) -> None:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    (command,) = TOOLS[name].flash(Target(elfs[board], load_board(board), "no-such-probe"))
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=30)
    said = done.stdout + done.stderr
    assert done.returncode and nothing in said and not re.search(refuses, said), said


def test_gdb_stops_at_main(
    elfs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:  # fmt: skip
    """A real GDB, and an emulated board in the place of OpenOCD and a board."""
    if flash.find_gdb() is None or shutil.which("qemu-system-arm") is None:
        pytest.skip("GDB and qemu-system-arm are not installed")
    board, port = load_board("stm32"), free_port()
    folder = tmp_path / "bin"
    folder.mkdir()
    qemu = f"qemu-system-arm -machine {board.qemu.machine} -display none -serial none -monitor none"
    run = f"exec {qemu} -kernel {elfs[F4]} -S -gdb tcp:127.0.0.1:{port}"
    (folder / "openocd").write_text(f"#!/bin/sh\n{run}\n")
    (folder / "openocd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(tools, "PORT", port)
    with open(os.devnull) as nothing:
        keys = os.dup(0)
        os.dup2(nothing.fileno(), 0)
        try:
            args = ["debug", "--image", str(elfs[F4]), "--board", F4, "--tool", "openocd"]
            assert execute(args) == 0
        finally:
            os.dup2(keys, 0)
            os.close(keys)
    said = capfd.readouterr().out
    assert "Loading section .text" in said
    assert re.search(r"^Temporary breakpoint 1, .*\bmain \(", said, re.MULTILINE), said


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_the_checks_are_of_the_library_too(elfs: dict[str, Path]) -> None:
    with pytest.raises(CompileError, match="E232"):
        flash.check_image(elfs[NANO], load_board("nrf52840dk"))
    flash.check_image(elfs[NANO], load_board("nano33ble"))
