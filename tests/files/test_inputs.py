"""What a user names that is no file, or none that ends: one line each, at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tinyc.cli import app as cli


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(kind: str, path: Path) -> None:
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))


KINDS = ["a named pipe", "a folder", "a socket", "a device"]
COMMANDS = [
    ("m.tflite", "build m.tflite -b stm32"),
    ("m.keras", "build m.keras -b stm32"),
    ("d.npz", "test {model} -b stm32 --data d.npz"),
    ("c.npz", "test {model} -b stm32 --calibrate c.npz"),
    ("tinyc.toml", "build {model} -b stm32"),
    ("pyproject.toml", "build {model} -b stm32"),
    ("b.toml", "build {model} -b ./b.toml"),
    ("r.toml", "train r.toml"),
    ("s.jsonl", "build {model} -b stm32 --backend tvm --database s.jsonl"),
    ("i.elf", "flash --image i.elf -b stm32 --dry-run"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[n for n, _ in COMMANDS])
def test_no_file_is_one_line(
    here: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str,
    command: str,
) -> None:  # fmt: skip
    make(kind, here / name)
    code = cli.execute([*command.format(model=tiny_model).split(), "-q"])
    out, err = capsys.readouterr()
    assert code in (2, 3) and out == "" and err.count("\n") == 1, err
    # A reader's own words do for a folder.
    assert f" {name}: is {kind} and no file" in err or kind == "a folder", err


TEXTS = [
    ("x = " + 50_000 * "[", "is nested too deep"),
    ("samples = 100000000000", "samples: 100000000000: Input should be less than or equal"),
    ("samples = 0", "samples: 0: Input should be greater"),
    (f"samples = {'9' * 5000}", "is not valid TOML"),
    (f"seed = {1 << 64}", "seed: "),
    ('model = "a\\u0000b"', "no file's name holds a NUL"),
    ('data = "a\\u0000b"', "no file's name holds a NUL"),
    ('output_dir = "a\\u0000b"', "no file's name holds a NUL"),
    ('board = "a\\u0000b.toml"', "no file's name holds a NUL"),
    ('model = "m.tflite"\nboard = "stm32"\noutput_dir = 3', "output_dir: 3: Input should be"),
    ("[" + ".".join("a" * 300) + "]", "unknown key 'a'"),
    ('"\\u0000" = 1', "unknown key '\\x00'"),
]


@pytest.mark.parametrize(("text", "words"), TEXTS, ids=[t[:20] for t, _ in TEXTS])
def test_settings_that_cannot_be(
    here: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (here / "tinyc.toml").write_text(text)
    more = [] if text.startswith("model") else [str(tiny_model)]
    board = [] if "board" in text else ["-b", "stm32"]
    code = cli.execute(["test", *more, *board, "-q"])
    out, err = capsys.readouterr()
    assert code == 2 and out == "" and err.count("\n") == 1 and words in err, err


def test_a_tool_that_is_no_table(here: Path, tiny_model: Path) -> None:
    (here / "pyproject.toml").write_text("tool = 3\n")
    assert cli.execute(["build", str(tiny_model), "-b", "stm32", "-q"]) == 0


@pytest.mark.parametrize("name", ["x" * 300, "\udcff" * 9, "-", "~", "a/b/c", ""])
def test_odd_names(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code = cli.execute(["build", name + ".tflite", "-b", "stm32", "-q"])
    err = capsys.readouterr().err
    assert code == 2 and err.count("\n") == 1 and "E100" not in err


def test_the_command_ends_at_a_pipe(here: Path) -> None:
    os.mkfifo(here / "m.tflite")
    done = subprocess.run(
        [sys.executable, "-m", "tinyc.cli", "build", "m.tflite", "-b", "stm32"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "E245 m.tflite: is a named pipe" in done.stderr
