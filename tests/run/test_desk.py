"""`tinyc test --target`: a board on the desk, here QEMU's behind a pseudo-terminal."""

from __future__ import annotations

import json
import os
import shutil
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
from two_heads import write_two_heads

from tinyc.cli.app import execute
from tinyc.errors import CompileError
from tinyc.run import desk, find, find_target, serve
from tinyc.target.boards import load_board

BOARD = "mps2_an386"


@contextmanager
def on_desk(model: Path, folder: Path, *options: str, emulator: str = "qemu") -> Iterator[str]:
    """The target of an emulated board that runs the firmware of ``tinyc build --main serial``."""
    from tinyc.firmware import compile

    settings: dict[str, Any] = {"feed": "rows"} if "rows" in options else {}
    if "--early-exit" in options:
        settings["early_exit"] = 0.5
    board = BOARD if emulator == "qemu" else "stm32f4_discovery"
    image = compile(model, board, **settings).image(folder / "image", "serial")
    with serve.serve(image, emulator) as (terminal, _):
        yield f"serial:{terminal}"


def run(model: Path, board: str, target: str, folder: Path, *options: str) -> int:
    command = ["test", model, "--board", board, "--target", target, "-o", folder, *options]
    return execute([*map(str, command), "--samples", "3"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="no qemu-system-arm")
@pytest.mark.parametrize("options", [(), ("--feed", "rows"), ("--early-exit", "0.5")], ids=str)
def test_outputs_and_cycles_of_the_board(
    options: tuple[str, ...], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_two_heads(tmp_path / "net.tflite") if options[:1] == ("--early-exit",) else None
    with on_desk(model or tiny_model, tmp_path, *options) as target:
        for _ in range(1 if options else 2):  # the second time finds a board that runs already
            assert run(model or tiny_model, BOARD, target, tmp_path, *options, "--json") == 0
        found = json.loads(capsys.readouterr().out.split("\n}\n")[-2] + "}")
        assert (found["emulator"], found["mismatches"], found["samples"]) == (target, 0, 3)
        assert found["counted_by"] == "unicorn" and found["cycles"] > 0 < found["stack_bytes"]
        assert found["cycles_source"].startswith("cycles (modelled, Cortex-M4")
        assert found["measured_source"] == "cycles (SysTick)" and found["measured_cycles"] > 0
        if "early_exit" not in found:  # whose modelled cycles are those of the worst case
            error = 100 * (found["cycles"] / found["measured_cycles"] - 1)
            assert found["model_error_percent"] == pytest.approx(error)
        (path,) = tmp_path.glob("mps2_an386/*/report/report.json")
        assert json.loads(path.read_text())["test"]["measured_cycles"] == found["measured_cycles"]
        if not options:
            command = ["verify", str(tiny_model), "-b", BOARD, "-o", str(tmp_path), "--bisect"]
            assert execute([*command, "--target", target, "--samples", "2", "--json"]) == 0
            last = json.loads(capsys.readouterr().out)["stages"][-1]
            assert (last["stage"], last["against"], last["verdict"]) == (target, "unicorn", "pass")
            other = write_two_heads(tmp_path / "other.tflite")
            assert run(other, BOARD, target, tmp_path) == 8
            said = capsys.readouterr().err.splitlines()[-1]
            assert said.startswith(f"E821 {target[7:]}: the board runs other firmware: 'tiny'")


def test_a_board_in_renode(tiny_model: Path, tmp_path: Path) -> None:
    from tinyc.run.renode.tool import find_renode

    known = find_renode()
    if known is None or known.problem:
        pytest.skip("Renode is not installed")
    with on_desk(tiny_model, tmp_path, emulator="renode") as target:
        assert run(tiny_model, "stm32f4_discovery", target, tmp_path) == 0


def test_a_port_has_a_name_and_perhaps_a_rate() -> None:
    assert find("serial:/dev/ttyACM0").main == find_target("serial:COM3:9600").main == "serial"
    # A path may have colons of its own.
    assert find_target("serial:/dev/serial/by-path/pci-0:1.0").title.endswith("pci-0:1.0")
    for wrong in ("serial:", "serial", "ttyACM0", "usb:1", "serial:COM3:0", "serial::9600"):
        with pytest.raises(CompileError) as caught:
            find_target(wrong)
        assert caught.value.id == "E206"


def test_a_port_is_there_and_nobody_else_has_it(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def said(target: str, *options: str) -> str:
        status = run(tiny_model, BOARD, target, tmp_path, *options)
        line = capsys.readouterr().err.splitlines()[-1]
        assert status == int(line[1])
        return line

    assert said("serial:/dev/ttyNONE").startswith("E817 /dev/ttyNONE: is no serial port of this")
    assert said(f"serial:{tmp_path}").startswith(f"E817 {tmp_path}: ")
    assert said("serial:/dev/null").startswith("E817 /dev/null: ")
    assert said("serial:x", "--emulator", "qemu").startswith("E201 --target serial:x: ")
    assert not (tmp_path / ".tiny-test").exists()
    monkeypatch.setattr(desk, "ANSWER_S", 0.05)
    outer, inner = os.openpty()
    tty.setraw(inner)
    port = os.ttyname(inner)
    try:
        with serial.Serial(port, exclusive=True):
            assert said(f"serial:{port}").startswith(f"E818 {port}: another program has it open")
        assert said(f"serial:{port}").startswith(f"E819 {port}: nothing answers within 0.05 s")
    finally:
        os.close(outer)
        os.close(inner)
    monkeypatch.setattr(desk.importlib.util, "find_spec", lambda name: None)
    assert said("serial:x").startswith("E705 serial:x: needs pyserial, which is missing; pip")


def test_what_a_board_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, and then hangs in an inference, or is unplugged."""

    class Device:
        pending = b"m-"
        gone = False

        def read(self, most: int) -> bytes:
            if self.gone:
                raise serial.SerialException(
                    "device reports readiness to read but returned no data"
                )
            found, self.pending = self.pending, b""
            return found

    device = Device()
    line = desk._Line(device, "COM3")
    line.patience = 0.01
    assert line.receive() == b"m-"
    with pytest.raises(CompileError, match=r"E819 COM3: does not end its answer .* it said 'm-'"):
        line.receive()
    device.gone = True
    with pytest.raises(CompileError, match="E817 COM3: went away: device reports"):
        line.receive()
    with pytest.raises(CompileError, match="E820 COM3: answers with 3,000 bytes that are no text"):
        raise desk.unreadable("COM3", np.zeros(3000, np.uint8).tobytes())


def test_boards_have_one_rate() -> None:
    assert desk.BAUD == 115200
    assert load_board(BOARD).console.uart
