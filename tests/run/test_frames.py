"""Streams from the model's file to the emulated board: frames, windows, recordings, labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_models import write_temporal

from tinyc.cli.app import execute
from tinyc.deploy.export import export
from tinyc.errors import CompileError
from tinyc.firmware import Firmware
from tinyc.firmware import compile as compiled
from tinyc.frontends.tflite import read
from tinyc.ir import interpret
from tinyc.passes.stream import stream
from tinyc.run.data import given_samples, random_samples

STEPS, HOP = 11, 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_temporal(tmp_path_factory.mktemp("stream") / "tcn.tflite")


@pytest.fixture(scope="module")
def firmware(model: Path) -> Firmware:
    return compiled(model, "mps2_an386", stream=1)


def classes(model: Path, windows: np.ndarray) -> np.ndarray:
    """What the network of the window makes of each, int8 [n, 3]."""
    graph = read(model)
    (y,) = graph.outputs
    return np.stack([interpret(graph, [w[None]])[y][0] for w in windows])


def test_frames_are_one_sequence(firmware: Firmware, model: Path) -> None:
    (x,) = firmware.random(8)
    assert x.shape == (8, HOP, 1, 3)
    recording = np.concatenate([np.full((STEPS, 1, 3), -3, np.int8), x.reshape(-1, 1, 3)])
    windows = np.stack([recording[HOP * i : HOP * i + STEPS] for i in range(1, 9)])
    want = classes(model, windows)
    np.testing.assert_array_equal(firmware.run(x), want)
    np.testing.assert_array_equal(firmware.reference(x), want)


def test_a_recording_is_pushed_after_a_reset(firmware: Firmware, model: Path) -> None:
    rng = np.random.default_rng(1)
    windows = rng.integers(-128, 128, (3, STEPS, 1, 3)).astype(np.int8)
    found = firmware.run(windows)
    assert found.shape == (3 * 6, 3)
    np.testing.assert_array_equal(found[5::6], classes(model, windows))
    long = rng.integers(-128, 128, (1, 2 * STEPS, 1, 3)).astype(np.int8)
    ends = np.stack([long[0, i : i + STEPS] for i in range(1, STEPS + 1, HOP)])
    np.testing.assert_array_equal(firmware.run(long)[5:], classes(model, ends))
    np.testing.assert_array_equal(firmware.run(long), firmware.reference(long))


def test_labels_are_of_whole_windows(firmware: Firmware, model: Path) -> None:
    windows = np.random.default_rng(2).integers(-128, 128, (8, STEPS, 1, 3)).astype(np.int8)
    labels = classes(model, windows).argmax(1)
    labels[:2] = (labels[:2] + 1) % 3
    result = firmware.test({"x": windows, "y": labels})
    assert (result["samples"], result["mismatches"]) == (48, 0)
    assert result["accuracy"] == result["reference_accuracy"] == 0.75


def test_the_profile_is_of_a_frame(firmware: Firmware) -> None:
    macs = {layer.name: layer.macs for layer in firmware.profile().layers if layer.macs}
    assert list(macs.values()) == [36, 32, 48]  # of 180, 128 and 48


@pytest.mark.slow
def test_the_command_line_streams(model: Path, tmp_path: Path, capsys) -> None:
    data = tmp_path / "recordings.npz"
    rng = np.random.default_rng(4)
    np.savez(data, x=rng.normal(0, 3, (2, STEPS + 3, 1, 3)).astype(np.float32), y=[0, 2])
    call = ["test", str(model), "-b", "mps2_an386", "--data", str(data), "-o", str(tmp_path / "o")]
    assert execute([*call, "--stream", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["samples"] == 14
    assert "as a stream: a run takes 2 steps of a window of 11 along axis 1" in err
    report = json.loads((tmp_path / "o/mps2_an386/tcn/report/report.json").read_text())
    dense = "tcn.tflite: op 3 'y' (FULLY_CONNECTED)"
    assert report["build"]["frames"] == {"axis": 1, "steps": 2, "window": 11, "whole": dense}
    header = (tmp_path / "o/mps2_an386/tcn/include/tcn.h").read_text()
    assert "void tcn_push_frame(void *arena, const int8_t *frame);" in header
    assert "#define TCN_FRAME_STEPS  (2)" in header


def test_an_export_says_how_to_push(firmware: Firmware, tmp_path: Path) -> None:
    export(firmware.compiled.c_library, firmware.board, "library", tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text()
    assert "tcn_push_frame(arena, frame); /* then each: 2 of 11 steps */" in text


def test_random_samples_fill_the_window(model: Path) -> None:
    found = stream(read(model), 1)
    assert len(random_samples(found.graph, 1, 0, found)) == 1
    assert len(random_samples(found.graph, 3, 0, found)) == 8


def test_samples_in_the_order_of_the_model(model: Path) -> None:
    """Of an input whose axes the firmware has in another order than the model."""
    graph = replace(read(model), input_orders=((0, 3, 2, 1),))  # [1, 3, 1, 11] is the model's
    found = stream(graph, 3)
    x = np.random.default_rng(0).integers(-128, 128, (2, 3, 1, 14)).astype(np.int8)
    samples = given_samples({"x": x}, found.graph, "test", stream=found)
    assert samples.starts is not None and samples.starts.tolist() == [True, *[False] * 6] * 2
    np.testing.assert_array_equal(samples.inputs[0].reshape(2, 14, 1, 3), x.transpose(0, 3, 2, 1))


def test_other_shapes_are_refused(firmware: Firmware) -> None:
    with pytest.raises(CompileError, match="E212"):
        firmware.run(np.zeros((2, STEPS, 1, 4), np.int8))
    with pytest.raises(CompileError, match="E212"):
        firmware.run(np.zeros((2, STEPS), np.int8))
