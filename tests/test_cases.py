"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from tflite_writer import litert, run_litert

from tinyc.boards import load_board
from tinyc.build import build
from tinyc.data import random_samples
from tinyc.emit.c import emit
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import Graph, interpret
from tinyc.passes import optimize
from tinyc.plan import plan
from tinyc.run import MAINS, run


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


# Tables and binary layers ----------------------------------------------------------------


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("pruned_sparse_int8", 0), ("unet_keras", 0), ("fb_unused_string", 0), ("fb_int4", 0),
        ("gru_reset_before", 1e-5), ("conv1d_drq", 1e-5),
    ],
)  # fmt: skip
def test_files_that_a_user_expects_to_work(name: str, tolerance: float, cases: Path) -> None:
    path = cases / f"{name}.tflite"
    graph = read(path)
    samples = random_samples(graph, 5, 0)
    for version in (graph, optimize(graph)):
        for i in range(len(samples)):
            values = interpret(version, samples.at(i))
            found = [values[v] for v in version.outputs]
            for y, want in zip(found, run_litert(path, samples.at(i)), strict=True):
                np.testing.assert_allclose(y, want, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("micro_speech_lstm", [("E300", "(UNIDIRECTIONAL_SEQUENCE_LSTM)", "unroll=True")]),
        ("lstm_fused_float", [("E300", "(UNIDIRECTIONAL_SEQUENCE_LSTM)", "unroll=True")]),
        ("mnist_hybrid", [("E330", "dynamic-range", "--calibrate")]),
        ("tf1_uint8", [("E332", "uint8", "representative_dataset")]),
    ],
)  # fmt: skip
def test_what_is_refused_is_called_what_it_is(
    name: str, problems: list[tuple[str, str, str]], cases: Path
) -> None:
    """Each kind once, whatever the number of layers, and none of them as malformed."""
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(cases / f"{name}.tflite")
    lines = str(raised.value).splitlines()
    assert len(lines) == len(problems) and raised.value.exit_code == 3
    for line, (id, what, more) in zip(lines, problems, strict=True):
        assert line.startswith(id) and what in line and more in line and "malformed" not in line


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------


def emulated(graph: Graph, board_name: str, rows: np.ndarray, folder: Path) -> bytes:
    """The outputs of the firmware for inputs as its test harness takes them."""
    board = load_board(board_name)
    lowered = plan(optimize(graph), board.core.name, board.core.features)
    image = build(emit(lowered), graph.name, board, None, folder, MAINS["unicorn"])
    return run(image, rows).outputs.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("board", ["stm32f4_discovery", "stm32f072b_disco"])
def test_a_wake_word_remembers_as_litert_does(cases: Path, board: str, tmp_path: Path) -> None:
    """Its six variables over 20 steps, then after a reset."""
    path = cases / "wake_word_okay_nabu.tflite"
    graph = read(path)
    assert len(graph.states) == 6
    rng = np.random.default_rng(1)
    steps = [rng.integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8) for _ in range(24)]
    expected, rows = b"", []
    for i, x in enumerate(steps):
        if i in (0, 20):
            interpreter = litert(path)
        (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        expected += interpreter.get_tensor(result["index"]).tobytes()
        rows.append(np.frombuffer(bytes([i in (0, 20)]) + x.tobytes(), np.uint8))
    assert len(set(expected)) > 1
    assert emulated(graph, board, np.stack(rows), tmp_path / "out") == expected


@pytest.mark.slow
def test_a_loop_of_known_length_is_unrolled(cases: Path, tmp_path: Path) -> None:
    """29 steps of a GRU of Mycroft's Precise."""
    path = cases / "hey_mycroft_gru_while.tflite"
    graph = read(path)
    x = np.random.default_rng(2).standard_normal((3, *graph.inputs[0].type.shape), np.float32)
    expected = np.stack([run_litert(path, [row])[0] for row in x])
    rows = x.reshape(3, -1).view(np.uint8)
    found = np.frombuffer(emulated(graph, "stm32f4_discovery", rows, tmp_path / "out"), np.float32)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-7)


def test_a_dilated_convolution_is_one_layer(cases: Path, tmp_path: Path) -> None:
    path = cases / "dilated_int8.tflite"
    graph = read(path)
    kinds = [type(node.op).__name__ for node in optimize(graph).nodes]
    assert kinds == ["Conv2d", "Add", "Conv2d", "Add", "Mean", "FullyConnected"]
    x = np.random.default_rng(3).integers(-128, 128, (2, *graph.inputs[0].type.shape))
    expected = b"".join(run_litert(path, [row.astype(np.int8)])[0].tobytes() for row in x)
    rows = x.astype(np.int8).reshape(2, -1).view(np.uint8)
    assert emulated(graph, "stm32f4_discovery", rows, tmp_path / "out") == expected


@pytest.mark.parametrize("name", ["int16x8_mtb", "resnet_16x8"])
@pytest.mark.parametrize(
    "board", slow_but(["stm32f4_discovery"], ["stm32f4_discovery", "nucleo_g0b1re"])
)
def test_int16_activations_are_exact(name: str, board: str, cases: Path, tmp_path: Path) -> None:
    """Over the whole range of the type, and near zero."""
    path = cases / f"{name}.tflite"
    graph = read(path)
    rng = np.random.default_rng(4)
    shape = graph.inputs[0].type.shape
    wide = rng.integers(-32768, 32767, (3, *shape), endpoint=True)
    x = np.concatenate([wide, wide // 300]).astype(np.int16)
    expected = b"".join(run_litert(path, [row])[0].tobytes() for row in x)
    assert len(set(expected)) > 20
    rows = x.reshape(len(x), -1).view(np.uint8)
    assert emulated(graph, board, rows, tmp_path / "out") == expected
