"""`tinyc fit`: which boards a model fits, by the same numbers as a build and a test; what would
make it fit."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_tiny
from image.test_fit import convolutions

from tinyc import fitting
from tinyc.cli import app as cli
from tinyc.cli.printing import print_json
from tinyc.errors import CompileError
from tinyc.fitting import Asked, Row, fit, model
from tinyc.image.build import BuildOptions, build
from tinyc.ir import Graph
from tinyc.pipeline import CompileOptions, Plans, compile_model
from tinyc.target.boards import all_boards, load_board
from tinyc.tuning.backend import lower

SILICON, SMALL = "nucleo_g0b1re", "microbit"  # something is known of the flash of the first


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    """Run a command line: its status, and its one object."""

    def told(*args: str) -> tuple[int, dict]:
        code = cli.execute([*args, "--json", "-q"])
        return code, json.loads(capsys.readouterr().out)

    return told


@pytest.mark.slow
def test_the_numbers_are_those_of_a_build_and_a_test(told, tmp_path: Path) -> None:
    path = str(convolutions(tmp_path / "m.tflite", [4, 2], "int8", 24))
    code, found = told("fit", path, "-b", f"{SMALL},{SILICON}", "--jobs", "1")
    assert code == 0 and [row["board"] for row in found["boards"]] == [SILICON, SMALL]
    for row in found["boards"]:
        at = ["-b", row["board"], "-o", str(tmp_path / "build")]
        _, built = told("build", path, *at)
        known = [{key: m[key] for key in row["memories"][0]} for m in built["memories"]]
        assert row["memories"] == known and row["memories_source"].startswith("linked")
        assert row["fits"] and row["asked"] and not row["ways"]
        _, tested = told("test", path, *at, "--samples", "1")
        for key in ("cycles", "milliseconds", "board_cycles", "board_milliseconds"):
            assert row.get(key) == tested.get(key), key
    assert "board_cycles" in found["boards"][0] and "board_cycles" not in found["boards"][1]


@pytest.mark.slow
def test_what_would_make_it_fit_does(told, tmp_path: Path) -> None:
    path = str(convolutions(tmp_path / "f.tflite", [4, 2], "float32", 40))
    code, found = told("fit", path, "-b", SMALL)
    (row,) = found["boards"]
    assert code == 4 and not row["fits"] and row["error"]["layers"][0]["kind"] == "ram"
    (memory,) = row["memories"]
    over = memory["used_bytes"] - memory["size_bytes"]
    assert over == row["error"]["memories"][0]["over_bytes"] > 0
    options = {way["options"]: way for way in row["ways"]}
    way = options["--calibrate data.npz"]
    assert way["fits"] and way["source"].startswith("linked") and way["ram_saved_bytes"] > over
    rows = options["--feed rows"]
    code, _ = told("build", path, "-b", SMALL, "-o", str(tmp_path / "b"), "--feed", "rows")
    assert rows["fits"] == (code == 0)
    # Of a board among all others only the first that is enough is told.
    code, found = told("fit", path, "--core", "m0", "--min-ram", "16K")
    assert code == 4
    for row in found["boards"]:
        assert [way["fits"] for way in row["ways"]][-1] and len(row["ways"]) <= 2


def test_plans_are_those_of_each_board(tmp_path: Path) -> None:
    graph = compile_model(
        convolutions(tmp_path / "m.tflite", [8, 8, 2], "int8", 48), load_board(SILICON)
    ).plan.graph
    plans = Plans(graph, CompileOptions())
    boards = sorted(all_boards(), key=lambda b: -b.ram_bytes)
    boards = [
        b for b in (boards[0], *boards[::-1]) if b.core.name in ("cortex-m0plus", "cortex-m3")
    ]
    own = {b.name: lower(graph, b) for b in boards}
    for board in boards:
        made = plans(board)
        assert str(made) == str(own[board.name]) and made is plans(board)
    assert 1 < len({id(plans(board)) for board in boards}) < len(own)


def test_objects_are_those_that_were_compiled_before(tmp_path: Path) -> None:
    library = compile_model(write_tiny(tmp_path / "m.tflite"), load_board("stm32")).c_library
    kept = tmp_path / "kept"
    options = BuildOptions(objects=kept)
    build(library, load_board("nucleo_f446re"), None, tmp_path / "other", options)
    assert any(kept.iterdir())
    with_them = build(library, load_board("stm32"), None, tmp_path / "one", options)
    alone = build(library, load_board("stm32"), None, tmp_path / "two")
    assert with_them.elf.read_bytes() == alone.elf.read_bytes()


def test_boards_that_are_asked_for() -> None:
    names = {b.name for b in Asked(cores=("m0plus", "Cortex-M3"), min_ram=1 << 16).chosen()}
    wanted = ("cortex-m0plus", "cortex-m3")
    assert names == {b.name for b in all_boards() if b.core.name in wanted
                     and max(m.size for m in b.memory if m.kind == "ram") >= 1 << 16}  # fmt: skip
    assert [b.name for b in Asked(("stm32", "stm32f4_discovery")).chosen()] == ["stm32f4_discovery"]
    assert all("dsp" in b.core.features and b.clock_hz >= 180e6
               for b in Asked(features=("dsp",), min_clock=180e6).chosen())  # fmt: skip
    for asked in (Asked(cores=("m9",)), Asked(features=("x",)), Asked(min_flash=1 << 40)):
        with pytest.raises(CompileError) as caught:
            asked.chosen()
        assert caught.value.id == "E201"


def _row(name: str, **facts: float) -> Row:
    return Row(load_board(name), facts=facts)


def test_what_is_asked_of_an_inference(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [_row("stm32", milliseconds=9.0), _row(SILICON, milliseconds=3, board_milliseconds=11.0)]
    asked = Asked(max_milliseconds=10)
    assert [asked.refuses(row) for row in rows] == [None, "too slow"]
    rows[1].why = "too slow"
    assert fitting.refused("m", rows, asked) is None
    error = fitting.refused("m", rows, replace(asked, boards=("stm32", SILICON)))
    assert error is not None and error.exit_code == 6 and SILICON in str(error)
    assert "too slow: 11 ms an inference, at most 10 are asked for" in str(error)
    power = Asked(max_microjoules=5)
    assert power.refuses(rows[0]) == "energy unknown"
    assert power.refuses(_row("stm32", energy_microjoules=6)) == "too much energy"
    assert sorted(rows, key=fit._order)[0] is rows[0]
    rows[0].used, rows[0].facts = {"RAM": 9}, {}
    print_json("fit", fitting.facts("m", rows[:1]))
    memory = json.loads(capsys.readouterr().out)["boards"][0]["memories"][0]
    assert memory == {"name": "RAM", "kind": "ram", "used_bytes": 9, "size_bytes": 131072}


def test_a_model_that_no_core_computes(told, tmp_path: Path, monkeypatch) -> None:
    def refuse(graph: Graph, board, options) -> None:
        raise CompileError("E217", "--float-glue", f"{board.name} has no FPU", "")

    monkeypatch.setattr(model, "refuse_glue", refuse)
    code, found = told("fit", str(write_tiny(tmp_path / "m.tflite")), "--core", "m0")
    assert code == 2 and found["error"]["id"] == "E217"


def test_a_verdict_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_tiny(tmp_path / "m.tflite"))
    assert cli.execute(["fit", path, "-b", "stm32", "-q"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(
        r"pass  m fits stm32f4_discovery: FLASH [\d,]+ of 1,048,576 bytes, .* ms\n", out
    )
    assert err == ""
