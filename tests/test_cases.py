"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from tinyc import cli


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


@pytest.fixture
def tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The object of `tinyc test --json` for a model and options; it has to end well."""
    monkeypatch.chdir(tmp_path)

    def run(model: object, *options: object) -> dict[str, Any]:
        command = ["test", model, "--board", "stm32", "--json", *options]
        code = cli.execute([str(part) for part in command])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    return run


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    # Keras numbers layers without a name by what the process made before.
    [("two_sensors", ["gyro", "accel"], None), ("two_heads", ["x"], ["z_cls", "a_reg"])],
)
def test_keras_order(
    cases: Path, tested, name: str, inputs: list[str], outputs: list[str] | None, calibrated: bool
) -> None:
    data = cases / f"{name}.npz"
    options = ("--calibrate", data) if calibrated else ()
    report = tested(cases / f"{name}.py:net", "--data", data, *options)
    assert report["accuracy"] == report["agreement"] == 1
    assert [port["name"] for port in report["inputs"]] == inputs
    assert outputs is None or [port["name"] for port in report["outputs"]] == outputs


def test_one_sigmoid_is_thresholded(cases: Path, tested) -> None:
    model, data = cases / "sigmoid_known_int8.tflite", cases / "sigmoid_known.npz"
    assert tested(model, "--data", data, "--min-accuracy", 1)["accuracy"] == 1


@pytest.mark.parametrize("name", ["qat_partial", "gru_unroll_float"])
def test_float_results_within_the_tolerance(cases: Path, tested, name: str) -> None:
    report = tested(cases / f"{name}.tflite")
    assert [check["name"] for check in report["verdicts"]] == ["within_tolerance"]
    assert 0 < report["outputs"][0]["largest_deviation"] < 1e-6


def test_pixels_of_another_scale_are_told(cases: Path, tested) -> None:
    model = ROOT / "recipes" / "digits-int8.tflite"
    assert tested(model, "--data", cases / "dig_ok.npz")["warnings"] == []
    (text,) = tested(model, "--data", cases / "dig_px_float.npz")["warnings"]
    assert (
        "52% of the numbers saturate" in text and "0 to 255" in text and "-0.9961 to 1.004" in text
    )


# Tables and binary layers ----------------------------------------------------------------


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------
