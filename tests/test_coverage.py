"""``tinyc ops --check``: a folder of models, of which some are no models, never end, or crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import write_tiny

from tinyc import coverage
from tinyc.cli.app import execute
from tinyc.frontends.base import Computed

BOARD = "stm32f4_discovery"


def check(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Any]:
    """(exit code, the object on stdout)."""
    code = execute(["ops", "--check", str(folder), "--json", "--samples", "1", *options])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b").mkdir()
    write_tiny(tmp_path / "b" / "tiny.tflite")
    shutil.copy(tmp_path / "b" / "tiny.tflite", tmp_path / "b" / "copy.tflite")
    code, found = check(tmp_path, capsys)
    (row,) = found["models"]
    assert code == 0 and found["checked"] == found["build"] == found["exact"] == 1
    assert found["reasons"] == row["reasons"] == []
    assert (row["model"], row["copies"]) == ("b/copy.tflite", ["b/tiny.tflite"])
    assert row["board"] == found["board"] == BOARD and row["flash_bytes"] > row["ram_bytes"] > 0
    assert row["compared"] == ["every bit"]
    (tmp_path / "a.tflite").write_bytes(b"no model")
    assert execute(["ops", "--check", str(tmp_path), "--samples", "1"]) == 5
    out, err = capsys.readouterr()
    assert "1 of 2 models build, 1 are exact" in err
    assert "E301" in out and "b/copy.tflite (and 1 like it)" in out


@pytest.mark.slow
def test_what_the_runtime_of_the_format_gives_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny(tmp_path / "tiny.tflite")
    pytest.importorskip("ai_edge_litert")
    code, found = check(tmp_path, capsys)
    assert code == 0 and found["by_runtime"] == 1
    assert found["models"][0]["runtime"].startswith("LiteRT ")
    honest = coverage.frontend_of("m.tflite")

    def wrong(model: str, inputs: Any) -> Computed:
        computed = honest.compute(model, inputs)
        return computed._replace(outputs=[array ^ 1 for array in computed.outputs])

    def lost(model: str) -> Any:
        return type("Fake", (), {"compute": staticmethod(wrong)})

    monkeypatch.setattr(coverage, "frontend_of", lost)
    code, found = check(tmp_path, capsys)
    assert code == 5 and (found["build"], found["exact"], found["by_runtime"]) == (1, 0, 0)
    assert found["reasons"][0]["id"] == "E506"


@pytest.mark.slow
def test_a_model_that_fits_no_board_runs_without_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinyc.target import boards

    write_tiny(tmp_path / "tiny.tflite")
    small, large = boards.load_board(BOARD), boards.load_board("mps2_an386")
    memory = tuple(m.model_copy(update={"size": 1024}) for m in small.memory)
    small = small.model_copy(update={"memory": memory})
    monkeypatch.setattr(coverage, "load_board", lambda name: small)
    for known, expected in (((small, large), large.name), ((small,), None)):
        monkeypatch.setattr(coverage.fit, "all_boards", lambda known=known: known)
        code, found = check(tmp_path, capsys)
        assert code == 0 and found["models"][0]["board"] == expected


REFUSED_ONCE = (
    "wake_word_okay_nabu hey_mycroft_gru_while micro_speech_lstm int16x8_mtb mnist_hybrid "
    "tf1_uint8 fb_int4 dilated_int8 elu_int8 layernorm_int8"
).split()


@pytest.mark.slow
@pytest.mark.parametrize("board", [BOARD, "nucleo_g0b1re"])
def test_public_models_are_exact(
    board: str, cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in REFUSED_ONCE:
        shutil.copy(cases / f"{name}.tflite", tmp_path)
    code, found = check(tmp_path, capsys, "--board", board)
    assert code == 0 and found["exact"] == len(REFUSED_ONCE)
    assert {row["board"] for row in found["models"]} == {board}
    assert find_spec("ai_edge_litert") is None or found["by_runtime"] == len(REFUSED_ONCE)


def test_what_hangs_or_crashes_is_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(model: Path, settings: Any) -> Iterator[dict[str, Any]]:
        yield {"step": "reading"}
        if model.stem == "fails":
            raise ZeroDivisionError("by zero")
        yield {"step": "running", "builds": True}
        if model.stem == "crashes":
            os.kill(os.getpid(), signal.SIGKILL)
        if model.stem == "hangs":
            time.sleep(60)
        yield {"exact": True}

    monkeypatch.setattr(coverage, "_steps", steps)
    for stem in ("crashes", "fails", "hangs", "runs"):
        (tmp_path / f"{stem}.tflite").write_text(stem)
    code, found = check(tmp_path, capsys, "--limit", "1", "--jobs", "4")
    rows = {row["model"].partition(".")[0]: row for row in found["models"]}
    assert code == 5 and list(rows) == ["crashes", "fails", "hangs", "runs"]
    assert (found["checked"], found["build"], found["exact"]) == (4, 3, 1)
    told = {stem: [(r["id"], r["what"]) for r in row["reasons"]] for stem, row in rows.items()}
    assert told == {
        "crashes": [("E812", "running ended the process with SIGKILL")],
        "fails": [("E100", "ZeroDivisionError: by zero")],
        "hangs": [("E812", "running did not end within 1 s")],
        "runs": [],
    }
    assert all(row["exact"] is None for stem, row in rows.items() if stem != "runs")


def test_a_folder_without_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        code, found = check(folder, capsys)
        assert code == 2 and found["error"]["id"] == "E202"
