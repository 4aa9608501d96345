"""The command line: what it prints where, its exit codes, and its messages for bad input."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from conftest import ROOT
from rich.console import Console
from rich.progress import Progress

from tinyc import config
from tinyc.cli import app as cli
from tinyc.cli import printing
from tinyc.errors import CompileError
from tinyc.job import Job

BUILD_KEYS = {
    "schema_version", "model", "board", "core", "toolchain", "flash_bytes", "ram_bytes",
    "arena_bytes", "stack_bytes", "fits", "layers",
}  # fmt: skip
TEST_KEYS = {
    "emulator", "samples", "mismatches", "accuracy", "reference_accuracy", "instructions",
    "cycles", "cycles_source", "stack_bytes",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""

    def execute(*args: object) -> tuple[int, str, str]:
        code = cli.execute([str(a) for a in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return execute


def refused(result: tuple[int, str, str], id: str, *words: str) -> None:
    """The command failed with this error: one line for it, and no traceback."""
    code, _, err = result
    lines = [line for line in err.splitlines() if line.startswith("E")]
    assert code == int(id[1]), err
    assert lines and lines[0].startswith(f"{id} "), err
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0]


def tree(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


# Results -----------------------------------------------------------------------------------


def test_build_prints_one_object_and_writes_the_tree(run, here: Path, tiny_model: Path) -> None:
    code, out, err = run("build", tiny_model, "--board", "stm32", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report.keys() >= BUILD_KEYS
    assert report["model"] == "tiny" and report["fits"] is True
    assert [layer.keys() >= {"index", "name", "op", "kernel", "macs"} for layer in report["layers"]]
    assert report["layers"][0]["macs"] == 4 * 4 * 4 * 9 * 2
    folder = here / "build" / report["board"] / "tiny"
    files = tree(folder)
    assert files >= {
        "include/tiny.h", "src/tiny.c", "src/tiny_kernels.h", "src/tiny_weights.c", "tiny.elf",
        "tiny.hex", "tiny.bin", "tiny.map", "compile_commands.json", "report/report.json",
        "report/report.md", "report/report.html", "report/junit.xml",
    }  # fmt: skip
    for file in files:
        if not file.endswith((".elf", ".bin")):
            text = (folder / file).read_text()
            assert text.endswith("\n") and not text.endswith("\n\n"), file


def test_test_is_bit_exact_on_random_inputs(run, here: Path, tiny_model: Path) -> None:
    code, out, err = run("test", tiny_model, "--board", "stm32", "--json", "--samples", 7)
    assert code == 0, err
    report = json.loads(out)
    assert report.keys() >= TEST_KEYS
    assert report["samples"] == 7 and report["mismatches"] == 0 and report["accuracy"] is None
    assert report["instructions"] > 1000 and report["cycles"] >= report["instructions"]
    suite = ET.parse(here / "build" / report["board"] / "tiny" / "report" / "junit.xml").getroot()
    assert suite.get("failures") == "0" and suite.find("testcase").get("name") == "bit_exact"


def test_profile_sums_over_the_layers(run, tiny_model: Path) -> None:
    code, out, err = run("profile", tiny_model, "--board", "stm32", "--json")
    assert code == 0, err
    report = json.loads(out)
    for key in ("instructions", "cycles"):
        layers = sum(layer[key] for layer in report["layers"])
        assert 0 < layers <= report[key]
    assert report["macs"] == sum(layer["macs"] for layer in report["layers"])


@pytest.mark.slow
def test_profile_judges_and_keeps_what_was_known(run, here: Path, tiny_model: Path) -> None:
    command = [tiny_model, "--board", "stm32", "--json"]
    code, out, err = run("test", *command, "--samples", 3, "--max-instructions", 10**9)
    assert code == 0, err
    folder = here / "build" / json.loads(out)["board"] / "tiny" / "report"
    known = json.loads((folder / "report.json").read_text())
    assert run("profile", *command, "--max-cycles", 10**9, "--max-ram", 10**9)[0] == 0
    both = json.loads((folder / "report.json").read_text())
    assert list(both) == ["schema_version", "build", "test", "profile"]
    assert both["test"] == known["test"]
    names = [c.get("name") for c in ET.parse(folder / "junit.xml").getroot().iter("testcase")]
    assert sorted(names) == ["bit_exact", "cycles", "instructions", "ram"]
    assert [v["name"] for v in both["profile"]["verdicts"]] == ["cycles", "ram"]
    page = (folder / "report.html").read_text()
    assert all(f">{name}</th>" in page for name in names)

    for option, id, name in (
        ("--max-cycles", "E601", "cycles"),
        ("--max-instructions", "E604", "instructions"),
        ("--max-flash", "E602", "flash"),
        ("--max-ram", "E603", "ram"),
    ):
        result = run("profile", *command, option, 1)
        refused(result, id, name)
        (verdict,) = json.loads(result[1])["verdicts"]
        assert verdict["name"] == name and not verdict["passed"]
        assert verdict["error"]["id"] == id and verdict["error"]["exit_code"] == 6
    (here / "tinyc.toml").write_text("[expect]\nmax_cycles = 1\n")
    refused(run("profile", *command), "E601")

    # Another image's test says nothing of this one.
    assert run("build", *command, "--main", "serial")[0] == 0
    known = json.loads((folder / "report.json").read_text())
    assert list(known) == ["schema_version", "build"]


def test_data_with_labels_and_thresholds(run, here: Path, tiny_model: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (5, 4, 4, 2), np.int8)
    from tinyc.frontends.tflite import read
    from tinyc.ir import interpret

    graph = read(tiny_model)
    y = [int(interpret(graph, [row[None]])[graph.outputs[0]].argmax()) for row in x]
    np.savez(here / "d.npz", x=x, y=np.array(y))
    command = ["test", tiny_model, "--board", "stm32", "--data", "d.npz", "--json"]
    code, out, err = run(*command, "--min-accuracy", 1)
    assert code == 0, err
    assert json.loads(out)["accuracy"] == json.loads(out)["reference_accuracy"] == 1
    np.savez(here / "d.npz", x=x, y=(np.array(y) + 1) % 3)
    refused(run(*command, "--min-accuracy", 0.5), "E502", "0.0000")
    refused(run(*command, "--max-cycles", 1), "E601", "cycles")
    refused(run(*command, "--max-flash", 1), "E602", "flash")
    refused(run(*command, "--max-ram", 1), "E603", "ram")


def test_settings_come_from_options_then_variables_then_the_file(
    run, here: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "m.tflite").write_bytes(tiny_model.read_bytes())
    (here / "tinyc.toml").write_text('model = "m.tflite"\nboard = "nope"\noutput_dir = "there"\n')
    assert config.load({}).board == "nope"
    monkeypatch.setenv("TINYC_BOARD", "stm32")
    code, out, err = run("build", "--json")
    assert code == 0, err
    assert (here / "there" / json.loads(out)["board"] / "m" / "m.elf").is_file()
    code, _, err = run("build", "--board", "nope")
    assert code == 2 and "nope" in err


def test_the_folder_of_data_sets_is_no_data_of_a_test(
    run, here: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["test", tiny_model, "--board", "stm32", "--json"]
    monkeypatch.setenv("TINYC_DATA", str(here))
    code, out, err = run(*command)
    assert code == 0 and json.loads(out)["samples"] == 10, err
    np.savez(here / "three.npz", x=np.zeros((3, 4, 4, 2), np.int8))
    monkeypatch.setenv("TINYC_TEST_DATA", str(here / "three.npz"))
    code, out, err = run(*command)
    assert code == 0 and json.loads(out)["samples"] == 3, err


def test_a_budget_of_the_file_fails_the_build(run, here: Path, tiny_model: Path) -> None:
    (here / "tinyc.toml").write_text('board = "stm32"\n[expect]\nmax_flash = 10\n')
    refused(run("build", tiny_model), "E602", "over the budget of 10")


def test_boards_and_ops(run) -> None:
    code, out, _ = run("boards", "--json")
    names = {board["name"] for board in json.loads(out)["boards"]}
    assert code == 0 and len(names) >= 7
    code, out, _ = run("boards", "show", "stm32", "--json")
    assert code == 0 and json.loads(out)["name"] in names
    code, out, _ = run("boards", "list")
    assert code == 0 and all(name in out for name in names)
    code, out, _ = run("ops", "--json")
    assert code == 0 and any(op["operator"] == "Conv2d" for op in json.loads(out)["operators"])
    assert run("doctor")[0] == 0


# Bad input ---------------------------------------------------------------------------------


def test_usage_errors(run, tiny_model: Path) -> None:
    refused(run("bild"), "E200", "build")
    refused(run("build", "--bord"), "E200", "--board")
    refused(run("build"), "E201", "no model")
    refused(run("build", tiny_model), "E201", "no board")
    refused(
        run("build", tiny_model, "--board", "stm32", "--toolchain", "icc"), "E209", "--toolchain"
    )
    code, _, err = run("build", "absent.tflite", "--board", "stm32")
    assert code == 2 and "absent.tflite" in err
    code, _, err = run("build", tiny_model, "--board", "stm32f4_discover")
    assert code == 2 and "stm32f4_discovery" in err


@pytest.mark.parametrize(
    ("text", "id", "word"),
    [
        ('bord = "stm32"', "E208", "did you mean 'board'"),
        ("[expect]\nmin_acuracy = 1", "E208", "did you mean 'min_accuracy'"),
        ("samples = '3'", "E209", "samples"),
        ("expect = 3", "E209", "expect"),
        ("[expect]\nmin_accuracy = 2", "E209", "min_accuracy"),
        ("board = ", "E209", "TOML"),
    ],
)
def test_bad_settings(here: Path, text: str, id: str, word: str) -> None:
    (here / "tinyc.toml").write_text(text)
    with pytest.raises(CompileError) as caught:
        config.load({"model": "m", "max_flash": None})
    assert caught.value.id == id and word in str(caught.value)


def test_settings_in_pyproject(here: Path) -> None:
    (here / "pyproject.toml").write_text(
        '[tool.tinyc]\nboard = "b"\n[tool.tinyc.expect]\nmax_ram = 9'
    )
    loaded = config.load({"min_accuracy": 0.5, "seed": 4})
    assert (loaded.board, loaded.seed) == ("b", 4)
    assert (loaded.expect.max_ram, loaded.expect.min_accuracy) == (9, 0.5)


GOOD = np.zeros((3, 4, 4, 2), np.int8)


@pytest.mark.parametrize(
    ("arrays", "id", "words"),
    [
        ({"y": np.zeros(3, int)}, "E211", "'x'"),
        ({"x": np.zeros((3, 4, 4, 3), np.int8)}, "E212", "[3, 4, 4, 3]"),
        ({"x": np.int8(3)}, "E212", "[]"),
        ({"x": GOOD[:0]}, "E212", "samples"),
        ({"x": GOOD.astype(np.uint8)}, "E213", "uint8"),
        ({"x": GOOD.astype(np.int16)}, "E213", "int16"),
        ({"x": np.full((3, 4, 4, 2), np.nan)}, "E214", "NaN"),
        ({"x": GOOD.astype("U1")}, "E213", "<U1"),
        ({"x": GOOD, "y": np.zeros(4, int)}, "E212", "[3]"),
        ({"x": GOOD, "y": np.zeros(3)}, "E213", "float64"),
        ({"x": np.array([None] * 3)}, "E210", "pickle"),
    ],
)
def test_bad_data(run, here: Path, tiny_model: Path, arrays: dict, id: str, words: str) -> None:
    np.savez(here / "bad.npz", **arrays)
    refused(run("test", tiny_model, "--board", "stm32", "--data", "bad.npz"), id, words)


def test_data_files_that_are_no_npz(run, here: Path, tiny_model: Path) -> None:
    command = ("test", tiny_model, "--board", "stm32", "--data")
    refused(run(*command, "absent.npz"), "E202", "absent.npz")
    refused(run(*command, "."), "E210")
    np.savez(here / "good.npz", x=GOOD)
    whole = (here / "good.npz").read_bytes()
    # The first bit of the flags is for an encrypted file (.ZIP File Format Specification, 4.4.4).
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.index(b"PK\1\2") + 8] |= 1
    broken = (b"", b"PK", b"nonsense", whole[:100], whole[:-30], b"PK\3\4" + whole[50:])
    for content in (*broken, bytes(encrypted)):
        (here / "bad.npz").write_bytes(content)
        refused(run(*command, "bad.npz"), "E210", "bad.npz")
    np.save(here / "one.npy", GOOD)
    refused(run(*command, "one.npy"), "E210", "single")


def test_floats_are_quantized_with_the_models_scale(here: Path, tiny_model: Path) -> None:
    from tinyc.frontends.tflite import read
    from tinyc.run.data import load_npz

    graph = read(tiny_model)  # scale 0.05, zero point -3
    x = np.zeros((1, 4, 4, 2))
    x[0, 0, 0] = 0.1, -0.1
    x[0, 0, 1] = 100, -100
    np.savez(here / "f.npz", x=x)
    (array,) = load_npz(here / "f.npz", graph).inputs
    assert array.dtype == np.int8 and array.shape == (1, 1, 4, 4, 2)
    assert array[0, 0, 0, 0].tolist() == [-1, -5] and array[0, 0, 0, 1].tolist() == [127, -128]


def test_json_carries_errors(run, here: Path, tiny_model: Path) -> None:
    code, out, err = run("build", "nope.tflite", "--board", "stm32", "--json")
    told = json.loads(out)
    assert code == 2 and err.splitlines()[-1].startswith("E202 nope.tflite: no such file; ")
    assert told["error"] == {
        "id": "E202", "place": "nope.tflite", "what": "no such file",
        "hint": "give the path of a .tflite file", "exit_code": 2,
    }  # fmt: skip
    assert told["errors"] == [told["error"]]
    (here / "tinyc.toml").write_text("nope = 1\nboard = 2\n")
    told = json.loads(run("build", tiny_model, "--json")[1])
    assert sorted(e["id"] for e in told["errors"]) == ["E208", "E209"]
    assert json.loads(run("boards", "show", "nope", "--json")[1])["error"]["id"] == "E204"
    assert json.loads(run("ops", "--nope", "--json")[1])["error"]["id"] == "E200"
    # Without --json the line on stderr is all.
    assert run("boards", "show", "nope")[1] == ""


def test_every_verb_prints_json(run) -> None:
    def verbs(name: str, command: Any) -> Iterator[tuple[str, set[str]]]:
        yield name, {flag for p in command.params for flag in p.opts}
        for verb, each in getattr(command, "commands", {}).items():
            yield from verbs(f"{name} {verb}", each)

    found = dict(verbs("tinyc", typer.main.get_command(cli.app)))
    without = {name for name, flags in found.items() if "--json" not in flags}
    assert without == {"tinyc"} and len(found) > 20
    code, out, err = run("init", "new", "--json", "-q")
    assert (code, err) == (0, "") and "tinyc.toml" in json.loads(out)["files"]


@pytest.mark.slow
def test_quiet_verbs_print_a_verdict_in_a_line(
    run, here: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = (tiny_model, "--board", "microbit", "-q")
    code, out, err = run("build", *on)
    sizes = r"[\d,]+ bytes of flash, [\d,]+ bytes of RAM"
    assert (code, err) == (0, "") and re.fullmatch(f"pass  tiny on microbit: {sizes}\n", out)
    code, out, err = run("test", *on, "--samples", 2, "--max-flash", 9, "--max-ram", 4096)
    assert code == 6 and re.fullmatch(r"FAIL  tiny on microbit: flash [\d,]+ of at most 9\n", out)
    assert err.startswith("E602 ") and len(err.splitlines()) == 1
    code, out, err = run("profile", *on, "--max-cycles", 10**6)
    told = r"pass  tiny on microbit: cycles [\d,]+ of at most 1,000,000\n"
    assert (code, err) == (0, "") and re.fullmatch(told, out)
    code, out, err = run("bench", *on, "--jobs", 1)
    assert (code, out, err) == (0, "pass  1 row: 1 measured and right\n", "")
    code, out, err = run("diff", "build", "build", "-q")
    flash, ram = "flash the same", "RAM the same"
    assert (code, out, err) == (0, f"pass  tiny on microbit: {flash}, {ram}, cycles the same\n", "")
    # JSON of those that go on, or compare.
    code, out, err = run("compare", *on[:-1], tiny_model, "--samples", 2, "--json")
    (verdicts, _) = (model["verdicts"] for model in json.loads(out)["models"])
    assert [(v["name"], v["passed"]) for v in verdicts] == [("bit_exact", True)]

    @contextlib.contextmanager
    def offered(*_: object) -> Iterator[tuple[str, Any]]:
        yield "/dev/pts/7", subprocess.Popen(["true"])

    monkeypatch.setattr("tinyc.run.serve.serve", offered)
    monkeypatch.setattr("tinyc.run.serve.choose", lambda *_: "qemu")
    code, out, err = run("serve", *on, "--json")
    told = {"terminal": "/dev/pts/7", "model": "tiny", "board": "microbit", "emulator": "qemu"}
    assert (code, json.loads(out)) == (0, {"schema_version": 1} | told)


def test_version(run) -> None:
    from tinyc import __version__

    assert run("--version") == (0, f"tinyc {__version__}\n", "")
    code, out, _ = run("-v", "--version")
    lines = out.splitlines()
    assert code == 0 and lines[0] == f"tinyc {__version__}" and lines[1].startswith("Python 3.")
    assert any(x.startswith("unicorn 2.") for x in lines) and run("--version", "-v")[1] == out
    refused(run("-v"), "E200", "Missing command")
    refused(run("biuld"), "E200", "Did you mean 'build'?")


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_tables_cut_no_name(columns: int, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "rich_console", lambda: Console(width=columns, no_color=True))
    names = ["batch_normalization_11", "a_layer_of_a_long_name_1"]
    kernels = ["depthwise_conv2d_s8_tile4", "conv2d_s8_dsp"]
    heading = ["index", "name", "op", "kernel", "macs", "constant_bytes", "not taken"]
    rows = [
        [f"{i}", name, "DepthwiseConv2d", kernel, "12,345,678", "123,456", "x_s8_dsp: no dsp here"]
        for i, (name, kernel) in enumerate(zip(names, kernels, strict=True))
    ]
    printing.print_table(heading, rows)
    out, err = capsys.readouterr()
    assert "\u2026" not in out and max(map(len, out.splitlines())) <= columns
    if columns == 60:  # too narrow even for names: folded, whole nevertheless
        out = out.replace(" ", "").replace("\n", "")
        assert all(name in out for name in ("batch_normalization_11", "12,345,678"))
    else:
        assert all(f" {word} " in out for word in (*names, *kernels, "12,345,678"))
    assert ("too narrow for not taken" in err) == (columns < 160)


def test_words_too_wide_are_broken_between_their_parts() -> None:
    folded = printing._folded
    assert folded("depthwise_conv2d_s8_planar", 16) == "depthwise_\nconv2d_s8_planar"
    assert folded("depthwise_conv2d_s8_planar, was conv", 14) == (
        "depthwise_\nconv2d_s8_\nplanar, was conv"
    )
    assert folded("SignalFilterBankLog STFT", 13) == "SignalFilter\nBankLog STFT"
    assert folded("prune:0.7,int4", 10) == "prune:0.7,\nint4"
    assert folded("12,345,678 +1.5%", 10) == "12,345,678 +1.5%"


def test_lists_cut_no_name_at_80_columns(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "rich_console", lambda: Console(width=80, no_color=True))
    out = run("boards")[1]
    boards = json.loads(run("boards", "--json")[1])["boards"]
    words = {word for b in boards for word in (b["name"], *b["aliases"], b["core"])}
    assert max(map(len, out.splitlines())) <= 80
    assert words <= set(out.replace(",", "").split())
    out = run("ops")[1].split("kernel ")[1]
    kernels = {k for o in json.loads(run("ops", "--json")[1])["operators"]
               if len(set(o["kernels"].values())) > 1 for k in o["kernels"].values()}  # fmt: skip
    assert kernels <= set(out.split())


def test_progress_says_how_much_how_fast_and_how_long() -> None:
    clock = [0.0]
    bar = Progress(disable=True, get_time=lambda: clock[-1])
    for total in (1000, 4, None):
        bar.add_task("", total=total)
    known, slow, open_ended = bar.tasks
    assert printing.pace(known) == "0/1,000, 0:00"
    for _ in range(3):
        clock.append(clock[-1] + 10)
        bar.advance(known.id, 100)
        bar.advance(slow.id)
    assert printing.pace(known) == "300/1,000, 10.0/s, 1:10 left"
    assert printing.pace(slow) == "3/4, 10.0 s each, 0:10 left"
    clock.append(3723.4)
    assert printing.pace(open_ended) == "1:02:03"
    bar.update(known.id, left=7200.0)
    assert printing.pace(known).endswith(", 2:00:00 left")


# The machine fails -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out"), 8, "E801 out: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 8, "E805 out: permission"),
        (OSError(errno.EROFS, "Read-only file system", "out"), 8, "E805 out: the file system"),
        (OSError(errno.EIO, "Input/output error", "out"), 8, "E806 out: Input/output"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("oh"), 1, "E100 internal error: RuntimeError: oh"),
    ],
)
def test_each_failure_is_one_line(
    run,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    word: str,
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(Job, "built", fails)
    got, out, err = run("build", tiny_model, "--board", "stm32", "-q")
    assert got == code and out == ""
    assert err.startswith(word) and err.count("\n") == 1


def test_output_where_nothing_can_be_written(run, here: Path, tiny_model: Path) -> None:
    (here / "file").write_text("in the way")
    result = run("build", tiny_model, "--board", "stm32", "--output-dir", "file/below")
    assert result[0] == 8 and result[2].splitlines()[-1].startswith("E80")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_stdout() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tinyc.cli", "boards"], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 8 and "E801" in done.stderr and "Traceback" not in done.stderr


def test_no_colour_without_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tinyc.cli", "boards"], capture_output=True, check=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    assert b"\x1b" not in done.stdout + done.stderr


# Names -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["stdint", "string", "main", "startup", "int", "tinyc_port", '7 µ*/ "x"', "x" * 200]
)
def test_the_files_name_cannot_break_the_build(
    run, here: Path, tiny_model: Path, name: str
) -> None:
    path = here / f"{name.replace('/', '-')}.tflite"
    path.write_bytes(tiny_model.read_bytes())
    code, out, err = run("build", path, "--board", "stm32", "--json")
    assert code == 0, err
    assert json.loads(out)["fits"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ['a"b', "a\nb", "*/ int x; /*", "int", "??/", "\\", "\0", "", "n" * 10_000, "%s{{ x }}"]
)
def test_tensor_names_cannot_reach_the_code(run, here: Path, name: str) -> None:
    from conftest import write_tiny

    code, out, err = run("build", write_tiny(here / "m.tflite", name), "--board", "stm32", "--json")
    assert code == 0, err
    assert json.loads(out)["fits"]


def test_the_demo_names_every_core() -> None:
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "digits" / "demo.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    sources = [f"cycles (modelled, {core})" for core in ("Cortex-M4", "Cortex-M3", "Cortex-M4")]
    said = demo.cycles_sources([{"cycles_source": source} for source in sources])
    assert said == "cycles (modelled, Cortex-M4); cycles (modelled, Cortex-M3)"
