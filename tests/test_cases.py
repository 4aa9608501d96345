"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import run_lce, run_litert

from tinyc.boards import load_board
from tinyc.build import build
from tinyc.compile import compile_model
from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import DType, interpret
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.run import run

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
    assert not graph.notes and compiled.predict is not None
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


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------
