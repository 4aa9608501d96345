"""What `tinyc test` says of a network: equal, near, as good as the one it was made from, odd."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mailbox_machine import Machine
from tflite_writer import TensorSpec, write_model

from tinyc import pipeline
from tinyc.cli import app as cli
from tinyc.image.mailbox import INBOX, OUTBOX
from tinyc.ir import DType, Graph
from tinyc.passes import optimize
from tinyc.target.boards import load_board

Run = Callable[..., tuple[int, dict, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Run:
    """`tinyc test MODEL` in an empty folder: (exit code, its object, stderr)."""
    monkeypatch.chdir(tmp_path)

    def execute(model: Path, *args: object) -> tuple[int, dict, str]:
        code = cli.execute(["test", str(model), "--board", "stm32", "--json", *map(str, args)])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {}, err

    return execute


def dense(path: Path, weights: np.ndarray, *more: str) -> Path:
    """float32 [1, k] -> FULLY_CONNECTED -> ``more`` operators of one input -> [1, n]."""
    n, k = weights.shape
    tensors = [
        TensorSpec("x", (1, k), "float32"),
        TensorSpec("w", (n, k), "float32", data=weights),
        *(TensorSpec(f"y{i}", (1, n), "float32") for i in range(len(more) + 1)),
    ]
    ops = [("FULLY_CONNECTED", {}, [0, 1, -1], [2])]
    for i, name in enumerate(more):
        options = {"beta": 1.0} if name == "SOFTMAX" else {}
        ops.append((name, options, [2 + i], [3 + i]))
    return write_model(path, ops, tensors, inputs=[0], outputs=[len(tensors) - 1])


def verdict(report: dict, name: str) -> dict:
    (found,) = (check for check in report["verdicts"] if check["name"] == name)
    return found


# The board and the reference -------------------------------------------------------------------


@pytest.mark.parametrize("last", ["LOGISTIC", "TANH", "SOFTMAX"])
def test_float_outputs_have_a_tolerance(run: Run, tmp_path: Path, last: str) -> None:
    rng = np.random.default_rng(0)
    model = dense(tmp_path / "m.tflite", rng.normal(0, 1, (6, 5)), last, "TANH")
    code, report, err = run(model, "--samples", 30)
    assert code == 0, err
    assert report["mismatches"] == 0 and report["outputs"][0]["largest_deviation"] < 1e-6
    assert "0.0001" in report["outputs"][0]["compared"]
    found = verdict(report, "within_tolerance")
    assert found["passed"] and found["error"] is None and "largest deviation" in found["detail"]
    junit = ET.parse(tmp_path / "build" / report["board"] / "m" / "report" / "junit.xml").getroot()
    assert [case.get("name") for case in junit] == ["within_tolerance"]


def shifted(by: float) -> Callable[[Graph], Graph]:
    """Passes that end in a mistake: the last layer's constants are off."""

    def passes(graph: Graph) -> Graph:
        graph = optimize(graph)
        nodes = list(graph.nodes)
        for i, node in enumerate(nodes):
            for k, value in enumerate(node.inputs[1:2], 1):
                if value.data is not None and value.type.dtype in (DType.F32, DType.I8):
                    moved = replace(value, data=(value.data + by).astype(value.data.dtype))
                    inputs = (*node.inputs[:k], moved, *node.inputs[k + 1 :])
                    nodes[i] = replace(node, inputs=inputs)
        return replace(graph, nodes=tuple(nodes))

    return passes


def test_a_wrong_rewrite_fails(
    run: Run, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference is that of the file, and not of what the passes made of it."""
    monkeypatch.setattr(pipeline, "optimize", shifted(1))
    code, report, err = run(tiny_model)
    assert code == 5 and "E501" in err and verdict(report, "bit_exact")["error"]["id"] == "E501"
    assert verdict(report, "bit_exact")["passed"] is False
    model = dense(tmp_path / "m.tflite", np.eye(4))
    monkeypatch.setattr(pipeline, "optimize", shifted(1e-3))
    code, report, err = run(model)
    assert code == 5 and verdict(report, "within_tolerance")["error"]["id"] == "E501"
    assert 1e-4 < report["outputs"][0]["largest_deviation"] < 1e-2
    monkeypatch.setattr(pipeline, "optimize", shifted(1e-6))
    assert run(model)[0] == 0


def test_renode_compares_with_what_the_board_gave(run: Run, tmp_path: Path, capsys) -> None:
    """Outputs of float32 to the bit: those of an emulated board, and none before there are any."""
    rng = np.random.default_rng(0)
    model = dense(tmp_path / "m.tflite", rng.normal(0, 1, (6, 5)), "SOFTMAX")
    assert cli.execute(["build", str(model), "--board", "stm32"]) == 0
    assert "compares no outputs" in capsys.readouterr().err
    (inbox,) = tmp_path.glob("build/*/m/renode/inputs.bin")
    assert np.frombuffer(inbox.read_bytes(), "<u4", 2).tolist() == [5, 0]
    run(model, "--samples", 4)
    content = inbox.read_bytes()
    assert np.frombuffer(content, "<u4", 2).tolist() == [4, 4]
    expected = np.frombuffer(content, "<f4")[2 + 4 + 4 * 5 :]
    assert expected.size == 4 * 6 and expected.reshape(4, 6).sum(1) == pytest.approx(1)


@pytest.mark.parametrize("quantized", [False, True])
def test_the_firmware_for_renode_decides_as_the_report_does(
    run: Run, tmp_path: Path, quantized: bool
) -> None:
    """One number is class 1 from its threshold on there too: counted in an emulated core."""
    rng = np.random.default_rng(0)
    weights, x = rng.normal(0, 1, (1, 4)), rng.normal(0, 1, (40, 4)).astype(np.float32)
    np.savez("d.npz", x=x, y=rng.integers(0, 2, 40))
    model = dense(tmp_path / "m.tflite", weights, "LOGISTIC")
    options = ("--calibrate", "d.npz", "--min-agreement", 0) if quantized else ()
    code, report, err = run(model, "--data", "d.npz", *options)
    assert code == 0, err
    folder = tmp_path / "build" / report["board"] / "m" / "renode"
    machine = Machine(load_board("stm32"), {"inbox": (INBOX, 0x1000), "outbox": (OUTBOX, 0x1000)})
    machine.load(folder / "test.elf")
    machine.write(INBOX, (folder / "inputs.bin").read_bytes())
    machine.run()
    correct = round(40 * report["accuracy"])
    assert 0 < correct < 40
    line = machine.console.splitlines()[0]
    assert line == f"verdict: 40 samples, 0 mismatches, {correct} correct"


# The network and what it was made from ----------------------------------------------------------


@pytest.fixture
def close(tmp_path: Path) -> Path:
    """A classifier whose classes differ in what int8 cannot tell."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1, (1, 8)) + rng.normal(0, 1e-3, (5, 8))
    x = rng.normal(0, 1, (100, 8)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    np.savez(tmp_path / "labelled.npz", x=x, y=(x @ weights.T).argmax(1))
    return dense(tmp_path / "close.tflite", weights)


@pytest.mark.slow
def test_calibration_that_costs_too_much_fails(run: Run, close: Path) -> None:
    options = ("--calibrate", "d.npz", "--data", "d.npz")
    code, report, err = run(close, *options)
    assert code == 5
    (line,) = (line for line in err.splitlines() if line.startswith("E504"))
    value = report["agreement"]
    assert value < 0.9 and f"{value:.4f}" in line and "0.9800" in line
    assert f"after calibration it is {value:.4f}" in line and "--min-agreement" in line
    found = verdict(report, "agreement")
    assert found["error"]["id"] == "E504" and not found["passed"]
    assert verdict(report, "bit_exact")["passed"] and report["changed_by"] == ["calibration"]
    code, report, _ = run(close, *options, "--min-agreement", value)
    assert code == 0 and verdict(report, "agreement")["passed"]
    Path("tinyc.toml").write_text("[expect]\nmin_agreement = 0.1\n")
    assert run(close, *options)[0] == 0
    code, report, _ = run(close, "--calibrate", "d.npz", "--data", "labelled.npz")
    assert report["accuracy"] == report["agreement"] < 0.9


def test_random_inputs_are_no_verdict(run: Run, close: Path) -> None:
    code, report, err = run(close, "--calibrate", "d.npz", "--samples", 50)
    assert code == 0 and [check["name"] for check in report["verdicts"]] == ["bit_exact"]
    (line,) = (line for line in err.splitlines() if line.startswith("warning: agreement"))
    assert "below 0.9800" in line and "after calibration" in line
    assert line.removeprefix("warning: ") in report["warnings"]


@pytest.mark.slow
def test_inputs_outside_of_the_calibration(run: Run, tmp_path: Path) -> None:
    """The original computes with the numbers as they were given, and not as they saturate."""
    rng = np.random.default_rng(0)
    model = dense(tmp_path / "m.tflite", rng.normal(0, 1, (5, 8)))
    x = rng.uniform(-1, 1, (60, 8)).astype(np.float32)
    np.savez("d.npz", x=x)
    np.savez("small.npz", x=x / 50)
    code, report, err = run(model, "--calibrate", "small.npz", "--data", "d.npz")
    assert code == 5 and "E504" in err and report["agreement"] < 0.98
    assert any("saturate" in text for text in report["warnings"])
    code, report, err = run(model, "--calibrate", "d.npz", "--data", "d.npz")
    assert code == 0 and not report["warnings"]
    assert 0 < report["outputs"][0]["relative_l2_error"] < 0.05


def test_a_model_that_is_not_changed_agrees_with_itself(run: Run, tiny_model: Path) -> None:
    code, report, _ = run(tiny_model)
    assert code == 0 and report["changed_by"] == [] and "agreement" not in report
    (output,) = report["outputs"]
    assert output["agreement"] == 1 and output["largest_error"] == 0


def test_an_output_that_is_no_classifier_has_error_norms(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = dense(tmp_path / "m.tflite", rng.normal(0, 1, (1, 8)))
    np.savez("d.npz", x=rng.normal(0, 1, (20, 8)))
    code, report, _ = run(model, "--calibrate", "d.npz", "--data", "d.npz")
    (output,) = report["outputs"]
    assert code == 0 and "agreement" not in report and "agreement" not in output
    assert 0 < output["mean_absolute_error"] <= output["largest_error"] < 0.2
    assert report["largest_difference"] == output["largest_error"]


@pytest.mark.slow
def test_a_number_has_a_target(run: Run, tmp_path: Path) -> None:
    """Positive ones alone: the least int8 is the threshold of a decision."""
    rng = np.random.default_rng(0)
    weights, x = rng.uniform(0, 1, (1, 8)), rng.uniform(0, 1, (60, 8)).astype(np.float32)
    model = dense(tmp_path / "m.tflite", weights)
    np.savez("d.npz", x=x, y=(x @ weights.T)[:, 0] + 0.5)
    code, report, err = run(model, "--calibrate", "d.npz", "--data", "d.npz")
    assert code == 0, err
    (output,) = report["outputs"]
    assert report["accuracy"] is None and not report["warnings"]
    for before in ("", "reference_"):
        errors = output[f"{before}target_errors"]
        assert errors["mean_absolute_error"] == pytest.approx(0.5, abs=0.02)
    assert output["original_target_errors"]["root_mean_square_error"] == pytest.approx(
        0.5, abs=1e-5
    )
    assert report["worst"]["by"] == "error" and len(report["worst"]["samples"]) == 8


# One number ----------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [(), ("LOGISTIC",)])
@pytest.mark.parametrize("calibrated", [False, True])
def test_one_number_is_a_decision(run: Run, last: tuple[str, ...], calibrated: bool) -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.normal(0, 1, (1, 4)), rng.normal(0, 1, (80, 4)).astype(np.float32)
    score = (x @ weights.T)[:, 0]
    keep = np.abs(score) > 0.1
    np.savez("d.npz", x=x[keep], y=(score[keep] > 0).astype(int))
    options = ("--calibrate", "d.npz") if calibrated else ()
    model = dense(Path("m.tflite"), weights, *last)
    code, report, err = run(model, *options, "--data", "d.npz", "--min-accuracy", 1)
    assert code == 0, err
    assert report["accuracy"] == report["reference_accuracy"] == 1
    header = Path("build", report["board"], "m", "include", "m.h").read_text()
    assert header.count("#define M_OUTPUT_0_THRESHOLD") == 1


# What is odd ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_constant_answer_is_told(run: Run) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (30, 4)).astype(np.float32)
    np.savez("d.npz", x=x, y=np.arange(30) % 3)
    np.savez("one.npz", x=x, y=np.full(30, 2))
    model = dense(Path("zero.tflite"), np.zeros((3, 4)))
    _, report, err = run(model, "--samples", 20)
    assert "warning: the output 'y0' is the same for 20 different inputs" in err
    assert report["warnings"] == ["the output 'y0' is the same for 20 different inputs"]
    model = dense(Path("one.tflite"), np.array([[1.0], [2], [3]]).repeat(4, 1))
    _, report, err = run(model, "--data", "d.npz")
    assert report["warnings"] == ["the class of 'y0' is 2 for all 30 samples"]
    (text,) = run(model, "--data", "one.npz")[1]["warnings"]
    assert text.startswith("one.npz: all 30 labels are class 2: ")  # and no word of the answers
    assert run(model, "--samples", 5)[1]["warnings"] == []


def test_fewer_samples_than_asked_for(run: Run, tiny_model: Path) -> None:
    x = np.random.default_rng(0).integers(-128, 128, (5, 4, 4, 2), np.int8)
    np.savez("d.npz", x=x)
    code, report, err = run(tiny_model, "--data", "d.npz", "--samples", 9)
    assert code == 0 and report["samples"] == 5
    assert "warning: d.npz: has 5 samples, 9 were asked for" in err
    assert run(tiny_model, "--data", "d.npz", "--samples", 3)[1]["samples"] == 3


def test_calibration_data_are_looked_at_too(run: Run) -> None:
    model = dense(Path("m.tflite"), np.eye(4))
    np.savez("c.npz", x=np.ones((6, 4), np.float32), y=["no", "labels"])
    _, report, err = run(model, "--calibrate", "c.npz")
    assert "warning: c.npz: its 6 samples are all the same" in err
    assert "c.npz: its 6 samples are all the same" in report["warnings"]


def test_limits_in_one_line(run: Run, tiny_model: Path) -> None:
    code, report, err = run(tiny_model, "--samples", 10**11)
    assert code == 2 and report["error"]["id"] == "E200"
    (line,) = err.splitlines()
    assert line.startswith("E200 tinyc test: ") and "1000000" in line
