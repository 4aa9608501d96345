"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_writer import run_litert

from tinyc.boards import load_board
from tinyc.build import build
from tinyc.compile import compile_model
from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import interpret
from tinyc.run import run


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
