"""Renode: the mailbox firmware, the generated files, and the conversation with its server."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import capstone
import numpy as np
import pytest
from conftest import pinned
from mailbox_machine import Machine
from programs import library
from terminal import check_inference, served

from tinyc.cli.app import execute
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, Image, build
from tinyc.image.mailbox import INBOX, MOST_BYTES, NO_LABEL, OUTBOX, Batch, collides
from tinyc.run import run
from tinyc.run import unicorn as counting
from tinyc.run.renode.project import count, description, load, project, write
from tinyc.run.renode.tool import find_renode
from tinyc.run.serve import serve
from tinyc.target.boards import Board, Step, all_boards, load_board

STANDIN = Path(__file__).parents[1] / "standins" / "renode"
DESCRIBED = [board for board in all_boards() if board.renode]
# The least byte of the inputs, the greatest, their exclusive or, and the first.
CODE = """void prog_run(void *arena)
{
    uint8_t *bytes = (uint8_t *)arena;
    uint8_t least = 255, greatest = 0, parity = 0, first = bytes[0];
    for (int i = 0; i < 8; i++) {
        least = bytes[i] < least ? bytes[i] : least;
        greatest = bytes[i] > greatest ? bytes[i] : greatest;
        parity ^= bytes[i];
    }
    bytes[8] = least;
    bytes[9] = greatest;
    bytes[10] = parity;
    bytes[11] = first;
}"""
INPUTS = np.random.default_rng(11).integers(0, 256, (6, 8), np.uint8)
EXPECTED = np.stack(
    [INPUTS.min(1), INPUTS.max(1), np.bitwise_xor.reduce(INPUTS, 1), INPUTS[:, 0]], axis=1
)
CLASSES = EXPECTED.argmax(1)


def mailbox(board: str, folder: Path) -> Image:
    return build(library(CODE), load_board(board), None, folder, BuildOptions("test_mailbox"))


def verdict(image: Image, batch: Batch) -> tuple[list[str], np.ndarray]:
    """The lines of the console and the outbox of a run in Unicorn."""
    machine = Machine(image.board, {"inbox": (INBOX, 0x1000), "outbox": (OUTBOX, 0x1000)})
    machine.load(image.elf)
    machine.write(INBOX, batch.pack())
    machine.run()
    raw = machine.read(OUTBOX, 4 * len(batch))
    return machine.console.splitlines(), np.frombuffer(raw, np.uint8).reshape(len(batch), 4)


# Every core, and every way in which a UART tells that it is ready.
@pytest.mark.parametrize(
    "board",
    ["stm32f4_discovery", "stm32f072b_disco", "nrf52840dk", "stm32f746g_disco", "mps2_an505"],
)
def test_the_mailbox_compares_and_counts(board: str, tmp_path: Path) -> None:
    image = mailbox(board, tmp_path / "out")
    lines, outputs = verdict(image, Batch(INPUTS, EXPECTED, CLASSES))
    assert lines[0] == "verdict: 6 samples, 0 mismatches, 6 correct"
    assert np.array_equal(outputs, EXPECTED)
    stack = int(re.fullmatch(r"stack: (\d+)", lines[1])[1])
    assert 0 < stack <= image.stack_bytes
    # No keyword of Robot Framework may take a line for NAME=value.
    assert len(lines) == 2 and not any("=" in line for line in lines)

    wrong = EXPECTED.copy()
    wrong[2, 3] ^= 1
    wrong[5] ^= 0x80
    labels = CLASSES.copy()
    labels[:3] += 1
    lines, _ = verdict(image, Batch(INPUTS, wrong, labels))
    assert lines[0] == "verdict: 6 samples, 2 mismatches, 3 correct"
    # Neither outputs nor labels are known.
    lines, outputs = verdict(image, Batch(INPUTS))
    assert lines[0] == "verdict: 6 samples, 0 mismatches, 0 correct"
    assert np.array_equal(outputs, EXPECTED)


def test_a_batch_is_packed_as_the_firmware_reads_it() -> None:
    packed = Batch(INPUTS, EXPECTED, CLASSES).pack()
    words = np.frombuffer(packed[:32], "<u4").tolist()
    assert words == [6, 6, *CLASSES.tolist()]
    assert packed[32:] == INPUTS.tobytes() + EXPECTED.tobytes()
    bare = Batch(INPUTS[:2]).pack()
    assert np.frombuffer(bare[:16], "<u4").tolist() == [2, 0, NO_LABEL, NO_LABEL]
    assert len(bare) == 32
    full = Batch(INPUTS, EXPECTED, CLASSES)
    some = full.first(len(packed) - 1)
    assert len(some) == len(some.expected) == len(some.labels) == 5
    assert full.first(len(packed)).pack() == packed


def test_the_last_counted_instruction_is_the_call_of_the_marker(tmp_path: Path) -> None:
    for toolchain in ("clang", *(["gcc"] if shutil.which("arm-none-eabi-gcc") else [])):
        image = build(
            library(CODE), load_board("stm32f4_discovery"), toolchain,
            tmp_path / toolchain, BuildOptions("test_mailbox"),
        )  # fmt: skip
        address, size = image.symbols["infer_once"]
        flat = image.elf.with_suffix(".bin").read_bytes()
        at = (address & ~1) - image.board.flash.origin
        md = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        code = list(md.disasm(flat[at : at + size], address & ~1))
        calls = [i for i, op in enumerate(code) if op.mnemonic == "bl"]
        targets = [int(code[i].op_str.removeprefix("#"), 16) for i in calls]
        assert targets == [image.symbols[s][0] & ~1 for s in ("prog_run", "infer_done")]
        assert calls[1] == calls[0] + 1


# The generated files -----------------------------------------------------------------------


def files(board: Board) -> dict[str, bytes]:
    return project("prog", board, Batch(INPUTS, EXPECTED, CLASSES), 4, 180, 0.9, 5000)


# A description that lacks a memory, one that is complete, and one whose memories are too small.
@pytest.mark.parametrize("board", ["stm32f4_discovery", "stm32f746g_disco", "nucleo_g0b1re"])
def test_the_files_are_the_golden_ones(board: str, request: pytest.FixtureRequest) -> None:
    for file, content in files(load_board(board)).items():
        pinned(request, f"renode/{board}/{file}", content)


@pytest.mark.parametrize("board", DESCRIBED, ids=lambda b: b.name)
def test_what_the_files_name_is_there(board: Board, tmp_path: Path) -> None:
    assert not collides(board.memory)
    image = mailbox(board.name, tmp_path / "out")
    write(tmp_path / "renode", image, Batch(INPUTS, EXPECTED, CLASSES), 0.5)
    texts = {p.name: p.read_bytes() for p in (tmp_path / "renode").iterdir()}
    assert sorted(texts) == [
        ".tinyc", "board.repl", "inputs.bin", "run.resc", "test.elf", "test.robot",
    ]  # fmt: skip
    robot, repl, resc = (texts[n].decode() for n in ("test.robot", "board.repl", "run.resc"))
    assert not any(str(tmp_path) in t for t in (robot, repl, resc))

    symbols = re.findall(r'GetSymbolAddress "(\w+)"', robot)
    assert symbols == ["prog_run", "infer_done"] and set(symbols) <= set(image.symbols)
    offsets = set(re.findall(r"VectorTableOffset (0x[0-9a-f]+)", robot + resc))
    assert {int(a, 0) for a in offsets} == {board.flash.origin}
    stack, entry = np.frombuffer(image.elf.with_suffix(".bin").read_bytes()[:8], "<u4").tolist()
    assert stack == board.ram.end and entry == image.symbols["Reset_Handler"][0]
    entries = re.findall(
        r"^(\w+):(?: Memory.MappedMemory @ sysbus (\w+))?\n    size: (\w+)", repl, re.M
    )
    regions = {name: (int(at or "0", 0), int(size, 0)) for name, at, size in entries}
    memories = {m.name: m for m in board.memory}
    for name in board.renode.add:
        assert regions.pop(name.lower()) == (memories[name].origin, memories[name].size)
    for entry, name in board.renode.resize.items():
        assert regions.pop(entry) == (0, memories[name].size)
    (inbox, inbox_bytes), (outbox, outbox_bytes) = regions.pop("inbox"), regions.pop("outbox")
    assert not regions and (inbox, outbox) == (INBOX, OUTBOX)
    assert inbox_bytes >= len(texts["inputs.bin"]) and outbox_bytes >= EXPECTED.nbytes
    assert inbox_bytes % 4096 == outbox_bytes % 4096 == 0
    assert f"@${{FOLDER}}/inputs.bin 0x{INBOX:08x}" in robot
    for file in re.findall(r"@\$\{FOLDER\}/(\S+)", robot):
        assert file in texts
    assert "${MIN_CORRECT}         3\n" in robot and "${MAX_INSTRUCTIONS}    inf\n" in robot
    assert f"sysbus.{board.renode.uart}" in robot and f"sysbus.{board.renode.uart}" in resc
    assert "$ORIGIN/../prog.elf" in resc and "StartGdbServer 3333" in resc


def test_the_regions_lie_beside_every_boards_memories() -> None:
    assert OUTBOX == INBOX + MOST_BYTES
    assert not any(collides(board.memory) for board in all_boards())
    ram = load_board("stm32f4_discovery").ram
    for origin in (INBOX, OUTBOX + MOST_BYTES - ram.size):
        assert collides([ram.model_copy(update={"origin": origin})])
    for origin in (INBOX - ram.size, OUTBOX + MOST_BYTES):
        assert not collides([ram.model_copy(update={"origin": origin})])


def test_a_board_that_renode_does_not_describe_is_refused(renode: Path, tmp_path: Path) -> None:
    image = mailbox("mps2_an386", tmp_path / "out")
    with pytest.raises(CompileError) as caught:
        run(image, INPUTS, "renode")
    assert caught.value.id == "E207" and "stm32f4_discovery" in str(caught.value)


def test_too_many_samples_are_refused_and_a_build_takes_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyc.run.renode.project.MOST_BYTES", 50)
    batch = Batch(INPUTS, EXPECTED, CLASSES)
    with pytest.raises(CompileError) as caught:
        project("prog", load_board("stm32f4_discovery"), batch, 4, 180)
    assert caught.value.id == "E234"
    write(tmp_path / "renode", mailbox("stm32f4_discovery", tmp_path / "out"), batch)
    assert "${SAMPLES}             2\n" in (tmp_path / "renode" / "test.robot").read_text()


# The stand-in ------------------------------------------------------------------------------


@pytest.fixture
def renode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in as $TINYC_RENODE; the file into which it writes its calls."""
    folder = tmp_path / "standin"
    folder.mkdir()
    program = folder / "renode"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}/server.py" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("TINYC_RENODE", str(folder))
    monkeypatch.setenv("STANDIN_BOARD", "stm32f4_discovery")
    monkeypatch.setenv("STANDIN_LOG", str(folder / "calls"))
    return folder / "calls"


def calls(log: Path) -> list[list[str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.slow
def test_a_run_gives_outputs_console_and_instructions(renode: Path, tmp_path: Path) -> None:
    image = mailbox("stm32f4_discovery", tmp_path / "out")
    trace = run(image, INPUTS, "renode")
    assert np.array_equal(trace.outputs, EXPECTED)
    assert trace.console.startswith("verdict: 6 samples, ")
    assert 0 < trace.stack_bytes <= image.stack_bytes
    assert trace.cycles is None and trace.cycles_source == "not counted (renode)"
    # As Unicorn counts them in the other main program.
    other = build(library(CODE), image.board, None, tmp_path / "other", BuildOptions("test"))
    assert trace.instructions == counting.run(other, INPUTS[:1]).instructions
    commands = [c[1].split("/")[0] for c in calls(renode) if c[0] == "ExecuteCommand"]
    assert commands.count("mach create") == 2
    keywords = [c[0] for c in calls(renode) if c[0] != "ExecuteCommand"]
    assert keywords == [
        "CreateTerminalTester", "StartEmulation", "WaitForLineOnUart", "ResetEmulation",
        "CreateLogTester", "StartEmulation", "WaitForLogEntry", "WaitForLogEntry",
    ]  # fmt: skip


PECULIAR = {
    "nucleo_l073rz": {"cpu": "cpu0"},
    "nucleo_l552ze_q": {"resize": {}},
    "nrf52840dk": {"attributes": {}},
    "arduino_nano_33_ble": {"attributes": {}},
    "ek_ra8m1": {"ready": (0x40358948, 0x20000000, 0x20000000)},
    "itsybitsy_m4": {"cpu": "cpu"},
}
"""Boards that need more than their description -> facts by which they do not run there."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PECULIAR)
def test_a_board_runs_by_its_facts_alone(
    name: str, renode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_BOARD", name)
    board = load_board(name)
    if board.core.name == "cortex-m85":  # which Unicorn is not, nor can it stop in an IT block
        board = board.model_copy(update={"core": load_board("nucleo_l073rz").core})
    image = build(library(CODE), board, None, tmp_path / "out", BuildOptions("test_mailbox"))
    trace = run(image, INPUTS, "renode")
    assert np.array_equal(trace.outputs, EXPECTED)
    if ready := PECULIAR[name].get("ready"):
        channel = board.console.transmit.model_copy(update={"ready": ready})
        console = board.console.model_copy(update={"transmit": channel})
        wrong = build(
            library(CODE), board.model_copy(update={"console": console}), None,
            tmp_path / "wrong", BuildOptions("test_mailbox"),
        )  # fmt: skip
        monkeypatch.setenv("STANDIN_SECONDS", "1")
    else:
        facts = board.renode.model_copy(update=PECULIAR[name])
        wrong = replace(image, board=board.model_copy(update={"renode": facts}))
    with pytest.raises(CompileError):
        run(wrong, INPUTS, "renode")


@pytest.mark.slow
def test_renode_gets_a_folder_of_its_own(
    renode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It deletes what other programs keep under such a name; a path may have blanks."""
    own = tmp_path / "my temporary files"
    others = own / "renode-notes"
    others.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(own))
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    trace = run(mailbox("stm32f4_discovery", tmp_path / "out"), INPUTS, "renode")
    assert np.array_equal(trace.outputs, EXPECTED)
    assert "my\\ temporary\\ files" in renode.read_text().replace("\\\\", "\\")
    assert [p.name for p in own.iterdir()] == ["renode-notes"]


@pytest.mark.parametrize("board", DESCRIBED, ids=lambda b: b.name)
def test_the_description_has_what_the_board_names(board: Board) -> None:
    described = tomllib.loads((STANDIN / "descriptions.toml").read_text())[board.renode.platform]
    assert board.renode.cpu == described["cpu"]
    sends = board.console.transmit.data
    assert (
        max(at for at in described["uart"].values() if at <= sends)
        == (described["uart"][board.renode.uart])
    )
    assert set(board.renode.attributes) <= {*described["uart"], *described["memory"]}
    memories = {m.name: m for m in board.memory}
    ranges = {n: (first, first + size) for n, (first, size) in described["memory"].items()}
    for entry, name in board.renode.resize.items():
        assert ranges[entry][0] == memories[name].origin
        assert ranges[entry][1] < memories[name].end, "it is large enough"
        ranges[entry] = (memories[name].origin, memories[name].end)
    for name in board.renode.add:
        ranges[name] = (memories[name].origin, memories[name].end)
    ranges["inbox and outbox"] = (INBOX, OUTBOX + MOST_BYTES)
    rows = sorted(ranges.values())
    assert all(low[1] <= high[0] for low, high in pairwise(rows)), "memories overlap"
    for memory in board.memory:
        end = memory.origin
        for first, last in rows:
            end = last if first <= end < last else end
        assert end >= memory.end, memory.name


# Bits that are awaited with one value and then with another: a tag has one.
CONTRADICTED = {
    "ek_ra8m1": {"SYSTEM.SCICKCR"},
    "itsybitsy_m4": {"GCLK.PCHCTRL[1]"},
}


@pytest.mark.parametrize("board", DESCRIBED, ids=lambda b: b.name)
def test_the_tags_answer_what_the_board_waits_for(board: Board) -> None:
    found = re.findall(
        r'^ {8}Tag <(0x\w{8}), (0x\w{8})> "[^"]+"(?: (0x\w+))?$', description(board), re.M
    )
    tags = [(int(a, 0), int(b, 0), int(v or "0", 0)) for a, b, v in found]
    assert all(low[1] < high[0] for low, high in pairwise(tags))
    values = {(first, last): value for first, last, value in tags}
    setups = (board.clock.setup, board.console.setup, *(m.setup for m in board.memory))
    waits = [s for setup in setups for s in setup if isinstance(s, Step) and s.wait]
    missed = set()
    for step in waits:
        value = values.pop((step.at, step.at + step.width // 8 - 1), None)
        if value is None:
            value = next(v for first, _, v in tags if first == step.at)
        missed |= {step.wait} if value & step.mask != step.value else set()
    assert missed == CONTRADICTED.get(board.name, set())
    assert set(values) == {(0xE0001000, 0xE0001FFF)}


@pytest.mark.slow
def test_the_tags_spare_the_firmware_its_patience(tmp_path: Path) -> None:
    image = mailbox("blue_pill", tmp_path / "out")
    text = description(image.board)
    tags = re.findall(r'Tag <(0x\w{8}), 0x\w{8}> "[^"]+" (0x\w+)$', text, re.M)
    reads = {}
    for name, values in {"with": {int(a, 0): int(v, 0) for a, v in tags}, "without": {}}.items():
        machine = Machine(image.board, {"inbox": (INBOX, 4096), "outbox": (OUTBOX, 4096)}, values)
        machine.load(image.elf)
        machine.write(INBOX, Batch(INPUTS).pack())
        machine.run()
        assert machine.console.startswith("verdict: 6 samples, 0 mismatches")
        reads[name] = machine.waited
    # 3 that wait and 4 that set others of their bits.
    assert reads == {"with": 3 + 4, "without": 300_000 + 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault, id, what",
    [
        ("silent", "E803", "did not end"),
        ("dies", "E802", "Renode ended"),
        ("machine Load", "E802", "Could not execute command"),
        ("sysbus.outbox", "E802", "DumpBinary"),
    ],
)
def test_a_run_that_fails_says_why(
    fault: str, id: str, what: str, renode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_FAULT", fault)
    with pytest.raises(CompileError) as caught:
        run(mailbox("stm32f4_discovery", tmp_path / "out"), INPUTS, "renode")
    assert caught.value.id == id and caught.value.exit_code == 8
    assert what in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_firmwares_fault_is_told(renode: Path, tmp_path: Path) -> None:
    code = CODE.replace("bytes[8] = least;", "bytes[8] = least;\n    FAULT")
    code = code.replace(
        "FAULT", 'extern void tinyc_print(const char *); tinyc_print("fault: pc 0x08000100\\n");'
    )
    image = build(
        library(code), load_board("stm32f4_discovery"), None, tmp_path / "out",
        BuildOptions("test_mailbox"),
    )  # fmt: skip
    with pytest.raises(CompileError) as caught:
        run(image, INPUTS, "renode")
    assert caught.value.id == "E802" and "fault: pc 0x08000100" in str(caught.value)


def test_a_program_that_ends_at_once_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "renode"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Renode v1.16.1" && exit 0\necho no mono; exit 5\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("TINYC_RENODE", str(program))
    with pytest.raises(CompileError) as caught:
        run(mailbox("stm32f4_discovery", tmp_path / "out"), INPUTS, "renode")
    assert caught.value.id == "E802"
    assert "status 5" in str(caught.value) and "no mono" in str(caught.value)


@pytest.mark.slow
def test_the_command_tells_of_instructions(
    renode: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(-128, 128, (7, 4, 4, 2)).astype(np.int8)
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 3, 7))
    command = ["test", str(tiny_model), "-b", "stm32f4_discovery", "-o", str(tmp_path / "out")]
    command += ["--data", str(tmp_path / "data.npz"), "--json", "--emulator"]
    found = {}
    for emulator in ("unicorn", "renode"):
        assert execute([*command, emulator, "--max-instructions", "900000"]) == 0
        found[emulator] = json.loads(capsys.readouterr().out)
    ours, other = found["renode"], found["unicorn"]
    assert ours["emulator"] == "renode" and ours["cycles"] is None
    same = ("samples", "mismatches", "accuracy", "reference_accuracy", "instructions")
    assert [ours[k] for k in same] == [other[k] for k in same]
    assert ours["mismatches"] == 0
    assert execute([*command, "renode", "--max-instructions", "10"]) == 6
    assert "E604" in capsys.readouterr().err
    robot = tmp_path / "out" / "stm32f4_discovery" / "tiny" / "renode" / "test.robot"
    assert "${SAMPLES}             7\n" in robot.read_text()


@pytest.mark.parametrize("version", [None, "1.15.3"])
def test_without_a_recent_renode_the_exit_code_is_7(
    version: str | None, renode: Path, tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if version is None:
        monkeypatch.setenv("TINYC_RENODE", str(tmp_path / "nowhere"))
    else:
        monkeypatch.setenv("STANDIN_VERSION", version)
    command = ["test", str(tiny_model), "-b", "stm32f4_discovery", "-o", str(tmp_path / "out")]
    code = execute([*command, "-q", "--emulator", "renode"])
    said = capsys.readouterr().err
    assert code == 7 and said.startswith("E707 ") and said.count("\n") == 1
    assert ("1.16.1" in said) if version else ("TINYC_RENODE" in said)


# A terminal --------------------------------------------------------------------------------


# A UART with a status register, and one with events; the second board is Renode's alone.
@pytest.mark.slow
@pytest.mark.parametrize(
    "board, options, end",
    [
        ("stm32f4_discovery", ["--emulator", "renode"], signal.SIGINT),
        ("nrf52840dk", [], signal.SIGHUP),
    ],
)
def test_a_terminal_speaks_the_protocol(
    board: str, options: list[str], end: signal.Signals, renode: Path, tiny_model: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("STANDIN_BOARD", board)
    link = tmp_path / "uart"
    options = ["--board", board, *options, "-o", str(tmp_path / "out"), "--link", str(link)]
    with served(tiny_model, *options, end=end) as dut:
        assert link.resolve() == Path(os.ttyname(dut.file))
        assert dut.command("name") == ["m-name-dut-[tinyc]", "m-ready"]
        assert dut.command("db load 33")[0].startswith("e-[")
        check_inference(dut, tiny_model)
        folder = loaded_from(renode)
        assert folder.is_dir()
    assert not link.is_symlink() and not folder.exists()


@pytest.mark.slow
def test_a_terminal_paces_what_the_receiver_cannot_hold(
    renode: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its FIFO has 32 bytes."""
    monkeypatch.setenv("STANDIN_BOARD", "max32652_evkit")
    options = ["--board", "max32652_evkit", "-o", str(tmp_path / "out")]
    with served(tiny_model, *options) as dut:
        assert dut.command("db load 32") == ["m-[Expecting 32 bytes]", "m-ready"]
        assert dut.command(f"db {bytes(range(32)).hex()}") == ["m-load-done", "m-ready"]
        assert dut.command("db print")[3] == "m-buffer-18-19-1a-1b-1c-1d-1e-1f"
        check_inference(dut, tiny_model)


@pytest.mark.slow
def test_a_firmware_prints_while_bytes_wait(
    renode: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renode's DRE would never be set then."""
    monkeypatch.setenv("STANDIN_BOARD", "itsybitsy_m4")
    with served(tiny_model, "--board", "itsybitsy_m4", "-o", str(tmp_path / "out")) as dut:
        os.write(dut.file, b"name%\r\nstack%\r\n")
        said = b""
        while said.count(b"m-ready") < 2:
            assert select.select([dut.file], [], [], 20)[0], said
            said += os.read(dut.file, 4096)
        lines = said.decode().splitlines()
        assert lines[:2] == ["m-name-dut-[tinyc]", "m-ready"]
        assert re.fullmatch(r"m-stack-\[\d+\]", lines[2]) and lines[3] == "m-ready"


def loaded_from(log: Path) -> Path:
    """The folder of the description that was loaded."""
    return next(Path(c[1].partition("@")[2]).parent for c in calls(log) if "@" in c[1])


def serial(folder: Path, board: str = "stm32f4_discovery") -> Image:
    return build(library(CODE), load_board(board), None, folder, BuildOptions("test_serial"))


@pytest.mark.slow
def test_the_terminal_is_the_uarts_and_raw(renode: Path, tmp_path: Path) -> None:
    with serve(serial(tmp_path / "out"), "renode") as (path, process):
        with open(path, "rb", buffering=0) as terminal:
            attributes = termios.tcgetattr(terminal)
        assert not attributes[3] & (termios.ECHO | termios.ICANON)
        assert not attributes[1] & termios.OPOST
        assert process.poll() is None
    assert process.poll() is not None
    folder = loaded_from(renode)
    assert calls(renode) == [
        *(
            ["ExecuteCommand", command]
            for command in (
                "mach create",
                f"machine LoadPlatformDescription @{folder}/board.repl",
                f"sysbus LoadELF @{folder}/serial.elf",
                "sysbus.cpu VectorTableOffset 0x08000000",
                f'emulation CreateUartPtyTerminal "terminal" "{folder}/terminal"',
                "connector Connect sysbus.usart2 terminal",
            )
        ),
        ["StartEmulation"],
    ]
    assert not folder.exists()


def test_a_description_without_samples_has_no_regions() -> None:
    text = description(load_board("stm32f4_discovery"))
    assert re.findall(r"^(\w+): Memory", text, re.M) == ["ccm"]
    assert 'using "platforms/boards/stm32f4_discovery.repl"' in text
    assert "cpu:\n    PerformanceInMips: 168\n" in text
    assert "nvic:\n    systickFrequency: 168000000\n" in text


@pytest.mark.slow
def test_a_renode_that_ends_is_told(
    renode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, link = serial(tmp_path / "out"), tmp_path / "uart"
    with pytest.raises(CompileError) as caught, serve(image, "renode", link) as (_, process):
        assert link.is_symlink()
        process.kill()
        process.wait()
    assert caught.value.id == "E802" and "renode: ended with status -9" in str(caught.value)
    assert not link.is_symlink()
    for fault, what in (("dies", "Renode ended"), ("connector", "Connect sysbus.usart2")):
        monkeypatch.setenv("STANDIN_FAULT", fault)
        with pytest.raises(CompileError) as caught, serve(image, "renode", link):
            pass
        assert caught.value.id == "E802" and what in str(caught.value)
        assert not link.is_symlink()


def test_a_terminal_needs_renode_and_a_board_that_it_describes(
    renode: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = ["serve", str(tiny_model), "-q", "-o", str(tmp_path / "out"), "-b"]
    assert execute([*command, "mps2_an386", "--emulator", "renode"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("E207 mps2_an386: is not a board of Renode;") and "nrf52840dk" in said
    assert "mps2_an385" not in said
    for more in ([], ["--emulator", "renode"]):
        assert execute([*command, "ek_ra8m1", *more]) == 2
        said = capsys.readouterr().err
        assert said.startswith("E241 ek_ra8m1: cannot be spoken to in Renode, whose UART tells of ")
        assert "nrf52840dk" in said and said.count("ek_ra8m1") == said.count("\n") == 1
    monkeypatch.setenv("TINYC_RENODE", str(tmp_path / "nowhere"))
    assert execute([*command, "nrf52840dk"]) == 7
    said = capsys.readouterr().err
    assert said.startswith("E707 renode: is not installed") and said.count("\n") == 1


# The robot ---------------------------------------------------------------------------------

RESOURCE = """*** Keywords ***
Setup
    Import Library    Remote    http://127.0.0.1:${PORT}
Teardown
    No Operation
"""


def robot(folder: Path, results: Path, port: int, *more: str) -> tuple[int, str]:
    pytest.importorskip("robot", reason="robotframework is not installed")
    resource = results / "keywords.robot"
    resource.parent.mkdir(exist_ok=True)
    resource.write_text(RESOURCE)
    command = [sys.executable, "-m", "robot", "--outputdir", str(results), "--variable"]
    command += [f"RENODEKEYWORDS:{resource}", "--variable", f"PORT:{port}", *more]
    done = subprocess.run(
        [*command, str(folder / "test.robot")], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def keyword_server(renode: Path) -> Iterator[int]:
    """The port of a running stand-in."""
    program, own = renode.parent / "renode", renode.parent / "tmp"
    own.mkdir()
    options = ["--disable-gui", "--hide-log", "--robot-server-port", "0"]
    environment = {**os.environ, "TMPDIR": str(own)}
    with subprocess.Popen([str(program), *options], env=environment) as process:
        file = own / f"renode-{process.pid}" / "robot_port"
        for _ in range(200):
            if file.exists() and (text := file.read_text()):
                break
            time.sleep(0.1)
        yield int(text)
        process.kill()


@pytest.mark.slow
def test_the_robot_passes_and_fails_when_it_should(keyword_server: int, tmp_path: Path) -> None:
    pytest.importorskip("robot", reason="robotframework is not installed")
    image = mailbox("stm32f4_discovery", tmp_path / "out")
    folder = tmp_path / "my project" / "renode"
    labels = CLASSES.copy()
    labels[0] += 1
    write(folder, image, Batch(INPUTS, EXPECTED, labels), 5 / 6, 2000)
    code, said = robot(folder, tmp_path / "results", keyword_server)
    assert code == 0 and "2 tests, 2 passed, 0 failed" in said, said
    counted = int(re.search(r"(\d+) instructions", said)[1])
    other = build(library(CODE), image.board, None, tmp_path / "other", BuildOptions("test"))
    assert counted == counting.run(other, INPUTS[:1]).instructions

    for variable in ("MIN_CORRECT:6", f"MAX_INSTRUCTIONS:{counted - 1}"):
        code, said = robot(folder, tmp_path / "more", keyword_server, "--variable", variable)
        assert code == 1 and "1 passed, 1 failed" in said, said
    wrong = EXPECTED.copy()
    wrong[3, 1] ^= 1
    write(folder, image, Batch(INPUTS, wrong, labels), 5 / 6, 2000)
    code, said = robot(folder, tmp_path / "wrong", keyword_server)
    assert code == 1 and "1 != 0" in said, said


def test_the_robot_uses_the_commands_of_the_run() -> None:
    board = load_board("stm32f4_discovery")
    text = files(board)["test.robot"].decode()
    commands = re.findall(r"^    Execute Command    (.*)$", text, re.M)
    assert commands == [*load(board, "${FOLDER}/"), *count(board, "prog")]


# Renode itself -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("board", DESCRIBED, ids=lambda b: b.name)
def test_renode_runs_the_firmware(board: Board, tmp_path: Path) -> None:
    found = find_renode()
    if found is None or found.problem:
        pytest.skip(f"renode: {found.problem if found else 'is not installed'}")
    image = mailbox(board.name, tmp_path / "out")
    trace = run(image, INPUTS, "renode")
    assert np.array_equal(trace.outputs, EXPECTED)
    other = build(library(CODE), board, None, tmp_path / "other", BuildOptions("test"))
    assert trace.instructions == counting.run(other, INPUTS[:1]).instructions
    if found.test is None:
        pytest.skip("renode-test is not installed")
    write(tmp_path / "renode", image, Batch(INPUTS, EXPECTED, CLASSES), 1.0, 2000)
    done = subprocess.run(
        [str(found.test), "-r", str(tmp_path / "results"), str(tmp_path / "renode" / "test.robot")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
