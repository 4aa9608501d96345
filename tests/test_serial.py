"""The serial harness: MLPerf Tiny's protocol, over a terminal to an emulated board."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import write_binary
from terminal import Terminal, check_inference, served

from tinyc.boards import all_boards, load_board
from tinyc.build import build
from tinyc.cli import execute
from tinyc.compile import compile_model
from tinyc.errors import CompileError
from tinyc.ir import interpret
from tinyc.run import MAINS, run
from tinyc.run.protocol import Session
from tinyc.run.serve import choose, serve

QEMU_BOARDS = [b for b in all_boards() if b.qemu]


@pytest.fixture(autouse=True)
def needs_qemu() -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")


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
        ("x" * 1000, f"e-[Unknown command: {'x' * 256}]"),
        ("help", "name% profile% timestamp% db load N% db HEX% db print% infer N W% results% "
                 "outputs% stack%"),
    ],
    ids=lambda text: text[:20],
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


def test_results_are_the_outputs_as_numbers(session: Terminal, tiny_model: Path) -> None:
    check_inference(session, tiny_model)


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
    compiled = compile_model(path, board)
    graph, name = compiled.graph, compiled.plan.graph.name
    try:
        image = build(compiled.sources, name, board, None, tmp_path / "out", MAINS["qemu"])
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
    image = build(compiled.sources, "tiny", board, None, tmp_path / "out", "serial")
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
