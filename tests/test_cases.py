"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import litert, run_lce, run_litert

from tinyc.boards import load_board
from tinyc.build import build
from tinyc.compile import compile_model
from tinyc.data import random_samples
from tinyc.emit.c import emit
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import DType, Graph, interpret
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.passes import optimize
from tinyc.plan import plan
from tinyc.run import MAINS, run

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # before TensorFlow, for larq


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


# Tables and binary layers ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["LOGISTIC_256", "TANH_256"])
def test_tables_at_powers_of_two_are_litert_s(cases: Path, name: str) -> None:
    pytest.importorskip("ai_edge_litert")
    graph = read(cases / f"{name}.tflite")
    for byte in range(-128, 128):
        x = np.full((1, 1), byte, np.int8)
        (theirs,) = run_litert(cases / f"{name}.tflite", [x])
        assert interpret(graph, [x])[graph.outputs[0]] == theirs


def test_a_relu_of_packed_signs_is_in_their_thresholds(cases: Path) -> None:
    pytest.importorskip("larq_compute_engine")
    path = cases / "larq_relu.tflite"
    graph = read(path)
    assert any(
        isinstance(n.op, LceBconv2d) and n.output.type.dtype is DType.I32 for n in graph.nodes
    )
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(0, 1, graph.inputs[0].type.shape).astype(np.float32)
        ours = interpret(graph, [x])[graph.outputs[0]]
        np.testing.assert_allclose(ours, run_lce(path, [x])[0], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("larq_padzero.py:zero", "padzero_zero.npz"),
        ("larq_zero_gamma.py:zero", "zg_zero.npz"),
        ("larq_zero_gamma.py:tiny", "zg_zero.npz"),
    ],
)
def test_signs_behind_zeros_and_beside_constants(cases: Path, model: str, data: str) -> None:
    """Every layer but the last gives signs, and all samples agree with Keras."""
    pytest.importorskip("larq_compute_engine")
    board = load_board("mps2_an386")
    compiled = compile_model(cases / model, board, calibration=cases / data)
    graph = compiled.plan.graph
    layers = [n for n in graph.nodes if isinstance(n.op, LceBconv2d)]
    assert [n.output.type.dtype for n in layers] == [*[DType.I32] * 3, DType.I8]
    assert not graph.missed and compiled.predict is not None
    (source,) = graph.inputs
    for x in np.load(cases / data)["x"]:
        # -1 and 1, whose signs are all that counts
        signs = np.where(x < 0, -127, 127) + source.type.zero_point
        narrow = np.clip(signs, -128, 127).astype(np.int8)[None]
        ours = interpret(graph, [narrow])[graph.outputs[0]]
        assert np.argmax(ours) == np.argmax(compiled.predict([x[None]])[0])


# Files that pass and should not ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "id", "words"),
    [
        ("scale_ratio_1", "E304", "op 0 'y' (RELU_N1_TO_1): rescales numbers of up to 255 by"),
        ("union_type_1", "E301", "op 0 'z' (ADD): its options are those of SplitV"),
        ("lce_padding_bits_1", "E325", "its filters have bits beyond the last channel"),
        ("nan_weights_1", "E324", "op 0 'y' (CONV_2D): its operand 'w' holds NaN or infinity"),
    ],
)
def test_mutated_files_are_refused(cases: Path, name: str, id: str, words: str) -> None:
    with pytest.raises(CompileError) as caught:
        read(cases / f"{name}.tflite")
    assert caught.value.id == id and words in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_constant_output_that_stands_twice(cases: Path, tmp_path: Path) -> None:
    board = load_board("mps2_an386")
    compiled = compile_model(cases / "twice.tflite", board)
    first, second = compiled.plan.graph.outputs
    assert first is second and first.data is not None
    image = build(compiled.sources, "twice", board, None, tmp_path, main="test")
    trace = run(image, np.zeros((1, 4), np.uint8))
    assert trace.outputs[0].tobytes() == 2 * first.data.tobytes()


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
        ("int16x8_mtb", [("E331", "16x8", "representative_dataset")]),
        ("resnet_16x8", [("E331", "16x8", "representative_dataset")]),
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
