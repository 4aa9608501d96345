"""A model that does not fit is told before it is printed, with what takes the room."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import TensorSpec, write_model

from tinyc import pipeline
from tinyc.cli import app as cli
from tinyc.image.build import build, too_large
from tinyc.image.fit import explained, refuse_too_large
from tinyc.pipeline import compile_model
from tinyc.target.boards import load_board


def convolutions(path: Path, channels: list[int], dtype: str, side: int = 16) -> Path:
    """1x1 convolutions from 4 channels to each of ``channels`` in turn, over side x side pixels."""
    tensors = [TensorSpec("x", (1, side, side, 4), dtype, 0.1)]
    operators = []
    for i, (before, after) in enumerate(zip([4, *channels], channels, strict=False)):
        at = len(tensors)
        shape = (after, 1, 1, before)
        tensors += [
            TensorSpec(f"w{i}", shape, dtype, 0.1, data=np.ones(shape)),
            TensorSpec(f"layer{i}", (1, side, side, after), dtype, 0.1),
        ]
        options = {"strideW": 1, "strideH": 1}
        operators.append(("CONV_2D", options, [at - 1 if i else 0, at], [at + 1]))
    return write_model(path, operators, tensors, [0], [len(tensors) - 1])


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Build for a board; the one line of the error. Nothing may be printed for it."""

    def fails(*_: object) -> None:
        raise AssertionError("printed")

    def refused(model: Path, board: str) -> str:
        folder = str(tmp_path / "build")
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "emit", fails)
            assert cli.execute(["build", str(model), "-b", board, "-o", folder, "-q"]) == 4
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and not (tmp_path / "build").exists()
        return err

    return refused


@pytest.mark.slow
def test_the_peak_layer_and_boards_with_room(refused, tmp_path: Path) -> None:
    model = convolutions(tmp_path / "wide.tflite", [8, 24, 80, 8], "int8", 48)
    told = refused(model, "microbit")
    # The input alone is larger than the RAM; by rows, the rest needs little more.
    at, alive = compile_model(model, load_board("microbit")).plan.peak
    assert 0 < alive - 48 * 48 * 8 < 8192
    assert f"{alive:,} of them at once, in layer {at} 'layer{at}' (Conv2d)" in told
    assert f"is {alive - 16384} bytes too small" in told and "--calibrate" not in told
    names = told.rstrip().rpartition("a board with room: ")[2].split(", ")
    sizes = [load_board(name).ram_bytes for name in names]
    assert len(names) == 5 and sizes == sorted(sizes) and sizes[0] >= alive
    for name in names:
        board = load_board(name)
        made = compile_model(model, board)
        assert build(made.c_library, board, None, tmp_path / name).fits


def test_calibration_is_offered_to_float(refused, tmp_path: Path) -> None:
    model = convolutions(tmp_path / "f.tflite", [8, 16, 4], "float32", 32)
    assert "pass --calibrate data.npz (int8" in refused(model, "microbit")


def test_the_heaviest_weights(refused, tmp_path: Path) -> None:
    model = convolutions(tmp_path / "heavy.tflite", [8, 1200, 1200, 4], "int8", 1)
    told = refused(model, "blue_pill")
    assert (
        "the flash has 65,536" in told
        and "most are in 'layer2' (Conv2d), 1,440,000 bytes as they were read" in told
    )
    assert "activations" not in told


def test_no_board_has_room(tmp_path: Path) -> None:
    board = load_board("mps3_an547")
    made = compile_model(convolutions(tmp_path / "m.tflite", [8], "int8"), board)
    huge = replace(made.plan, arena_bytes=1 << 40)
    with pytest.raises(type(too_large(board, "m", []))) as caught:
        refuse_too_large(huge, board)
    assert str(explained(caught.value, huge, board, lambda board, **_: huge)).endswith(
        "none of tinyc's boards has room for it"
    )


def test_json_tells_what_is_over_and_what_would_do(tmp_path: Path, capsys) -> None:
    model = str(convolutions(tmp_path / "rows.tflite", [4, 2], "int8", 64))
    at = ["-b", "microbit", "-o", str(tmp_path / "build"), "--json", "-q"]
    assert cli.execute(["build", model, *at]) == 4
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    (over,) = error["memories"]
    assert (over["name"], over["kind"], over["size_bytes"]) == ("RAM", "ram", 16384)
    assert f"is {over['over_bytes']} bytes too small" in err and err.count("\n") == 1
    (layer,) = error["layers"]
    assert layer["kind"] == "ram" and f"{layer['bytes']:,} of them at once" in err
    assert error["boards"] and err.rstrip().endswith(", ".join(error["boards"]))
    (way,) = error["ways"]
    assert way["fits"] and way["ram_saved_bytes"] >= over["over_bytes"]
    saved = f"pass --feed rows ({way['ram_saved_bytes']:,} bytes of RAM less: fits)"
    assert way["options"] == "--feed rows" and saved in err
    assert cli.execute(["build", model, *at, *way["options"].split()]) == 0
    assert json.loads(capsys.readouterr().out)["fits"]
