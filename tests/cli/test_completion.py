"""What the shell completes, asked as its script asks: by variables of the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT

from tinyc.cli import app as cli
from tinyc.cli import completion
from tinyc.target.boards import use_folders


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """The words that bash is given for a command line whose last word is being typed."""
    monkeypatch.chdir(tmp_path)

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_TINYC_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit) as end:
            cli.execute([])
        assert end.value.code == 0
        return capsys.readouterr().out.split()

    yield ask
    use_folders(())  # as if there had been no project


def test_words_of_options(complete) -> None:
    assert "stm32f4_discovery" in complete("tinyc build m.tflite --board stm32f4")
    assert complete("tinyc boards show microb") == ["microbit"]
    assert complete("tinyc test m.tflite --emulator u") == ["unicorn"]
    assert complete("tinyc build m.tflite --optimize ") == ["balanced", "speed", "ram", "flash"]
    assert complete("tinyc bench m.tflite --optimize ram,fl") == ["ram,flash"]
    assert "speed" not in complete("tinyc bench --optimize speed,")
    assert complete("tinyc bench --kernels ") == ["packed", "i8", "f32"]
    assert complete("tinyc export --to cm") == ["cmsis-pack"]
    assert "digits-int8" in complete("tinyc train dig")
    assert complete("tinyc build m.tflite --compress chan") == ["channels"]
    assert "prune:0.7,int4" in complete("tinyc compress m.h5 --with prune:0.7,int4")
    assert complete("tinyc search --goal lat") == ["latency"]
    assert complete("tinyc show m.tflite --after pla") == ["plan"]
    assert complete("tinyc flash --tool probe") == ["probe-rs"]
    assert complete("tinyc build m.tflite --board nothing_of_that_name") == []


def test_boards_models_and_emulators_are_completed_by_every_verb() -> None:
    def without(name: str, command: Any) -> Iterator[str]:
        for param in command.params:
            known = {"board", "model", "models", "emulator", "data", "calibrate", "compress"}
            if param.name in known and param._custom_shell_complete is None:
                yield f"{name} {param.name}"
        for verb, each in getattr(command, "commands", {}).items():
            yield from without(f"{name} {verb}", each)

    assert not list(without("tinyc", typer.main.get_command(cli.app)))


def test_files_of_the_right_kind(complete, tmp_path: Path) -> None:
    for path in ("nets/deep/a.tflite", "nets/deep/b.onnx", "nets/deep/notes.txt", "x.npz", "r.json",
                 ".hidden/c.tflite", "mine.tflite", "space.toml"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert complete("tinyc build ") == ["mine.tflite", "nets/"]
    # A single folder is gone through, so that the word does not end at it.
    assert complete("tinyc build ne") == ["nets/deep/a.tflite", "nets/deep/b.onnx"]
    assert complete("tinyc compare mine.tflite nets/deep/a") == ["nets/deep/a.tflite"]
    assert complete("tinyc build .h") == [".hidden/c.tflite"]
    assert complete("tinyc test mine.tflite --data ") == ["nets/", "x.npz"]
    assert complete("tinyc diff mine.tflite r") == ["r.json"]
    assert complete("tinyc search sp") == ["space.toml"]
    assert complete("tinyc build nowhere/") == []


def test_a_projects_own_are_known_and_its_plugins_not_run(complete, tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    text = (ROOT / "boards" / "microbit.toml").read_text()
    mine = text.replace('name = "microbit"', 'name = "mine_of_the_project"')
    (tmp_path / "boards" / "mine.toml").write_text(mine.replace("aliases = ", "aliases = [] # "))
    (tmp_path / "plugin.py").write_text("open('ran', 'w')")
    (tmp_path / "tinyc.toml").write_text('boards = ["boards"]\nplugins = ["plugin.py"]\n')
    assert complete("tinyc build m.tflite --board mine_") == ["mine_of_the_project"]
    assert not (tmp_path / "ran").exists()
    # Settings that are wrong complete nothing, and say nothing.
    (tmp_path / "tinyc.toml").write_text("boards = [")
    assert complete("tinyc build m.tflite --board mine_") == []
    assert completion.boards("mine_") == []


def test_the_script_of_the_shell_asks_so(tmp_path: Path) -> None:
    asked = {"_TINYC_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "tinyc export --to ard"}
    done = subprocess.run(
        [sys.executable, "-m", "tinyc.cli"], cwd=tmp_path, env={**os.environ, **asked},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "") and '"arduino"' in done.stdout
