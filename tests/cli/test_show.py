"""`tinyc show`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import write_binary, write_tiny
from tflite_writer import TensorSpec, write_model

from tinyc import pipeline
from tinyc.cli.app import execute
from tinyc.frontends.tflite import read
from tinyc.passes import names, optimize, stages


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """(exit code, stdout, stderr) of `tinyc show`."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> tuple[int, str, str]:
        code = execute(["show", *map(str, args)])
        return code, *capsys.readouterr()

    return run


def write_float(path: Path) -> Path:
    """float32 [1, 6] through a dense layer and a softmax."""
    weights = np.random.default_rng(3).normal(0, 1, (4, 6))
    tensors = [
        TensorSpec("x", (1, 6), "float32"),
        TensorSpec("w", (4, 6), "float32", data=weights),
        TensorSpec("b", (4,), "float32", data=np.arange(4.0)),
        TensorSpec("y", (1, 4), "float32"),
        TensorSpec("p", (1, 4), "float32"),
    ]
    ops = [("FULLY_CONNECTED", {}, [0, 1, 2], [3]), ("SOFTMAX", {"beta": 1.0}, [3], [4])]
    return write_model(path, ops, tensors, inputs=[0], outputs=[4])


def test_graph_and_plan(show, tiny_model: Path) -> None:
    code, out, err = show(tiny_model, "--board", "stm32", "-q")
    assert code == 0, err
    graph, plan = out.rstrip("\n").split("\n\n")
    assert graph == str(optimize(read(tiny_model)))
    assert plan.startswith("plan tiny for Cortex-M4 (")
    assert show(tiny_model, "--board", "stm32", "--after", "plan")[1] == plan + "\n"
    # Without a board there is no plan to show.
    assert show(tiny_model)[1] == graph + "\n"


def test_each_stage(show, tmp_path: Path) -> None:
    model = write_binary(tmp_path / "binary.tflite")
    made = dict(stages(read(model)))
    assert len(made) == len(names())
    for name in ("remove_dead", "remove_dead:2", "drop_dead_channels"):
        assert show(model, "--after", name) == (0, f"{made[name]}\n", "")
    assert show(model, "--after", "read")[1] == f"{read(model)}\n"


def test_what_changes_the_network(show, tmp_path: Path) -> None:
    model = write_float(tmp_path / "m.tflite")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(4).normal(0, 1, (9, 6)).astype("f4"))
    code, out, err = show(model, "--after", "calibrate", "--calibrate", "d.npz")
    assert code == 0 and "fully_connected" in out and "1x4 i8 s=" in out, err
    code, _, err = show(model, "--after", "calibrate")
    assert code == 2 and err.startswith("E248 --after: 'calibrate' changes nothing here; ")


def test_usage(show, tiny_model: Path) -> None:
    code, _, err = show("nope.tflite", "--after", "nope")
    assert code == 2 and err.startswith("E248 --after: 'nope' is no stage; one of read, ")
    assert all(name in err for name in pipeline.STAGES)
    assert show(tiny_model, "--after", "plan")[2].startswith("E201 tinyc show: no board is named")
    assert show()[2].startswith("E201 tinyc show: no model is named")


def test_the_same_as_data(show, tmp_path: Path) -> None:
    code, out, err = show(write_tiny(tmp_path / "tiny.tflite"), "--board", "stm32", "--json")
    assert code == 0, err
    graph, plan = (stage[key] for key, stage in zip(
        ("graph", "plan"), json.loads(out)["stages"], strict=True
    ))  # fmt: skip
    assert [node["op"] for node in graph["nodes"]] == ["conv2d", "reshape", "fully_connected"]
    assert {v for node in graph["nodes"] for v in node["inputs"]} <= set(graph["values"])
    assert plan["peak_bytes"] <= plan["arena_bytes"]
    assert [layer["index"] for layer in plan["layers"]] == [0, 1]
