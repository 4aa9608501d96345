"""The serial harness: MLPerf Tiny's protocol, over a terminal to an emulated board."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import unicorn
from conftest import write_binary
from mailbox_machine import Machine
from programs import library
from terminal import Terminal, check_inference, served
from test_renode import CODE
from tflite_writer import TensorSpec, write_model

from tinyc.cli.app import execute
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, Image, build
from tinyc.ir import interpret
from tinyc.pipeline import compile_model
from tinyc.run import emulators, run
from tinyc.run.protocol import Session
from tinyc.run.serve import choose, serve
from tinyc.target.boards import all_boards, load_board

QEMU_BOARDS = [b for b in all_boards() if b.qemu]


@pytest.fixture(autouse=True)
def needs_qemu() -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")


@pytest.mark.slow
def test_a_session_of_keyword_spotting(data_folder: Path, tmp_path: Path) -> None:
    with np.load(data_folder / "kws01" / "kws01.npz") as data:
        x, y = data["x"][:2], data["y"][:2]
    model = data_folder / "mlperf-tiny" / "kws.tflite"
    options = ("--board", "stm32", "--model-id", "kws01", "-o", tmp_path)
    with served(model, *options, "--link", tmp_path / "uart") as dut:
        assert (tmp_path / "uart").is_symlink()
        assert "m-name-dut-[tinyc]" in dut.command("name")
        assert "m-model-[kws01]" in dut.command("profile")
        told, lap = (re.fullmatch(r"m-(\w+)-us-(\d+)", x) for x in dut.command("timestamp"))
        assert (told[1], lap[1]) == ("timestamp", "lap") and int(told[2]) <= int(lap[2])
        before = int(lap[2])
        for sample, label in zip(x, y, strict=True):
            assert "m-load-done" in dut.load(sample.tobytes())
            lines = dut.command("infer 3 1")
            assert lines[:3] == ["m-warmup-start-1", "m-warmup-done", "m-infer-start-3"]
            laps = [int(line[9:]) for line in lines if line.startswith("m-lap-us-")]
            assert len(laps) == 2 and before < laps[0] < laps[1]
            before = laps[1]
            results = next(line for line in lines if line.startswith("m-results-["))
            scores = [float(n) for n in results[11:-1].split(",")]
            assert len(scores) == 12 and np.argmax(scores) == label
            assert sum(scores) == pytest.approx(1, abs=0.01)
            assert results in dut.command("results")
    assert not (tmp_path / "uart").is_symlink()


@pytest.fixture(scope="module")
def session(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("serve")
    with served(tiny_model, "--board", "mps2_an385", "-o", folder) as terminal:
        yield terminal


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("bogus 1", "e-[Unknown command: bogus]"),
        ("db", "e-[Command 'db' requires a subcommand]"),
        ("db load", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 0", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 33", "e-[Supplied buffer size exceeds maximum of 32]"),
        ("db load 99999999999", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 32", "m-[Expecting 32 bytes]"),
        ("infer 0 1", "e-[Inference iterations must be >0]"),
        ("infer 1 -1", "e-[Inference warmup must be >=0]"),
        ("db load 32 33", "e-[Unexpected word: 33]"),
        ("db load -1", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 4294967297", "e-[Command 'db load' requires the # of bytes]"),
        ("infer", "e-[Only 0 of the input's 32 bytes are loaded]"),
        ("infer 1 0 x", "e-[Unexpected word: x]"),
        ("infer 4294967296", "e-[Inferences must be <1000000000]"),
        ("infer 1 4294967297", "e-[Inferences must be <1000000000]"),
        ("infer one", "e-[Inference iterations must be >0]"),
        ("infer -4294967295", "e-[Inference iterations must be >0]"),
        ("db zz", "e-[Invalid hex digit]"),
        ("db -1", "e-[Invalid hex digit]"),
        ("db 00 11", "e-[Unexpected word: 11]"),
        ("", "e-[Unknown command: ]"),
        ("x" * 256, f"e-[Unknown command: {'x' * 256}]"),
        ("x" * 257, "e-[Line has more than 256 characters]"),
        (" " * 2000 + "name", "e-[Line has more than 256 characters]"),
        ("db " + "00" * 32 + "\0zz", "e-[Only printable ASCII is taken]"),
        ("nam\be", "e-[Only printable ASCII is taken]"),
        ("na\x7fme", "e-[Only printable ASCII is taken]"),
        ("näme", "e-[Only printable ASCII is taken]"),
        ("\0", "e-[Only printable ASCII is taken]"),
        ("help", "name% profile% timestamp% db load N% db HEX% db print% infer N W% results% "
                 "outputs% stack% build% cycles%"),
    ],
    ids=lambda text: ascii(text[-20:]),
)  # fmt: skip
def test_answers(session: Terminal, command: str, answer: str) -> None:
    assert session.command(command) == [answer, "m-ready"]


def test_the_buffer(session: Terminal) -> None:
    session.command("db load 10")
    assert session.command("db 00017F80fFa") == ["e-[Insufficent number of hex digits]", "m-ready"]
    assert session.command("db 0g") == ["e-[Invalid hex digit]", "m-ready"]
    assert session.command("db 0102030405") == ["m-load-done", "m-ready"]
    assert session.command("db 06") == ["e-[More bytes than 'db load' announced]", "m-ready"]
    lines = ["m-buffer-00-01-7f-80-ff-01-02-03", "m-buffer-04-05", "m-ready"]
    assert session.command("db print") == lines


def partly(loaded: int) -> list[str]:
    return [f"e-[Only {loaded} of the input's 32 bytes are loaded]", "m-ready"]


def test_a_part_of_the_input_is_not_inferred(session: Terminal) -> None:
    line = "00" * 16
    whole = ["m-load-done", "m-ready"]
    # A line that does not fit is refused whole, so that bytes are missing.
    session.command("db load 32")
    assert session.command("infer 1 0") == partly(0)
    assert session.command(f"db {line}") == ["m-ready"]
    assert session.command("infer 1 0") == partly(16)
    refused = ["e-[Line has more than 256 characters]", "m-ready"]
    assert session.command("db " + "00" * 127) == refused
    assert session.command("infer 1 0") == partly(16)
    assert session.command("results")[-1] == "m-ready"
    assert session.command(f"db {line}") == whole
    assert session.command("infer 1 0")[-3] == "m-infer-done"
    # The input is kept, until another is announced.
    assert session.command("infer 2 1")[-3] == "m-infer-done"
    session.command("db load 31")
    assert session.command("db " + "00" * 31) == whole
    assert session.command("infer 1 0") == partly(31)


def test_results_are_the_outputs_as_numbers(session: Terminal, tiny_model: Path) -> None:
    check_inference(session, tiny_model)


@pytest.mark.slow
def test_the_firmware_that_keeps_no_input_wants_it_whole_too(tmp_path: Path) -> None:
    board = load_board("mps2_an385")
    image = build(library(CODE), board, None, tmp_path / "out", BuildOptions("test_serial"))
    with serve(image) as (path, _):
        dut = Terminal(path)
        dut.command("db load 8")
        dut.command("db 00112233")
        refused = ["e-[Only 4 of the input's 8 bytes are loaded]", "m-ready"]
        assert dut.command("infer 1 0") == refused
        assert dut.command("db 44556677")[0] == "m-load-done"
        assert dut.command("infer 2 0")[0].startswith("e-[This firmware keeps no input")
        assert dut.command("infer 1 0")[-3] == "m-infer-done"
        assert dut.command("outputs")[0] == "m-outputs-[00770000]"
        assert dut.command("db 00")[0] == "e-[More bytes than 'db load' announced]"
        assert dut.command("infer 1 0")[0].startswith("e-[Only 0 of")


@pytest.mark.slow
def test_scores_that_are_no_numbers_or_large(tmp_path: Path) -> None:
    """A network that copies: float32 [1, 8]."""
    tensors = [TensorSpec("x", (1, 8), "float32"), TensorSpec("y", (8,), "float32")]
    operators = [("RESHAPE", {"newShape": [8]}, [0], [1])]
    path = write_model(tmp_path / "copy.tflite", operators, tensors, inputs=[0], outputs=[1])
    x = np.float32([np.nan, np.inf, -np.inf, 4294966, 1e10, -3.4e38, -1e-9, 0.0625])
    with served(path, "--board", "mps2_an385", "-o", tmp_path / "out") as dut:
        dut.load(x.tobytes())
        told = dut.command("infer 1 0")[-2]
    texts = told.removeprefix("m-results-[").rstrip("]").split(",")
    assert texts[:3] == ["nan", "inf", "-inf"] and texts[6:] == ["0.000", "0.063"]
    np.testing.assert_allclose([float(t) for t in texts[3:6]], x[3:6], rtol=1e-6)


def told_time(machine: Machine, image: Image, receive: Callable[[], bytes]) -> int:
    """The microseconds of the timestamp for which ``receive`` asks."""

    def stop(_: bytes) -> None:
        if machine.console.count("m-ready") > 1 and machine.console.endswith("\n"):
            machine.uc.emu_stop()

    machine.load(image.elf)
    machine.send, machine.receive = stop, receive
    machine.run()
    return int(re.search(r"m-timestamp-us-(\d+)\r\nm-lap-us-", machine.console)[1])


def test_time_goes_on_after_71_minutes(tmp_path: Path) -> None:
    """2^32 us; SysTick's interrupt counts its rounds of 2^24 clocks."""
    board = load_board("stm32f4_discovery")
    image = build(library(CODE), board, None, tmp_path / "out", BuildOptions("serial"))
    machine, rounds, asked = Machine(board, {}), 100_000, iter([b"timestamp%"])

    def receive() -> bytes:
        machine.write(machine.symbols["rounds"], rounds.to_bytes(4, "little"))
        return next(asked, b"")

    # SysTick stands at 1 in this machine.
    cycles = rounds * 2**24 + 2**24 - 1
    assert told_time(machine, image, receive) == cycles * 1_000_000 // 168_000_000 > 2**32


def test_a_timer_without_an_interrupt_is_kept_count_of(tmp_path: Path) -> None:
    """That of the micro:bit: 16 MHz and 32 bits, so that it is at 0 again after 268 seconds."""
    board = load_board("microbit")
    image = build(library(CODE), board, None, tmp_path / "out", BuildOptions("serial"))
    machine, now, asked = Machine(board, {}), 0, False

    def receive() -> bytes:
        """A quarter of a round later."""
        nonlocal now, asked
        if asked:
            return b""
        now += 2**30
        asked = now == 100 * 2**30
        return b"timestamp%" if asked else b""

    def read(uc: Any, _kind: int, at: int, _size: int, _v: int, _d: Any) -> None:
        uc.mem_write(at, (now % 2**32).to_bytes(4, "little"))

    at = board.counter.value
    machine.uc.hook_add(unicorn.UC_HOOK_MEM_READ, read, None, at, at)
    assert told_time(machine, image, receive) == 100 * 2**30 // 16 > 2**32


DEEP = CODE.replace("void prog_run", "extern uint32_t __bss_end[];\nvoid prog_run").replace(
    "bytes[8] = least;",
    "bytes[8] = least;\n    if (first) {\n        uint32_t here = 0;\n"
    "        for (volatile uint32_t *p = &here; p >= __bss_end; p--) {\n            *p = 7;\n"
    "        }\n    }",
)
"""A network whose stack grows down to the variables if the first byte is not 0."""


@pytest.mark.slow
def test_a_stack_that_meets_the_arena_is_told(tmp_path: Path) -> None:
    board = load_board("mps2_an385")
    image = build(library(DEEP), board, None, tmp_path / "out", BuildOptions("serial"))
    with serve(image) as (path, _):
        dut = Terminal(path)
        dut.load(bytes(8))
        assert dut.command("infer 2 1")[-3] == "m-infer-done"
        dut.load(bytes([1, *bytes(7)]))
        lines = dut.command("infer 3 1")
        assert lines[-2:] == ["e-[The stack met the variables below it]", "m-ready"]
        assert not any(line.startswith("m-results") for line in lines)
        assert dut.command("name") == ["m-name-dut-[tinyc]", "m-ready"]
        assert dut.command("infer 1 0")[-2] == lines[-2]


@pytest.mark.parametrize("deep", [False, True])
def test_the_demo_tells_of_it_too(deep: bool, tmp_path: Path) -> None:
    code = DEEP.replace("if (first)", "if (1)") if deep else DEEP
    board = load_board("stm32f4_discovery")
    machine = Machine(board, {})
    machine.load(build(library(code), board, None, tmp_path / "out", BuildOptions("demo")).elf)
    machine.run(seconds=1)
    lines = machine.console.splitlines()
    assert re.fullmatch(r"prog: \d+ cycles \(SysTick\) at 168000000 Hz", lines[0])
    assert lines[1:] == (["error: the stack met the variables below it"] if deep else [])


def test_the_demo_does_not_wrap_what_it_cannot_print(tmp_path: Path) -> None:
    """An inference meanwhile which SysTick went 256 times around."""
    count = "extern volatile uint32_t rounds_of_inference;\n"
    code = CODE.replace("void prog_run", f"{count}void prog_run").replace(
        "bytes[8] = least;", "bytes[8] = least;\n    rounds_of_inference = 1;"
    )
    code += "\nvolatile uint32_t rounds_of_inference;"
    board = load_board("stm32f4_discovery")
    machine = Machine(board, {})
    machine.load(build(library(code), board, None, tmp_path / "out", BuildOptions("demo")).elf)

    def turn(uc: Any, _kind: int, _at: int, _size: int, value: int, _d: Any) -> None:
        if value:  # not as start-up clears it
            uc.mem_write(machine.symbols["rounds"], (256).to_bytes(4, "little"))

    at = machine.symbols["rounds_of_inference"]
    machine.uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, turn, None, at, at)
    machine.run(seconds=1)
    assert machine.console.startswith("prog: more than 4294967295 cycles (SysTick) at ")


@pytest.mark.slow
@pytest.mark.parametrize("board", QEMU_BOARDS, ids=lambda b: b.name)
@pytest.mark.parametrize("model", ["ad", "ic", "kws", "sww", "vww", "binary"])
def test_every_machine_boots_and_is_exact(
    model: str, board, data_folder: Path, tmp_path: Path
) -> None:
    """From reset, over the UART: every model on every board of QEMU's that it fits."""
    path = data_folder / "mlperf-tiny" / f"{model}.tflite"
    if model == "binary":
        path = write_binary(tmp_path / "binary.tflite")
    try:
        compiled = compile_model(path, board)
        graph = compiled.graph
        image = build(
            compiled.c_library,
            board,
            None,
            tmp_path / "out",
            BuildOptions(emulators()["qemu"].main),
        )
    except CompileError as error:
        assert error.id == "E401"
        pytest.skip(str(error))
    value = graph.inputs[0]
    x = np.random.default_rng(4).integers(-128, 128, value.type.shape, np.int8)
    trace = run(image, x.reshape(1, -1).view(np.uint8), "qemu")
    found = interpret(graph, [x])
    assert trace.outputs.tobytes() == b"".join(found[v].tobytes() for v in graph.outputs)
    assert 0 < trace.stack_bytes <= image.stack_bytes


def test_an_emulator_without_a_terminal(tiny_model: Path, capsys, tmp_path: Path) -> None:
    command = ["serve", str(tiny_model), "--board", "stm32", "-o", str(tmp_path)]
    assert execute([*command, "--emulator", "unicorn"]) == 2
    assert "E206 emulator 'unicorn': offers no terminal" in capsys.readouterr().err
    (tmp_path / "mine").write_text("")
    assert execute([*command, "--link", str(tmp_path / "mine")]) == 8
    assert "E807" in capsys.readouterr().err


def test_the_emulator_is_the_first_that_has_the_board() -> None:
    assert choose(load_board("mps2_an385")) == choose(load_board("stm32f4_discovery")) == "qemu"
    assert choose(load_board("stm32f4_discovery"), "renode") == "renode"
    assert choose(load_board("nucleo_h753zi")) == "renode"
    for board, emulator, what in (
        ("nucleo_h753zi", "qemu", "is not a board of QEMU; --emulator renode, or one of "),
        ("nucleo_f446re", None, "is not a board of QEMU or Renode; one of "),
    ):
        with pytest.raises(CompileError, match=what) as caught:
            choose(load_board(board), emulator)
        assert caught.value.id == "E207" and "stm32f4_discovery" in str(caught.value)


def test_an_emulator_that_ends_is_told(tiny_model: Path, tmp_path: Path) -> None:
    board = load_board("mps2_an385")
    compiled = compile_model(tiny_model, board)
    image = build(compiled.c_library, board, None, tmp_path / "out", BuildOptions("serial"))
    with (
        pytest.raises(CompileError, match="qemu-system-arm: ended with status -9") as caught,
        serve(image, link=tmp_path / "uart") as (_, process),
    ):
        process.kill()
        process.wait()
    assert caught.value.id == "E802" and not (tmp_path / "uart").is_symlink()


def test_a_firmware_that_ends_is_told() -> None:
    answers = iter([b"m-init-done\r\nm-re", b"ady\r\n", b"m-name", b""])
    session = Session(lambda _: None, lambda: next(answers), "toy")
    with pytest.raises(CompileError, match="ended before it answered"):
        session.command("name")


def test_a_build_with_the_harness(tiny_model: Path, tmp_path: Path) -> None:
    options = ["--board", "stm32", "-o", str(tmp_path), "--main", "serial", "--model-id", "vww01"]
    assert execute(["build", str(tiny_model), *options]) == 0
    main = next(tmp_path.rglob("port/main.c")).read_text()
    assert "m-model-[vww01]" in main and "m-timestamp-us-" in main
